//! Placeholder.
pub mod clock;
pub mod config;
pub mod limits;
pub mod verifiers;
