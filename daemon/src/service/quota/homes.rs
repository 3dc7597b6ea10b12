//! Homes and project quotas: which homes nothing counts, and giving those their project ids that were there before. No login waits
//! for that, and it is done only when an admin asks for it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use protocol::helper::quota::{CountHome, CountedHome, HomeOf, Homes, MAX_HOMES, Uncounted};
use tokio::time::{Instant, timeout};

use super::apply::HELPER_ADVICE;
use super::{Finding, Round};
use crate::directory::{Directory, Result};
use crate::limits::{HELPER_REMOVES_WITHIN, HOMES_COUNTED_FOR, MAX_PAGE, MAX_TOLD_HOMES, QUOTAS_DEADLINE};
use crate::quota::Disk;
use crate::service::Service;

/// What came of giving homes their project ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many files and directories got one.
    pub changed: u64,
    /// How many were left alone: those of others, and files with several names.
    pub left: u64,
    /// Whether there was no time for all of it.
    pub more: bool,
    /// Why some homes could not be.
    pub(super) failed: Vec<Finding>,
}

/// Where users have no home at all.
const NOWHERE: &str = "/nonexistent";

impl<D: Directory> Service<D> {
    /// What is to be said about homes that nothing counts, where project quotas are configured. A quick round, of which each change of
    /// the directory is a reason, looks at none that were looked at by the same settings.
    pub(super) async fn findings_about_homes(&self, round: Round) -> Vec<Finding> {
        let settings = self.current_settings();
        let known = self.quotas.known().homes.clone();
        match known.filter(|(by, _)| round == Round::Quick && Arc::ptr_eq(by, &settings)) {
            Some((_, findings)) => findings,
            None => {
                let findings = self.look_at_homes().await;
                self.quotas.known().homes = Some((settings, findings.clone()));
                findings
            }
        }
    }

    /// What is said, by podyctl quota set, of filesystems that are none of this node's any more: it is kept, and holds nowhere.
    pub(super) async fn findings_about_policies(&self) -> Result<Vec<Finding>> {
        let default = self.current_settings().quota.default_policy();
        let policies = self.node.policies().await?;
        let disks = policies.values().flat_map(|policy| policy.filesystems.keys());
        let without: BTreeSet<&Disk> = disks.filter(|disk| !default.filesystems.contains_key(disk)).collect();
        let finding = |disk: &Disk| {
            let found = format!(
                "what was said of {disk} holds nowhere: it has no [[quota.filesystem]] of that kind any more, and limits \
                 that the kernel has there stay as they are"
            );
            (found, "see \"When a filesystem is to have no limits any more\" in docs/guide/quotas.md".into())
        };
        Ok(without.into_iter().map(finding).collect())
    }

    async fn look_at_homes(&self) -> Vec<Finding> {
        let uncounted = match timeout(QUOTAS_DEADLINE, self.uncounted_homes()).await {
            Ok(Ok(uncounted)) => uncounted,
            Ok(Err(error)) => {
                return vec![(
                    format!("nobody knows which homes are counted: {error}"),
                    HELPER_ADVICE.into(),
                )];
            }
            Err(_) => return vec![("looking at all homes takes too long".into(), HELPER_ADVICE.into())],
        };
        let told = |(HomeOf { name, home, .. }, Uncounted { why, can_be, .. }): &(HomeOf, Uncounted)| {
            let advice = match can_be {
                true => "podyctl quota apply gives it, and all that is in it, the project id",
                false => "see \"Homes as projects\" in docs/guide/quotas.md",
            };
            (format!("the home of {name}, {home}, is counted by no project quota: {why}"), advice.to_owned())
        };
        let mut findings: Vec<Finding> = uncounted.iter().take(MAX_TOLD_HOMES).map(told).collect();
        if let Some(others) = uncounted.len().checked_sub(MAX_TOLD_HOMES).filter(|others| *others > 0) {
            let advice = "what is said of the others holds for most of them, too";
            findings.push((format!("{others} more homes are counted by no project quota"), advice.into()));
        }
        findings
    }

    /// Gives homes their project ids for as long as one call may take.
    pub(super) async fn count_homes(&self) -> Result<Counted> {
        let mut counted = Counted::default();
        let began = Instant::now();
        let uncounted = self.uncounted_homes().await?.into_iter();
        for (home, _) in uncounted.filter(|(_, found)| found.can_be) {
            loop {
                if began.elapsed() >= HOMES_COUNTED_FOR {
                    counted.more = true;
                    return Ok(counted);
                }
                match self.helper.call_within(HELPER_REMOVES_WITHIN, &CountHome { home: home.clone() }).await
                {
                    Ok(CountedHome { done, changed, left }) => {
                        counted.changed += changed;
                        counted.left += left;
                        if done {
                            tracing::info!(
                                user = home.name,
                                home = home.home,
                                "a project quota counts a home"
                            );
                            break;
                        }
                    }
                    Err(error) => {
                        counted.failed.push((error.to_string(), "then podyctl quota apply goes on".into()));
                        break;
                    }
                }
            }
        }
        counted.failed.truncate(MAX_TOLD_HOMES);
        Ok(counted)
    }

    async fn uncounted_homes(&self) -> Result<Vec<(HomeOf, Uncounted)>> {
        let settings = self.current_settings();
        let (mut uncounted, mut after) = (Vec::new(), None);
        while settings.quota.has_projects() {
            let page = self.directory.users(after, MAX_PAGE).await?;
            after = page.items.last().map(|member| member.user.name);
            let served = page.items.iter().filter(|member| self.objection(member).is_none());
            let homes = served.map(|member| &member.user).filter(|user| user.home.as_str() != NOWHERE);
            let homes: Vec<HomeOf> = homes
                .map(|user| HomeOf {
                    name: user.name.to_string(),
                    uid: user.uid.0,
                    home: user.home.to_string(),
                })
                .collect();
            for some in homes.chunks(MAX_HOMES) {
                let reply = self.helper.call(&Homes { homes: some.to_vec() }).await?;
                let of: HashMap<u32, &HomeOf> = some.iter().map(|home| (home.uid, home)).collect();
                let found = reply.uncounted.into_iter();
                uncounted.extend(found.filter_map(|one| Some(((*of.get(&one.uid)?).clone(), one))));
            }
            if !page.more {
                break;
            }
        }
        Ok(uncounted)
    }
}
