//! Why a snapshot cannot be read.

use libc::c_int;

use crate::Unusable;

/// Why a snapshot cannot be read. None of these means that an account does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was ever published here, or podyd is replacing it faster than it can be opened.
    Missing,
    /// The caller may not read it.
    Denied,
    /// It is not a snapshot, is damaged, or belongs to somebody who may not publish one.
    Unusable,
    /// The system refused, with this errno.
    System(c_int),
}

impl Trouble {
    /// What errno says it.
    pub const fn errno(self) -> c_int {
        match self {
            Self::Missing => libc::ENOENT,
            Self::Denied => libc::EACCES,
            Self::Unusable => libc::EBADMSG,
            Self::System(errno) => errno,
        }
    }

    pub(crate) const fn from_errno(errno: c_int) -> Self {
        match errno {
            libc::ENOENT | libc::ENOTDIR => Self::Missing,
            libc::EACCES | libc::EPERM => Self::Denied,
            libc::ELOOP => Self::Unusable,
            errno => Self::System(errno),
        }
    }
}

impl From<Unusable> for Trouble {
    fn from(_: Unusable) -> Self {
        Self::Unusable
    }
}

impl core::fmt::Display for Trouble {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no snapshot: is podyd running?"),
            Self::Denied => f.write_str("no permission to read the snapshot"),
            Self::Unusable => {
                f.write_str("the snapshot is damaged or owned by a stranger: restart podyd to make a new one")
            }
            Self::System(errno) => write!(f, "the snapshot could not be mapped: errno {errno}"),
        }
    }
}

impl core::error::Error for Trouble {}
