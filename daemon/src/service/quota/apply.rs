//! From what should be to what is: everybody's limits are compared with the kernel's, and only what differs is set.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use identity::Name;
use quotactl::Limits;
use tokio::time::{Instant, timeout};

use super::slices::Reading;
use super::{ChangedSlice, Counted, Finding, Person, Round, kernel};
use crate::directory::{Directory, Error, Result};
use crate::limits::{MAX_TOLD_CHANGES, QUOTAS_APPLIED_WITHIN};
use crate::quota::{Change, Disk, Merged, plan};
use crate::service::{Caller, Operation, Service};
use crate::store::Held;

/// What was not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many limits were others than they should be.
    pub differed: u64,
    /// The first of them.
    pub changes: Vec<Changed>,
    /// The first of those that are about slices.
    pub slices: Vec<ChangedSlice>,
    /// What was done about homes.
    pub counted: Counted,
    /// What is not in force, and what to do about it.
    pub findings: Vec<Finding>,
}

/// Limits on a filesystem that were not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Whose; none: of somebody who was deleted.
    pub name: Option<Name>,
    /// The user id.
    pub uid: u32,
    /// Where.
    pub filesystem: Disk,
    /// What the kernel had.
    pub from: Limits,
    /// What it should have.
    pub to: Limits,
    /// Whether somebody else than podyd made it so.
    pub is_drift: bool,
}

impl<D: Directory> Service<D> {
    /// Compares everybody's limits with what they should be, and puts them right unless it is a dry run.
    pub async fn apply_quotas(&self, caller: &Caller, dry_run: bool) -> Result<Applied> {
        self.apply_within(caller, dry_run, QUOTAS_APPLIED_WITHIN).await
    }

    /// What takes longer than an admin can be let wait is done by the next round, which nobody waits for.
    pub(in crate::service) async fn apply_within(
        &self,
        caller: &Caller,
        dry_run: bool,
        deadline: Duration,
    ) -> Result<Applied> {
        caller.may(Operation::Quotas)?;
        let began = Instant::now();
        let (round, counted) = match dry_run {
            true => (Round::Dry, Counted::default()),
            false => (Round::Whole, self.count_homes().await.unwrap_or_default()),
        };
        if counted.more && counted.changed > 0 {
            // The next call goes on, and the last one sees to the limits.
            return Ok(Applied { counted, ..Applied::default() });
        }
        let rest = deadline.saturating_sub(began.elapsed());
        let Ok(outcome) = timeout(rest, self.reconcile_quotas(round)).await else {
            let what = if dry_run { "nothing was changed" } else { "podyd goes on by itself" };
            if !dry_run {
                self.quotas.read_slices_soon();
            }
            let why = format!("comparing all limits takes too long to wait for it; {what}");
            return Err(Error::Busy(format!("{why}: see journalctl -u podyd")));
        };
        let mut applied = outcome?;
        applied.findings.extend(counted.failed.iter().cloned());
        Ok(Applied { counted, ..applied })
    }

    pub(super) async fn reconcile_quotas(&self, round: Round) -> Result<Applied> {
        // No login waits while slices are read or homes are looked at.
        let reading = self.read_slices(round).await?;
        let mut applied = self.reconcile_limits(round, reading).await?;
        applied.findings.extend(self.findings_about_homes(round).await);
        applied.findings.extend(self.findings_about_policies().await?);
        // Whoever only looks does not know what cannot be set.
        if round != Round::Dry {
            self.quotas.found(&applied.findings);
        }
        Ok(applied)
    }

    async fn reconcile_limits(&self, round: Round, reading: Option<Reading>) -> Result<Applied> {
        let dry_run = round == Round::Dry;
        let _turn = self.quotas.turn.lock().await;
        let settings = self.current_settings();
        let picture = self.quota_picture(&settings.quota).await?;
        let held = self.node.held().await?;
        let mut applied = Applied::default();
        if !picture.is_empty() || !held.is_empty() {
            let mut people = self.everybody_limited(&picture).await?;
            let gone = self.gone_people(&held, &people).await?;
            if !dry_run {
                self.note_whose_limits_are_set(&held, &people).await?;
            }
            people.extend(gone.iter().map(|person| (person.clone(), Merged::default())));
            // A helper that is away is one finding, and not one more for systemd.
            let mut is_away = false;
            match kernel::filesystems(&self.helper).await {
                Ok(records) => {
                    for (index, path) in picture.filesystems().enumerate() {
                        let record = records.iter().find(|record| record.path == path.to_string());
                        kernel::object(record, &mut applied.findings);
                        if record.is_some_and(kernel::can_limit) {
                            self.reconcile_filesystem(path, index, &people, dry_run, &mut applied).await;
                        }
                    }
                }
                Err(error) if !settings.quota.filesystems.is_empty() => {
                    is_away = matches!(error, Error::Away(_));
                    applied
                        .findings
                        .push((format!("limits are not looked after: {error}"), HELPER_ADVICE.into()));
                }
                Err(_) => {}
            }
            if !is_away {
                self.reconcile_slices(&held, &people, reading, round, &mut applied).await;
            }
            if round == Round::Whole && !is_away {
                self.quotas.known().slices_read = Some(Instant::now());
            }
            if !dry_run && applied.findings.is_empty() {
                let notes: Vec<_> = gone.into_iter().map(|person| (person.uid, None)).collect();
                self.node.note_held(&notes).await?;
            }
        }
        Ok(applied)
    }

    async fn reconcile_filesystem(
        &self,
        path: &Disk,
        index: usize,
        people: &[(Person, Merged)],
        dry_run: bool,
        applied: &mut Applied,
    ) {
        let outcome = self.limit_everybody(path, index, people, dry_run).await;
        match outcome {
            Ok((changes, unset)) => {
                applied.findings.extend(unset);
                applied.differed += changes.len() as u64;
                let room = MAX_TOLD_CHANGES.saturating_sub(applied.changes.len());
                applied.changes.extend(changes.into_iter().take(room));
            }
            Err(error) => applied.findings.push((format!("limits on {path}: {error}"), HELPER_ADVICE.into())),
        }
    }

    async fn limit_everybody(
        &self,
        path: &Disk,
        index: usize,
        people: &[(Person, Merged)],
        dry_run: bool,
    ) -> Result<(Vec<Changed>, Option<Finding>)> {
        let actual = kernel::read_all(&self.helper, path).await?;
        let wanted = |(person, merged): &(Person, Merged)| {
            (person.uid, merged.filesystems.get(index).map(|limits| limits.of_kernel()).unwrap_or_default())
        };
        let changes = plan(people.iter().map(wanted), &actual);
        let names: HashMap<u32, Option<Name>> =
            people.iter().map(|(person, _)| (person.uid, person.name)).collect();
        let mut told: Vec<Changed> = changes.iter().map(|change| self.told(path, change, &names)).collect();
        if dry_run {
            return Ok((told, None));
        }
        let failed = kernel::set(&self.helper, path, &changes).await?;
        let unset = failed.first().map(|first| {
            let (count, uid, why) = (failed.len(), first.uid, &first.why);
            let finding = format!(
                "users without the limits on {path} that they should have: {count}, such as uid {uid}: {why}"
            );
            (finding, HELPER_ADVICE.into())
        });
        let failed: HashSet<u32> = failed
            .iter()
            .map(|failed| {
                tracing::warn!(uid = failed.uid, filesystem = %path, why = failed.why, "a quota is not set");
                failed.uid
            })
            .collect();
        self.settled(path, people.iter().map(wanted).filter(|(uid, _)| !failed.contains(uid)));
        told.retain(|change| !failed.contains(&change.uid));
        for change in &told {
            self.metrics.quotas_changed(change.is_drift, 1);
            if change.is_drift {
                tracing::warn!(uid = change.uid, filesystem = %path, "a quota was changed by somebody else, and is put right");
            }
        }
        if !told.is_empty() {
            tracing::info!(filesystem = %path, users = told.len(), "quotas are set");
        }
        Ok((told, unset))
    }

    fn told(&self, path: &Disk, change: &Change, names: &HashMap<u32, Option<Name>>) -> Changed {
        let Change { id: uid, from, to } = *change;
        let before = self.quotas.known().applied.get(&(path.clone(), uid)).copied();
        Changed {
            name: names.get(&uid).copied().flatten(),
            uid,
            filesystem: path.clone(),
            from,
            to,
            is_drift: before.is_some_and(|before| before != from),
        }
    }

    /// What the kernel has by now.
    pub(super) fn settled(&self, path: &Disk, limits: impl Iterator<Item = (u32, Limits)>) {
        let mut known = self.quotas.known();
        known.applied.extend(limits.map(|(uid, limits)| ((path.clone(), uid), limits)));
    }

    /// Those who were deleted, and whose limits are still set.
    async fn gone_people(
        &self,
        held: &HashMap<u32, Held>,
        people: &[(Person, Merged)],
    ) -> Result<Vec<Person>> {
        let there: HashSet<&str> = people.iter().map(|(person, _)| person.uuid.as_str()).collect();
        let missing: Vec<String> = held
            .values()
            .filter(|held| !there.contains(held.uuid.as_str()))
            .map(|held| held.uuid.clone())
            .collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        // Whoever is merely not shown is not gone: a copy of the directory may be made anew.
        let present = self.directory.present(&missing, &[]).await?;
        let rules = self.current_rules();
        let ours = present
            .gone_users
            .into_iter()
            .filter(|gone| rules.objection_to_id_here("uid", gone.id).is_none());
        Ok(ours.map(|gone| Person { uuid: gone.uuid, name: None, uid: gone.id }).collect())
    }

    /// Before they are set: what was begun is known after a crash.
    pub(super) async fn note_whose_limits_are_set(
        &self,
        held: &HashMap<u32, Held>,
        people: &[(Person, Merged)],
    ) -> Result<()> {
        let is_new = |(person, merged): &&(Person, Merged)| {
            !held.contains_key(&person.uid)
                && merged.filesystems.iter().any(|limits| limits.of_kernel() != Limits::default())
        };
        let note = |(person, _): &(Person, Merged)| {
            (person.uid, Some(Held { uuid: person.uuid.clone(), slice: None }))
        };
        let notes: Vec<_> = people.iter().filter(is_new).map(note).collect();
        if notes.is_empty() { Ok(()) } else { self.node.note_held(&notes).await }
    }
}

pub(super) const HELPER_ADVICE: &str = "see: journalctl -u podyd-helper";
