//! What a module in other people's processes must not do, point by point.

mod buffers;
mod forged;
pub mod home;
pub mod processes;
mod resolving;
