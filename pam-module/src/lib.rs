//! `pam_pody.so`: carries a login to podyd and podyd's verdict back to PAM.
//!
//! It lives in sshd, su and sudo, so it has no thread, no runtime, no environment and no memory: it
//! prints nothing, keeps no descriptor, waits under deadlines and lets no panic out. This file holds the
//! six entries alone; each does what its module says over the traits [`pam::Pam`], [`request::Podyd`]
//! and [`request::AccountPart`].

pub mod account;
pub mod authenticate;
pub mod ffi;
pub mod local;
pub mod options;
pub mod pam;
pub mod password;
pub mod published;
pub mod request;
pub mod session;
pub mod socket;

#[cfg(test)]
mod script;

use std::ffi::{c_char, c_int};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use identity::Day;

use crate::ffi::{Handle, PamHandle};
use crate::options::Options;
use crate::pam::{Code, Flags, Level, Pam};
use crate::request::Request;

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident => $decide:path;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Called by libpam, with a handle and arguments that are valid until the entry returns.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            handle: *mut PamHandle,
            flags: c_int,
            argc: c_int,
            argv: *const *const c_char,
        ) -> c_int {
            // SAFETY: the entry's own contract.
            let mut handle = unsafe { Handle::new(handle) };
            // SAFETY: the entry's own contract.
            let arguments = unsafe { ffi::arguments(argc, argv) };
            ffi::guard(&mut handle, |handle| run(handle, Flags(flags), &arguments, $decide)) as c_int
        }
    )*};
}

entries! {
    /// PAM's `auth`: see [`authenticate`].
    pam_sm_authenticate => authenticate::authenticate;
    /// The other half of `auth`: see [`session`].
    pam_sm_setcred => session::set_credentials;
    /// PAM's `account`: see [`account`].
    pam_sm_acct_mgmt => account::check_account;
    /// PAM's `password`: see [`password`].
    pam_sm_chauthtok => password::change_password;
    /// PAM's `session`: see [`session`].
    pam_sm_open_session => session::open;
    /// The end of a session: see [`session`].
    pam_sm_close_session => session::close;
}

/// Gives a decision the real world to decide about.
fn run(handle: &mut Handle, flags: Flags, arguments: &[&[u8]], decide: fn(&mut Request<'_>) -> Code) -> Code {
    let (options, unknown) = Options::parse(arguments.iter().copied());
    for argument in unknown {
        handle.log(Level::Error, &format!("the argument {argument:?} is unknown and was ignored"));
    }
    decide(&mut Request {
        pam: handle,
        podyd: &mut socket::Socket::system(),
        accounts: &published::Published,
        passwd: Path::new("/etc/passwd"),
        today: today(),
        by_root: ffi::started_by_root(),
        options,
        flags,
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the edge: every decision gets the day as a value")]
fn today() -> Day {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Day(i32::try_from(since_1970.as_secs() / 86_400).unwrap_or(i32::MAX))
}
