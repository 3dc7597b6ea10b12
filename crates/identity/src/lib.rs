//! What an account is: names, ids, users and groups, and the rules that make them valid.
//!
//! Everything here is decided from values: there is no I/O, no clock and no allocation outside the
//! `std` feature, so that the NSS module can hold the daemon to the very same rules.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "std", test))]
extern crate std;

mod id;
mod name;
mod privileged;

pub use id::{Gid, IdRange, IdRangeError, Uid, is_reserved_id};
pub use name::{MAX_NAME_BYTES, Name, NameError};
pub use privileged::is_privileged_group;

#[cfg(any(feature = "std", test))]
mod account;
#[cfg(any(feature = "std", test))]
mod day;
#[cfg(any(feature = "std", test))]
mod field;
#[cfg(any(feature = "std", test))]
pub use account::{Day, Group, State, User};
#[cfg(any(feature = "std", test))]
pub use day::DayError;
#[cfg(any(feature = "std", test))]
pub use field::{AbsolutePath, Email, FieldError, Gecos};
