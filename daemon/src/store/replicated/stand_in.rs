//! How long this node's copy of passwords and tokens stands in for a directory that is away: `offline.max_age` from when it
//! was last known to be current, restarts of podyd included. What stands in the copy is not known here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Settings;
use crate::directory::{Error, Result};
use crate::store::NodeStore;

/// A copy that is current is noted at most so often, in seconds: each time is a write to the disk.
const NOTE_AGAIN_AFTER: i64 = 60;

/// Who lets the copy stand in, and for how long.
#[derive(Debug)]
pub struct StandIn {
    node: NodeStore,
    settings: watch::Receiver<Arc<Settings>>,
    clock: Clock,
    noted: AtomicI64,
}

impl StandIn {
    /// By these settings and this clock; the time is kept in `node`.
    pub fn new(node: NodeStore, settings: watch::Receiver<Arc<Settings>>, clock: Clock) -> Self {
        Self { node, settings, clock, noted: AtomicI64::default() }
    }

    /// Notes that the copy is current.
    pub async fn note_current(&self) {
        let now = self.clock.unix_seconds();
        if now - self.noted.load(Ordering::Relaxed) < NOTE_AGAIN_AFTER {
            return;
        }
        match self.node.note_copy_current(now).await {
            Ok(()) => self.noted.store(now, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, "that the copy of passwords and tokens is current is not noted");
            }
        }
    }

    /// Refuses a copy that is too old to be believed, for who asks while the directory is away, and why that is.
    pub async fn check(&self, why: String) -> Result<()> {
        let max_age = i64::try_from(self.settings.borrow().offline.max_age.as_secs()).unwrap_or(i64::MAX);
        let age = self.node.copy_current_at().await?.map(|at| self.clock.unix_seconds().saturating_sub(at));
        match age {
            Some(age) if age < max_age => Ok(()),
            _ => Err(Error::Away(format!("{why}, and this node's copy of it is older than offline.max_age"))),
        }
    }
}
