//! What users may use on this node: policies are kept in the node's own file, put together in `crate::quota`, and carried to the
//! kernel by podyd-helper, which touches nothing that was not asked for.
//!
//! Nothing of it leaves the node, and none of it keeps anybody from logging in: what cannot be set is told to whoever looks
//! after the machine.

mod apply;
mod follow;
mod kernel;
mod picture;
mod policy;
mod report;
mod session;
mod show;
mod slices;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::Name;
use quotactl::Limits;
use tokio::sync::Notify;

pub use apply::{Applied, Changed};
pub use policy::{PolicyChange, Subject};
pub use report::Usage;
pub use show::{Shown, Value};

use crate::quota::MountPoint;

/// What is not in force, and what to do about it.
pub type Finding = (String, String);

/// What is known of quotas while podyd runs.
#[derive(Debug, Default)]
pub struct Quotas {
    /// Whoever compares and sets has it, so that nobody sets what was right a moment ago.
    turn: tokio::sync::Mutex<()>,
    wake: Notify,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    findings: Vec<Finding>,
    /// What the kernel was last told or found to have: whatever differs from that, somebody else has changed.
    applied: HashMap<(MountPoint, u32), Limits>,
}

impl Quotas {
    /// What is not in force, and what to do about it.
    pub fn findings(&self) -> Vec<Finding> {
        self.known().findings.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody whose limits are looked after.
#[derive(Clone, Debug)]
struct Person {
    uuid: String,
    /// None: deleted.
    name: Option<Name>,
    uid: u32,
}
