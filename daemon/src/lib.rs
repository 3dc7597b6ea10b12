//! Placeholder.
pub mod clock;
pub mod config;
