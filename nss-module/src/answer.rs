//! What glibc is told: a status, and an errno that only a failure may change (nss(5), glibc's nss/).

use libc::c_int;
use snapshot::{Trouble, Unusable};

/// `enum nss_status` of nss.h.
pub const TRY_AGAIN: c_int = -2;
/// The service cannot answer: this is never "no such user".
pub const UNAVAILABLE: c_int = -1;
/// There is no such entry.
pub const NOT_FOUND: c_int = 0;
/// Here it is.
pub const SUCCESS: c_int = 1;

/// Why there is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The snapshot knows that there is none, or it is not for us to serve.
    NotFound,
    /// The caller's buffer is too small: the one refusal that makes glibc call again with a larger one.
    BufferTooSmall,
    /// realloc(3) failed.
    NoMemory,
    /// Nobody can say, for this errno.
    Unavailable(c_int),
}

impl Refusal {
    /// `enum nss_status`.
    pub const fn status(self) -> c_int {
        match self {
            Self::NotFound => NOT_FOUND,
            Self::BufferTooSmall | Self::NoMemory => TRY_AGAIN,
            Self::Unavailable(_) => UNAVAILABLE,
        }
    }

    /// ERANGE comes with [`BufferTooSmall`](Self::BufferTooSmall) alone: with any other it would make
    /// callers double their buffer for ever.
    pub const fn errno(self) -> c_int {
        match self {
            Self::NotFound => libc::ENOENT,
            Self::BufferTooSmall => libc::ERANGE,
            Self::NoMemory => libc::ENOMEM,
            Self::Unavailable(libc::ERANGE | 0) => libc::EIO,
            Self::Unavailable(errno) => errno,
        }
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable(trouble.errno())
    }
}

impl From<Unusable> for Refusal {
    fn from(unusable: Unusable) -> Self {
        Trouble::from(unusable).into()
    }
}

/// Runs a lookup and turns its result into glibc's terms. errno is as it was unless the lookup failed, and
/// then `errnop` says why; glibc passes errno itself there, so errno is restored first.
///
/// # Safety
///
/// `errnop` is null or points at a `c_int` that may be written.
pub unsafe fn answer(errnop: *mut c_int, lookup: impl FnOnce() -> Result<(), Refusal>) -> c_int {
    // SAFETY: __errno_location(3) has no preconditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it points at this thread's errno for as long as the thread lives.
    let errno = unsafe { &mut *errno };
    let before = *errno;
    let result = lookup();
    *errno = before;
    let Err(refusal) = result else { return SUCCESS };
    if !errnop.is_null() {
        // SAFETY: the caller's promise.
        unsafe { errnop.write(refusal.errno()) };
    }
    refusal.status()
}
