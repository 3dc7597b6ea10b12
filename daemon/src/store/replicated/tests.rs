//! Replicas of directories on real servers.

#[cfg(feature = "backend-postgres")]
mod postgres;
#[cfg(feature = "backend-libsql")]
mod secrets;
