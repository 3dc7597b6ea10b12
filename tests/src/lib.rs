//! A harness that runs the real binaries, for the stories in `tests/tests`.
//!
//! [`machine`] boots a whole Debian and [`sandbox`] is a private copy of this machine; both are a [`host`] to
//! run commands in. [`login`] is what people do there. Nothing here knows how Pody works inside.
#![forbid(unsafe_code)]

pub mod host;
pub mod login;
pub mod machine;
pub mod paths;
pub mod sandbox;
pub mod scratch;
pub mod source;
pub mod wait;
