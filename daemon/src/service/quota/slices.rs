//! Limits of memory, processors and tasks: systemd is told of them for whoever has had a session here, and keeps them over a
//! boot. A user who never comes has no slice to limit.

use std::collections::{HashMap, HashSet};

use identity::Name;
use protocol::helper::quota::Failed;
use protocol::helper::{MAX_SET_SLICES, SetSlices, SliceLimits, SliceOf, SliceRecord, SlicesAreSet};

use super::apply::HELPER_ADVICE;
use super::{Applied, Finding, Person, Round, kernel};
use crate::directory::{Directory, Error, Result};
use crate::limits::{MAX_TOLD_CHANGES, SLICES_SET_WITHIN};
use crate::quota::{Field, Merged};
use crate::service::Service;
use crate::store::Held;

/// Slices that cannot be limited are told of by so many of their users.
const MAX_TOLD: usize = 3;

/// Noted of a slice before systemd is told of it: it may have any limits, also if the answer is late or podyd dies, and is seen to
/// again until an answer says how it is.
const BEGUN: &str = "begun";

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

/// How slices were when they were read, and what was known of them then.
pub(super) struct Reading {
    slices: Result<kernel::Slices>,
    noted: HashMap<u32, Held>,
}

/// What systemd is to be told of a slice.
#[derive(Clone, Copy)]
struct Due<'a> {
    person: &'a Person,
    /// What it was told before.
    known: Option<&'a str>,
    limits: SliceLimits,
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
        match self.limit_slices(&[Due { person, known, limits }]).await?.failed.pop() {
            None => Ok(()),
            Some(Failed { why, .. }) => Err(Error::Failed(why)),
        }
    }

    /// Limits at most [`MAX_SET_SLICES`].
    async fn limit_slices(&self, slices: &[Due<'_>]) -> Result<SlicesAreSet> {
        let is_new = |due: &&Due<'_>| written(&due.limits).is_ok_and(|asked| asked.as_deref() != due.known);
        self.note_begun(slices.iter().filter(is_new).collect()).await?;
        let wanted = slices.iter().map(|due| SliceOf { uid: due.person.uid, limits: due.limits });
        let call = SetSlices { slices: wanted.collect() };
        let outcome = self.helper.call_within(SLICES_SET_WITHIN, &call).await;
        let has_failed = |due: &&Due<'_>| match &outcome {
            Ok(SlicesAreSet { failed, .. }) => failed.iter().any(|failed| failed.uid == due.person.uid),
            Err(_) => true,
        };
        self.note_begun(slices.iter().filter(has_failed).collect()).await?;
        let SlicesAreSet { changed, failed } = outcome?;
        let mut notes = Vec::new();
        for Due { person, known, limits } in slices {
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
        Ok(SlicesAreSet { changed, failed })
    }

    async fn note_begun(&self, slices: Vec<&Due<'_>>) -> Result<()> {
        let note = |due: &Due<'_>| {
            let held = Held { uuid: due.person.uuid.clone(), slice: Some(BEGUN.into()) };
            (due.person.uid, Some(held))
        };
        let notes: Vec<_> = slices.into_iter().filter(|due| due.known != Some(BEGUN)).map(note).collect();
        if notes.is_empty() { Ok(()) } else { self.node.note_held(&notes).await }
    }

    /// How slices are, where that is looked at and anybody is to be held to anything. It takes long where there are many, and is
    /// done before anybody's turn.
    pub(super) async fn read_slices(&self, round: Round) -> Result<Option<Reading>> {
        if round == Round::Quick {
            return Ok(None);
        }
        let picture = self.quota_picture(&self.current_settings().quota).await?;
        let noted = self.node.held().await?;
        let slices = match picture.limits_slices() || noted.values().any(|held| held.slice.is_some()) {
            true => kernel::slices(&self.helper).await,
            false => Ok(kernel::Slices::default()),
        };
        Ok(Some(Reading { slices, noted }))
    }

    /// Those whose slices were limited here, are up, or who have a session, get what they should have: where systemd was
    /// read, whatever differs, and else what has changed since they were told of it.
    pub(super) async fn reconcile_slices(
        &self,
        held: &HashMap<u32, Held>,
        people: &[(Person, Merged)],
        reading: Option<Reading>,
        round: Round,
        applied: &mut Applied,
    ) {
        let (found, noted, unread) = match reading {
            None => (None, HashMap::new(), self.quotas.known().slices_unread.clone()),
            Some(Reading { slices: Ok(slices), noted }) => {
                let unread = unread(&slices.failed);
                (Some(slices), noted, unread)
            }
            Some(Reading { slices: Err(error), .. }) => {
                let finding = format!("limits of memory, processors and tasks are not looked after: {error}");
                (None, HashMap::new(), vec![(finding, HELPER_ADVICE.into())])
            }
        };
        if round == Round::Whole {
            self.quotas.known().slices_unread.clone_from(&unread);
        }
        applied.findings.extend(unread);
        let with_sessions = self.uids_with_sessions().await;
        let mut changes = Vec::new();
        for (person, merged) in people {
            let uid = person.uid;
            // Whoever has logged in since it was read is as that login has it.
            let is_as_read = held.get(&uid) == noted.get(&uid);
            let found = found.as_ref().filter(|found| is_as_read && found.is_known(uid));
            let is_there = with_sessions.contains(&uid);
            let known = held.get(&uid).and_then(|held| held.slice.as_deref());
            let due = Due { person, known, limits: slice(merged) };
            changes.extend(change(due, found.map(|found| found.slices.get(&uid)), is_there));
        }
        if round != Round::Dry {
            let due: Vec<_> = changes.iter().map(|(due, _)| *due).collect();
            let (set, findings) = self.limit_all_slices(&due).await;
            applied.findings.extend(findings);
            changes.retain(|(due, _)| set.contains(&due.person.uid));
        }
        let changes =
            changes.into_iter().map(|(_, change)| change).filter(|change| !change.fields.is_empty());
        for change in changes {
            applied.differed += 1;
            let has_room = applied.slices.len() < MAX_TOLD_CHANGES;
            applied.slices.extend(has_room.then_some(change));
        }
    }

    /// Those who have other limits by that, and what is to be said of the others.
    async fn limit_all_slices(&self, due: &[Due<'_>]) -> (HashSet<u32>, Vec<Finding>) {
        let (mut set, mut findings) = (HashSet::new(), Vec::new());
        for slices in due.chunks(MAX_SET_SLICES) {
            match self.limit_slices(slices).await {
                // One user's trouble is no other's.
                Ok(SlicesAreSet { changed, failed }) => {
                    set.extend(changed);
                    findings.extend(failed.into_iter().map(|Failed { uid, why }| {
                        let finding =
                            format!("the slice of uid {uid} has not the limits that it should: {why}");
                        (finding, HELPER_ADVICE.into())
                    }));
                }
                Err(error) => {
                    let finding = format!("slices have not the limits that they should: {error}");
                    findings.insert(0, (finding, HELPER_ADVICE.into()));
                    break;
                }
            }
        }
        findings.truncate(MAX_TOLD);
        (set, findings)
    }
}

/// What is to be said of slices that systemd cannot tell of.
fn unread(failed: &[Failed]) -> Vec<Finding> {
    let finding = |Failed { uid, why }: &Failed| {
        (format!("the slice of uid {uid} cannot be looked at: {why}"), HELPER_ADVICE.to_owned())
    };
    failed.iter().take(MAX_TOLD).map(finding).collect()
}

/// What is to be done about somebody's slice, if anything: of what systemd has, where that is known, what differs; else
/// nothing but that it was told something else.
fn change<'a>(
    due: Due<'a>,
    found: Option<Option<&SliceRecord>>,
    is_there: bool,
) -> Option<(Due<'a>, ChangedSlice)> {
    let Due { person: Person { name, uid, .. }, known, limits } = due;
    let is_looked_after = known.is_some() || found.flatten().is_some() || is_there;
    let is_anybodys = limits == SliceLimits::default() && known.is_none();
    if !is_looked_after || is_anybodys {
        return None;
    }
    let is_as_asked = written(&limits).is_ok_and(|asked| asked.as_deref() == known);
    let fields = found.map(|found| differences(&limits, found)).unwrap_or_default();
    let is_right = is_as_asked && fields.is_empty();
    (!is_right).then_some((due, ChangedSlice { name: *name, uid: *uid, fields, is_drift: is_as_asked }))
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
