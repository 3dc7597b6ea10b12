//! What is mounted where, out of proc(5)'s mountinfo.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Something that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub path: PathBuf,
    /// `ext4`, `xfs`, …
    pub type_name: String,
    /// The device, or whatever else it comes from.
    pub source: PathBuf,
    pub(crate) device: (u32, u32),
}

/// All that this process sees, what covers something else later.
pub fn mounts() -> io::Result<Vec<Mount>> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(text.split(|&byte| byte == b'\n').filter_map(parse).collect())
}

/// What is mounted at `path` itself.
pub fn mount_at(path: &Path) -> io::Result<Option<Mount>> {
    Ok(mounts()?.into_iter().rev().find(|mount| mount.path == path))
}

pub(crate) fn device_of(file: &File) -> io::Result<(u32, u32)> {
    let device = file.metadata()?.dev();
    Ok((libc::major(device), libc::minor(device)))
}

/// `ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELDS…] - TYPE SOURCE OPTIONS` (proc_pid_mountinfo(5)).
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let (major, minor) = std::str::from_utf8(fields.nth(2)?).ok()?.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let path = unescape(fields.nth(1)?);
    fields.find(|field| *field == b"-")?;
    let type_name = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let source = unescape(fields.next()?);
    Some(Mount { path, type_name, source, device })
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        match after.get(..3).filter(|_| first == b'\\').and_then(octal) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read_with_all_its_escapes() {
        let line = br"36 35 98:2 /mnt1 /srv/two\040words\134x rw,noatime master:1 shared:4 - ext4 /dev/nvme0n1 rw,usrquota";
        let mount = parse(line).unwrap();
        assert_eq!(mount.path, Path::new(r"/srv/two words\x"));
        assert_eq!((mount.device, mount.type_name.as_str()), ((98, 2), "ext4"));
        assert_eq!(mount.source, Path::new("/dev/nvme0n1"));
        assert_eq!(parse(b"36 35 98:2 / /x rw - "), None);
        assert_eq!(parse(b""), None);
        assert_eq!(unescape(br"a\09"), Path::new(r"a\09"));
    }

    #[test]
    fn proc_is_mounted_and_etc_passwd_is_not() {
        assert_eq!(mount_at(Path::new("/proc")).unwrap().unwrap().type_name, "proc");
        assert_eq!(mount_at(Path::new("/etc/passwd/..")).unwrap(), None);
    }
}
