//! Limits of memory, processors and tasks: systemd is told of them for whoever has had a session here, and keeps them over a
//! boot. A user who never comes has no slice to limit.

use std::collections::HashMap;

use protocol::helper::{SetSlice, SliceLimits};

use super::Person;
use super::apply::HELPER_ADVICE;
use crate::directory::{Directory, Error, Result};
use crate::quota::{Field, Merged};
use crate::service::Service;
use crate::service::quota::Finding;
use crate::store::Held;

/// Slices that cannot be limited are told of by so many of their users.
const MAX_TOLD: usize = 3;

impl<D: Directory> Service<D> {
    /// Has systemd hold a user to the limits of the slice, whoever has changed them meanwhile. Nothing is done about
    /// somebody who has none and never had.
    pub(super) async fn limit_slice(
        &self,
        held: Option<&Held>,
        person: &Person,
        merged: &Merged,
    ) -> Result<()> {
        let limits = slice(merged);
        let known = held.and_then(|held| held.slice.as_deref());
        if limits == SliceLimits::default() && known.is_none() {
            return Ok(());
        }
        if self.helper.call(&SetSlice { uid: person.uid, limits }).await?.changed {
            tracing::info!(uid = person.uid, ?limits, "the limits of a slice are set");
        }
        let asked = written(&limits)?;
        if known == asked.as_deref() {
            return Ok(());
        }
        let held = Held { uuid: person.uuid.clone(), slice: asked };
        self.node.note_held(&[(person.uid, Some(held))]).await
    }

    /// Those whose slices were limited here, or who have a session, get what has changed since.
    pub(super) async fn reconcile_slices(
        &self,
        held: &HashMap<u32, Held>,
        people: &[(Person, Merged)],
    ) -> Vec<Finding> {
        let with_sessions = self.uids_with_sessions().await;
        let mut findings = Vec::new();
        for (person, merged) in people {
            let held = held.get(&person.uid);
            let known = held.and_then(|held| held.slice.as_deref());
            let is_looked_after = known.is_some() || with_sessions.contains(&person.uid);
            if !is_looked_after || written(&slice(merged)).is_ok_and(|wanted| wanted.as_deref() == known) {
                continue;
            }
            let Err(error) = self.limit_slice(held, person, merged).await else { continue };
            // One user's trouble is no other's; a helper that is away is everybody's.
            let ends = matches!(error, Error::Away(_) | Error::Busy(_));
            if findings.len() < MAX_TOLD {
                let finding =
                    format!("the slice of uid {} has not the limits that it should: {error}", person.uid);
                findings.push((finding, HELPER_ADVICE.into()));
            }
            if ends {
                break;
            }
        }
        findings
    }
}

fn slice(merged: &Merged) -> SliceLimits {
    let number = |field| merged.node.number(field);
    SliceLimits {
        memory_max: number(Field::MemoryMax),
        memory_high: number(Field::MemoryHigh),
        cpu_quota: number(Field::CpuQuota).and_then(|percent| u32::try_from(percent).ok()),
        tasks_max: number(Field::TasksMax),
        io_weight: number(Field::IoWeight).and_then(|weight| u16::try_from(weight).ok()),
    }
}

/// As it is noted; none: no limits.
fn written(limits: &SliceLimits) -> Result<Option<String>> {
    if *limits == SliceLimits::default() {
        return Ok(None);
    }
    serde_json::to_string(limits).map(Some).map_err(|error| Error::Failed(error.to_string()))
}
