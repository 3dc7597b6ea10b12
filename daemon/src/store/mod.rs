//! Where accounts are kept. Each backend is a [`crate::directory::Directory`] on a real database; `node` is
//! what belongs to this machine alone and never travels.

#[cfg(feature = "backend-libsql")]
pub mod hrana;
mod node;
pub mod pody_database;
mod remote;
mod replicated;
mod sql;

pub use node::{
    Answer, Digest, Failures, Held, Home, NodeStore, PolicyOwner, RefreshToken, ReloginCode, Remembered,
    Session, Statement, Taken, Vault,
};
pub use remote::{Pody04Directory, RemoteDirectory};
pub use replicated::Replicated;
pub use sql::{Copied, Progress, Schema, SqlDirectory};

#[cfg(test)]
mod conformance;
