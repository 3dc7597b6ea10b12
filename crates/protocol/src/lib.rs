//! What is said on podyd's Varlink socket: the `org.pody.*` interfaces as Rust types, the framing,
//! and a small blocking client for the PAM module and podyctl.
//!
//! These are wire shapes. They hold text as it came; whoever receives one makes `identity`'s types of
//! it once and uses those. There is no policy here.
#![forbid(unsafe_code)]

pub mod directory;
pub mod login;
pub mod node;

mod client;
mod error;
mod frame;

pub use client::{Client, ClientError};
pub use error::Error;
pub use frame::{Call, MAX_FRAME_BYTES, Method, Reply};

/// Where podyd listens for every `org.pody.*` interface (mode 0666: SO_PEERCRED decides who may do what).
pub const SOCKET: &str = "/run/pody/varlink";
