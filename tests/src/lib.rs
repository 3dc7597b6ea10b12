//! A harness that runs the real binaries, for the stories in `tests/tests`.
//!
//! [`machine`] boots a whole Debian, [`network`] several on one switch, [`engine`] one that runs containers, [`vm`] one with a kernel of its own, and [`sandbox`] is a private copy of this
//! machine; each is a [`host`] to run commands in. [`login`] is what people do there. Nothing here knows how Pody works inside.
#![forbid(unsafe_code)]

pub mod conversation;
pub mod engine;
pub mod host;
pub mod login;
pub mod machine;
pub mod network;
pub mod paths;
pub mod relay;
pub mod sandbox;
pub mod scratch;
pub mod source;
pub mod vm;
pub mod wait;
pub mod wire;
