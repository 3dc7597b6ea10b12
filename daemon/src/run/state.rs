//! Where podyd keeps its state when the usual place cannot hold any. A node that takes its users from an OpenID provider
//! alone may boot with nothing.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use crate::config::{AuthMode, Settings};

/// What linux/magic.h calls RAMFS_MAGIC, and the kernel never changes.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// Where the state is to be: the usual directory or, when nothing can be written there and `mode` allows for it, one that lasts
/// until the machine ends.
pub fn place(settings: &Settings) -> io::Result<PathBuf> {
    let usual = &settings.paths.state;
    match super::make_directory(usual, 0o700) {
        Err(error)
            if error.kind() == ErrorKind::ReadOnlyFilesystem && settings.auth.mode == AuthMode::OidcOnly =>
        {
            let instead = settings.paths.run.join("state");
            super::make_directory(&instead, 0o700)?;
            bring_along(usual, &instead)?;
            tracing::warn!(
                usual = %usual.display(), instead = %instead.display(),
                "nothing can be written to the state directory: who logs in is known until this machine ends"
            );
            Ok(instead)
        }
        made => made.map(|()| usual.clone()),
    }
}

/// An image may come with users in it.
fn bring_along(usual: &Path, instead: &Path) -> io::Result<()> {
    let (from, to) = (usual.join("directory.sqlite"), instead.join("directory.sqlite"));
    if to.exists() || !from.exists() {
        return Ok(());
    }
    // Half of it is never taken for all of it.
    let copy = instead.join("directory.sqlite.new");
    fs::copy(from, &copy)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600))?;
    fs::rename(copy, to)
}

/// Whether what is written there is gone when the machine starts again.
pub fn is_volatile(path: &Path) -> bool {
    statfs(path).is_ok_and(|status| [TMPFS_MAGIC, RAMFS_MAGIC].contains(&status.filesystem_type()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_alone_is_volatile() {
        assert!(is_volatile(Path::new("/dev/shm")));
        assert!(!is_volatile(Path::new("/proc")));
        assert!(!is_volatile(Path::new("/nowhere")));
    }
}
