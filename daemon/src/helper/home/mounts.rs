//! What is mounted where: what belongs to another file system is nobody's home, and where one is to be mounted and is not,
//! there are no homes at all.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const MOUNTED: &str = "/proc/thread-self/mountinfo";

/// Units of admins and of generators.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator"];

/// Where something is mounted in this directory, or on it.
pub fn inside(directory: &OwnedFd) -> io::Result<Option<PathBuf>> {
    let path = path_of(directory)?;
    Ok(mounted(&fs::read(MOUNTED)?).find(|point| point.starts_with(&path)))
}

/// The file servers that have what is at these paths, as they are written; nothing of it is touched.
pub fn servers_of<'p>(paths: impl Iterator<Item = &'p str>) -> io::Result<BTreeSet<String>> {
    Ok(find_servers(&fs::read(MOUNTED)?, paths))
}

fn find_servers<'p>(mountinfo: &[u8], paths: impl Iterator<Item = &'p str>) -> BTreeSet<String> {
    let lines = mountinfo.split(|&byte| byte == b'\n');
    let mounts: Vec<(PathBuf, String)> =
        lines.filter_map(|line| Some((point_of(line)?, server_of(line)?))).collect();
    let of = |path: &str| {
        let above = mounts.iter().filter(|(point, _)| Path::new(path).starts_with(point));
        above.max_by_key(|(point, _)| point.as_os_str().len()).map(|(_, server)| server.clone())
    };
    paths.filter_map(of).collect()
}

/// What is away at once: the machine that several mounts are from (`nfs1:/home/ada`, `//nas/homes`), and else the one file
/// system. What users mount themselves (FUSE) may call itself what it likes, and is a server of its own.
fn server_of(line: &[u8]) -> Option<String> {
    let mut fields = line.split(|&byte| byte == b' ');
    let device = String::from_utf8_lossy(fields.nth(2)?);
    fields.find(|field| *field == b"-")?;
    let type_name = fields.next()?;
    let source = unescaped(fields.next()?);
    let source = source.to_string_lossy();
    let machine = match source.strip_prefix("//") {
        Some(share) => share.split('/').next(),
        None => source.split_once(":/").map(|(machine, _)| machine),
    };
    match machine.filter(|machine| !machine.is_empty() && !type_name.starts_with(b"fuse")) {
        Some(machine) => Some(machine.to_owned()),
        None => Some(format!("{source} ({device})")),
    }
}

/// The mount point that this directory is, or is in, if /etc/fstab or a unit of systemd has it and nothing is mounted there now.
pub fn missing(directory: &OwnedFd) -> io::Result<Option<PathBuf>> {
    missing_at(&path_of(directory)?)
}

/// The same of a directory that need not be there.
pub fn missing_at(path: &Path) -> io::Result<Option<PathBuf>> {
    let fstab = match fs::read("/etc/fstab") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        fstab => fstab?,
    };
    Ok(find_missing(&fstab, has_unit, &fs::read(MOUNTED)?, path))
}

/// Whether an admin, or what makes units at boot, wants something mounted there. What distributions ship is for other places.
fn has_unit(point: &Path) -> bool {
    let unit = unit_of(point);
    UNITS.iter().any(|directory| {
        // A unit that is masked is a link to nothing.
        fs::metadata(Path::new(directory).join(&unit)).is_ok_and(|unit| unit.is_file())
    })
}

/// As systemd-escape(1) has it.
fn unit_of(point: &Path) -> String {
    let mut unit = String::new();
    for &byte in point.as_os_str().as_bytes().iter().skip(1) {
        match byte {
            b'/' => unit.push('-'),
            b'.' if unit.is_empty() => unit.push_str("\\x2e"),
            b':' | b'_' | b'.' => unit.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => unit.push(byte.into()),
            byte => unit.push_str(&format!("\\x{byte:02x}")),
        }
    }
    unit + ".mount"
}

fn path_of(directory: &OwnedFd) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// What is mounted only when somebody asks for it (noauto) counts: without it, the directory is not the one that is meant.
fn find_missing(
    fstab: &[u8],
    has_unit: impl Fn(&Path) -> bool,
    mountinfo: &[u8],
    path: &Path,
) -> Option<PathBuf> {
    let lines = fstab.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    let points = lines.filter_map(|line| {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        fields.nth(1).map(unescaped)
    });
    let with_units = path.ancestors().filter(|point| *point != Path::new("/") && has_unit(point));
    let points = points.chain(with_units.map(Path::to_path_buf));
    let mut expected = points.filter(|point| point.is_absolute() && path.starts_with(point));
    expected.find(|expected| mounted(mountinfo).all(|point| point != *expected))
}

/// The fifth field of proc_pid_mountinfo(5). Names are bytes, and not everybody's are text.
fn mounted(mountinfo: &[u8]) -> impl Iterator<Item = PathBuf> {
    mountinfo.split(|&byte| byte == b'\n').filter_map(point_of)
}

fn point_of(line: &[u8]) -> Option<PathBuf> {
    line.split(|&byte| byte == b' ').nth(4).map(unescaped)
}

/// Spaces, tabs, line breaks and backslashes are written as three octal digits.
fn unescaped(point: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(point.len());
    let mut rest = point;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| byte == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(meant) => {
                bytes.push(meant);
                rest = &after[3..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn what_is_mounted_in_a_directory_or_on_it_is_found() {
        let mountinfo = b"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:5 / /home/ada/my\\040disk rw - tmpfs t rw\n\
                          23 21 0:6 / /home/bob rw - tmpfs t rw\n24 21 0:6 / /home/c\xffd/\\134x rw - tmpfs t rw\n";
        let inside =
            |path: &[u8]| mounted(mountinfo).find(|point| point.starts_with(OsStr::from_bytes(path)));
        assert_eq!(inside(b"/home/ada"), Some("/home/ada/my disk".into()));
        assert_eq!(inside(b"/home/bob"), Some("/home/bob".into()));
        assert_eq!(inside(b"/home/bo"), None, "a name is no prefix of another");
        assert_eq!(inside(b"/home/cid"), None);
        assert_eq!(inside(b"/home/c\xffd"), Some(OsStr::from_bytes(b"/home/c\xffd/\\x").into()), "not text");
    }

    #[test]
    fn a_file_system_that_is_to_be_mounted_and_is_not_is_missed() {
        let fstab = b"# /dev/sda9 /srv ext4 defaults\nUUID=1 / ext4 defaults 0 1\nUUID=2 none swap sw\n\n\
                      server:/home\t/home  nfs noauto\nserver:/d /data\\040of nfs defaults\n/dev/sdb1 /home/big xfs\n";
        let is_srv = |point: &Path| point == Path::new("/srv/nfs");
        let bare = b"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        let whole = b"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:5 / /home rw - nfs s rw\n";
        let missing = |mountinfo: &[u8], path: &str| find_missing(fstab, is_srv, mountinfo, Path::new(path));
        assert_eq!(missing(bare, "/home"), Some("/home".into()));
        assert_eq!(missing(bare, "/data of/homes"), Some("/data of".into()), "above a root, too");
        assert_eq!(missing(whole, "/home"), None);
        assert_eq!(missing(whole, "/home/big"), Some("/home/big".into()));
        assert_eq!(missing(bare, "/srv/home"), None, "a comment");
        assert_eq!(missing(bare, "/homes"), None);
        assert_eq!(missing(bare, "/srv/nfs/homes"), Some("/srv/nfs".into()), "a unit");
    }

    #[test]
    fn mounts_from_one_machine_are_of_one_file_server() {
        let mountinfo = b"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:50 / /home/ada rw shared:7 - nfs4 nfs1:/home/ada rw\n\
                          23 21 0:51 / /home/bob rw - nfs4 nfs1:/srv/b rw\n24 21 0:52 / /home/eve rw - fuse.sshfs nfs1:/x rw\n\
                          25 21 0:53 / /data rw - nfs4 [fe80::1]:/d rw\n26 21 0:54 / /win rw - cifs //nas/homes rw\n\
                          27 21 0:55 / /home/big rw - nfs4 nfs2:/big rw\n";
        let of = |path: &str| find_servers(mountinfo, [path].into_iter()).into_iter().next().unwrap();
        for (path, server) in [
            ("/home/ada", "nfs1"),
            ("/home/bob/x", "nfs1"),
            ("/home/eve", "nfs1:/x (0:52)"),
            ("/home/carl", "/dev/sda1 (8:1)"),
            ("/home/big/dan", "nfs2"),
            ("/data/x", "[fe80::1]"),
            ("/win/x", "nas"),
        ] {
            assert_eq!(of(path), server, "{path}");
        }
        let homes = ["/home/ada", "/home/bob", "/home/big/dan"];
        assert_eq!(find_servers(mountinfo, homes.into_iter()).len(), 2);
    }

    #[test]
    fn units_are_named_as_systemd_names_them() {
        for (point, unit) in [
            ("/home", "home.mount"),
            ("/srv/home", "srv-home.mount"),
            ("/.homes/a-b c", "\\x2ehomes-a\\x2db\\x20c.mount"),
            ("/h\u{e4}", "h\\xc3\\xa4.mount"),
        ] {
            assert_eq!(unit_of(Path::new(point)), unit);
        }
    }
}
