//! Limits of memory, processors and tasks: systemd is told of them for whoever has had a session here, and keeps them over a
//! boot. A user who never comes has no slice to limit.

use std::collections::HashMap;

use identity::Name;
use protocol::helper::quota::Failed;
use protocol::helper::{MAX_SET_SLICES, SetSlices, SliceLimits, SliceOf, SliceRecord, SlicesAreSet};
use tokio::time::Instant;

use super::apply::HELPER_ADVICE;
use super::{Applied, Finding, Person, Round, kernel};
use crate::directory::{Directory, Error, Result};
use crate::limits::{MAX_TOLD_CHANGES, SLICES_SET_WITHIN};
use crate::quota::{Field, Merged};
use crate::service::Service;
use crate::store::Held;

/// Slices that cannot be limited are told of by so many of their users.
const MAX_TOLD: usize = 3;

/// A slice whose limits were not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedSlice {
    /// Whose; none: of somebody who was deleted.
    pub name: Option<Name>,
    /// The user id.
    pub uid: u32,
    /// What differed.
    pub fields: Vec<ChangedField>,
    /// Whether somebody else than podyd made it so.
    pub is_drift: bool,
}

/// One limit of a slice that was not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedField {
    /// By its name in the helper's words, which is that of its [`Field`].
    pub field: &'static str,
    /// What systemd had; none: no limit.
    pub from: Option<u64>,
    /// What it should have; none: what everybody has, whatever systemd was told to keep.
    pub to: Option<u64>,
}

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
        match self.limit_slices(&[(person, known, limits)]).await?.pop() {
            None => Ok(()),
            Some(Failed { why, .. }) => Err(Error::Failed(why)),
        }
    }

    /// Limits at most [`MAX_SET_SLICES`], with what is known of each; what is returned are those that could not be.
    async fn limit_slices(&self, slices: &[(&Person, Option<&str>, SliceLimits)]) -> Result<Vec<Failed>> {
        let wanted = slices.iter().map(|(person, _, limits)| SliceOf { uid: person.uid, limits: *limits });
        let call = SetSlices { slices: wanted.collect() };
        let SlicesAreSet { changed, failed } = self.helper.call_within(SLICES_SET_WITHIN, &call).await?;
        let mut notes = Vec::new();
        for (person, known, limits) in slices {
            let uid = person.uid;
            if failed.iter().any(|failed| failed.uid == uid) {
                continue;
            }
            let asked = written(limits)?;
            let is_as_asked = asked.as_deref() == *known;
            if changed.contains(&uid) {
                self.metrics.quotas_changed(is_as_asked, 1);
                if is_as_asked {
                    tracing::warn!(
                        uid,
                        "the limits of a slice were changed by somebody else, and are put right"
                    );
                }
                tracing::info!(uid, ?limits, "the limits of a slice are set");
            }
            if !is_as_asked {
                notes.push((uid, Some(Held { uuid: person.uuid.clone(), slice: asked })));
            }
        }
        if !notes.is_empty() {
            self.node.note_held(&notes).await?;
        }
        Ok(failed)
    }

    /// Those whose slices were limited here, are up, or who have a session, get what they should have: where systemd is
    /// read, whatever differs, and else what has changed since they were told of it.
    pub(super) async fn reconcile_slices(
        &self,
        held: &HashMap<u32, Held>,
        people: &[(Person, Merged)],
        round: Round,
        applied: &mut Applied,
    ) {
        let found = match round {
            Round::Quick => None,
            Round::Dry | Round::Whole => match self.slices(held, people).await {
                Ok(found) => Some(found),
                Err(error) => {
                    self.quotas.known().slices_read = None;
                    let finding =
                        format!("limits of memory, processors and tasks are not looked after: {error}");
                    return applied.findings.push((finding, HELPER_ADVICE.into()));
                }
            },
        };
        let with_sessions = self.uids_with_sessions().await;
        let mut due = Vec::new();
        for (person, merged) in people {
            let held = held.get(&person.uid);
            let is_there = with_sessions.contains(&person.uid);
            let Some(change) = change(person, merged, held, found.as_ref(), is_there) else { continue };
            if !change.fields.is_empty() {
                applied.differed += 1;
                let has_room = applied.slices.len() < MAX_TOLD_CHANGES;
                applied.slices.extend(has_room.then_some(change));
            }
            due.push((person, held.and_then(|held| held.slice.as_deref()), slice(merged)));
        }
        if round == Round::Dry {
            return;
        }
        let findings = self.limit_all_slices(&due).await;
        if round == Round::Whole && findings.is_empty() {
            self.quotas.known().slices_read = Some(Instant::now());
        }
        applied.findings.extend(findings);
    }

    async fn limit_all_slices(&self, due: &[(&Person, Option<&str>, SliceLimits)]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for slices in due.chunks(MAX_SET_SLICES) {
            match self.limit_slices(slices).await {
                // One user's trouble is no other's.
                Ok(failed) => findings.extend(failed.into_iter().map(|Failed { uid, why }| {
                    let finding = format!("the slice of uid {uid} has not the limits that it should: {why}");
                    (finding, HELPER_ADVICE.into())
                })),
                Err(error) => {
                    let finding = format!("slices have not the limits that they should: {error}");
                    findings.insert(0, (finding, HELPER_ADVICE.into()));
                    break;
                }
            }
        }
        findings.truncate(MAX_TOLD);
        findings
    }

    /// What systemd holds people to; it is not asked where nobody is to be held to anything.
    async fn slices(
        &self,
        held: &HashMap<u32, Held>,
        people: &[(Person, Merged)],
    ) -> Result<HashMap<u32, SliceRecord>> {
        let is_wanted = people.iter().any(|(_, merged)| slice(merged) != SliceLimits::default());
        match is_wanted || held.values().any(|held| held.slice.is_some()) {
            true => kernel::slices(&self.helper).await,
            false => Ok(HashMap::new()),
        }
    }
}

/// What is to be done about somebody's slice, if anything: of what systemd has, where that is known, what differs; else
/// nothing but that it was told something else.
fn change(
    person: &Person,
    merged: &Merged,
    held: Option<&Held>,
    found: Option<&HashMap<u32, SliceRecord>>,
    is_there: bool,
) -> Option<ChangedSlice> {
    let (uid, wanted) = (person.uid, slice(merged));
    let known = held.and_then(|held| held.slice.as_deref());
    let now = found.and_then(|found| found.get(&uid));
    let is_looked_after = known.is_some() || now.is_some() || is_there;
    let is_anybodys = wanted == SliceLimits::default() && known.is_none();
    if !is_looked_after || is_anybodys {
        return None;
    }
    let is_as_asked = written(&wanted).is_ok_and(|wanted| wanted.as_deref() == known);
    let fields = if found.is_some() { differences(&wanted, now) } else { Vec::new() };
    let is_right = is_as_asked && fields.is_empty();
    (!is_right).then_some(ChangedSlice { name: person.name, uid, fields, is_drift: is_as_asked })
}

/// What is not as it is wanted. A limit that is wanted no more is one of it while systemd keeps it; what an admin has said in
/// files of their own stays.
fn differences(wanted: &SliceLimits, found: Option<&SliceRecord>) -> Vec<ChangedField> {
    let nothing = SliceRecord::default();
    let SliceRecord { limits, kept, .. } = found.unwrap_or(&nothing);
    let fields = wanted.fields().into_iter().zip(limits.fields());
    let difference = |((field, to), (_, from)): ((&'static str, Option<u64>), (_, _))| {
        let differs = if to.is_some() { to != from } else { kept.iter().any(|kept| kept == field) };
        differs.then_some(ChangedField { field, from, to })
    };
    fields.filter_map(difference).collect()
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
