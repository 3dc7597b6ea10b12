//! Placeholder.
pub mod arguments;
pub mod clock;
pub mod config;
pub mod limits;
pub mod log;
pub mod notify;
pub mod verifiers;
