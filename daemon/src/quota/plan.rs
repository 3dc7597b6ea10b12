//! What must be changed so that the kernel holds people to what they may have: no more than that.

use std::collections::HashMap;

use quotactl::{Limits, Quota};

/// Limits of an id that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub id: u32,
    /// What the kernel has.
    pub from: Limits,
    /// What it should have.
    pub to: Limits,
}

/// Compares what is wanted of one filesystem with what is so there, in the order of what is wanted. Ids that nobody wants
/// anything of are somebody else's, and an id of which the kernel knows nothing has no limits.
#[must_use]
pub fn plan(wanted: impl IntoIterator<Item = (u32, Limits)>, actual: &[Quota]) -> Vec<Change> {
    let actual: HashMap<u32, Limits> = actual.iter().map(|quota| (quota.id, quota.limits)).collect();
    let change = |(id, to)| {
        let from = actual.get(&id).copied().unwrap_or_default();
        (from != to).then_some(Change { id, from, to })
    };
    wanted.into_iter().filter_map(change).collect()
}
