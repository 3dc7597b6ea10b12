//! Why the kernel does not do what it was asked to, by who must act.

use std::fmt;
use std::io;

/// Why a quota cannot be read or set.
#[derive(Debug)]
pub enum Error {
    /// Nothing is mounted at the path.
    NotMounted,
    /// The filesystem, or this kernel, keeps no quotas of this kind.
    Off,
    /// This process may not.
    NotPermitted,
    /// Something else.
    Io(io::Error),
}

/// Whether the kernel says that there are no quotas: it, or the filesystem, has none (ENOSYS, EOPNOTSUPP, ENOTTY), not of this kind
/// (EINVAL), they are not turned on (ESRCH), or there is no disk below (ENOTBLK, ENODEV).
pub(crate) fn means_off(error: &io::Error) -> bool {
    let off = [
        libc::ENOSYS,
        libc::EOPNOTSUPP,
        libc::ENOTTY,
        libc::EINVAL,
        libc::ESRCH,
        libc::ENOTBLK,
        libc::ENODEV,
    ];
    error.raw_os_error().is_some_and(|code| off.contains(&code))
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            _ if means_off(&error) => Self::Off,
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMounted => f.write_str("nothing is mounted there"),
            Self::Off => f.write_str("it is mounted without quotas of this kind"),
            Self::NotPermitted => f.write_str("this process may not look after quotas (CAP_SYS_ADMIN)"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
