//! Proving who one is, with a password: how hashes are read and made ([`PasswordHash`]), how many are
//! computed at a time ([`Pool`]), and what guessing costs ([`lockout`]); or by a provider's word ([`oidc`]).
//!
//! Nothing here knows a store, a door or the time of day: hashes and records are values that the service
//! loads and keeps. One login by password goes: load the user's and the source's records and [`lockout::judge`] both;
//! [`Pool::verify`]; then, in one transaction, load and judge them again, and only when they still
//! allow it tell the verdict and write what the login did to them. The second look is what makes guessing
//! in parallel useless: of a hundred guesses sent at once, those beyond the free ones are told "locked",
//! right or wrong.

mod apr1;
mod argon2id;
mod hash;
pub mod lockout;
pub mod oidc;
mod password;
mod pool;

pub use argon2id::{Argon2Parameters, Memory, Salt};
pub use hash::{HashError, HashKind, PasswordHash};
pub use password::{NewPassword, PasswordError};
pub use pool::{Busy, Pool, Verified};
