//! What is mounted in a directory: what belongs to another file system is nobody's home.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Where something is mounted in this directory, or on it.
pub fn inside(directory: &OwnedFd) -> io::Result<Option<String>> {
    let path = fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(find(&mounts, &path))
}

/// The fifth field of proc_pid_mountinfo(5).
fn find(mountinfo: &str, directory: &Path) -> Option<String> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(unescaped).find(|point| Path::new(point).starts_with(directory))
}

/// Spaces, tabs, line breaks and backslashes are written in octal.
fn unescaped(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |point, (written, meant)| point.replace(written, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_in_a_directory_or_on_it_is_found() {
        let mountinfo = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:5 / /home/ada/my\\040disk rw - tmpfs t rw\n\
                         23 21 0:6 / /home/bob rw - tmpfs t rw\n";
        let inside = |path: &str| find(mountinfo, Path::new(path));
        assert_eq!(inside("/home/ada").as_deref(), Some("/home/ada/my disk"));
        assert_eq!(inside("/home/bob").as_deref(), Some("/home/bob"));
        assert_eq!(inside("/home/bo"), None, "a name is no prefix of another");
        assert_eq!(inside("/home/cid"), None);
    }
}
