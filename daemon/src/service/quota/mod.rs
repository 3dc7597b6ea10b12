//! What users may use on this node: policies are kept in the node's own file, put together in `crate::quota`, and carried to the
//! kernel by podyd-helper, which touches nothing that was not asked for.
//!
//! Nothing of it leaves the node, and none of it keeps anybody from logging in: what cannot be set is told to whoever looks
//! after the machine.

mod apply;
mod follow;
mod homes;
mod kernel;
mod picture;
mod policy;
mod report;
mod session;
mod show;
mod slices;

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use identity::Name;
use quotactl::Limits;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use apply::{Applied, Changed};
pub use homes::Counted;
pub use policy::{PolicyChange, Subject};
pub use report::Usage;
pub use show::{Shown, Value};
pub use slices::{ChangedField, ChangedSlice};

use crate::config::Settings;
use crate::quota::Disk;

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
    applied: HashMap<(Disk, u32), Limits>,
    /// When systemd was last to be read, even if it did not answer: asking it all over would be more trouble yet.
    slices_read: Option<Instant>,
    /// What it could not tell of then.
    slices_unread: Vec<Finding>,
    /// Whether the last login could not wait for its user's limits.
    is_slow: bool,
    /// Where the last login found that nobody is limited; none: in systemd.
    without: HashSet<Option<Disk>>,
    /// What there was to say about homes when they were last looked at, and by which settings.
    homes: Option<(Arc<Settings>, Vec<Finding>)>,
}

/// How thoroughly limits are compared with what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Everything is looked at, and nothing changed.
    Dry,
    /// Everything is looked at, and put right.
    Whole,
    /// Disks are looked at, which the kernel does in no time. Of slices is known what systemd was told: reading them takes a
    /// question for each, and the directory changes all the time.
    Quick,
}

impl Quotas {
    /// What is not in force, and what to do about it.
    pub fn findings(&self) -> Vec<Finding> {
        self.known().findings.clone()
    }

    /// How thorough the next round is, where slices are to be read so often.
    fn next_round(&self, every: Duration) -> Round {
        match self.known().slices_read {
            Some(read) if read.elapsed() < every => Round::Quick,
            _ => Round::Whole,
        }
    }

    /// What is not in force by now; the log tells what has changed about that.
    fn found(&self, findings: &[Finding]) {
        let mut known = self.known();
        for (new, advice) in findings.iter().filter(|finding| !known.findings.contains(finding)) {
            tracing::warn!("not all limits are in force: {new} ({advice})");
        }
        for (over, _) in known.findings.iter().filter(|finding| !findings.contains(finding)) {
            tracing::info!("no longer so: {over}");
        }
        known.findings = findings.to_vec();
    }

    /// Whether it is news that logins cannot wait until limits are set, or that they can again.
    fn is_news_of_time(&self, is_slow: bool) -> bool {
        mem::replace(&mut self.known().is_slow, is_slow) != is_slow
    }

    /// Has systemd be read in the next round.
    fn read_slices_soon(&self) {
        self.known().slices_read = None;
        self.wake.notify_one();
    }

    /// Whether it is news that nobody is limited there, or that people are again.
    pub(in crate::service) fn is_news(&self, place: Option<&Disk>, is_without: bool) -> bool {
        let mut known = self.known();
        match is_without {
            true => known.without.insert(place.cloned()),
            false => known.without.remove(&place.cloned()),
        }
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
