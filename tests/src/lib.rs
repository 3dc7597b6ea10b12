//! A harness that runs the real binaries.
#![forbid(unsafe_code)]

pub mod paths;
pub mod source;
