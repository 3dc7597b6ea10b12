//! podyd: gives a node its accounts. The code map stands in ARCHITECTURE.md; the law inside is
//! `doors → service → {directory, verifiers, store, publish}`.
#![forbid(unsafe_code)]

pub mod arguments;
mod cause;
pub mod clock;
pub mod config;
pub mod directory;
pub mod doors;
pub mod etc;
pub mod helper;
pub mod limits;
pub mod log;
pub mod notify;
pub mod process;
pub mod publish;
pub mod quota;
pub mod service;
pub mod store;
pub mod verifiers;
pub mod watch;
pub mod wire;

mod run;

pub use run::run;

#[cfg(test)]
mod testing;
