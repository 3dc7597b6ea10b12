//! `libnss_pody.so.2`: answers `getpwnam` and its kin out of the snapshot, without asking anybody.
//!
//! It is loaded into every program that looks up a user, sshd and set-uid programs among them. So it is built
//! without std, allocates nothing, starts nothing, keeps no descriptor, reads no environment, writes
//! nothing, and has no path that panics. Trouble is UNAVAIL, never "no such user".
#![cfg_attr(not(any(test, feature = "std")), no_std)]

mod answer;
mod counters;
mod entry;
mod fill;
mod initgroups;
mod local;
mod lock;
mod lookup;
mod paths;
mod process;
mod ranges;
mod resolve;
mod walk;

pub use entry::*;

#[cfg(test)]
mod tests;

/// No path leads here (a test looks for one); should there be one, the host must not unwind.
#[cfg(not(any(test, feature = "std")))]
#[panic_handler]
fn no_panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort(3) has no preconditions.
    unsafe { libc::abort() }
}
