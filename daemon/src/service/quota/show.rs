//! What holds for somebody, who says so, and how much of it is used now.

use std::fs;

use identity::Name;
use quotactl::Quota;

use super::{Finding, Subject, kernel};
use crate::directory::{Directory, Member, Result};
use crate::limits::MAX_PAGE;
use crate::quota::{Disk, Effective, Field, Policy, Said, Source};
use crate::service::{Caller, Operation, Service};

/// What holds for somebody, or is said of somebody.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Of whom.
    pub subject: Subject,
    /// The limits.
    pub values: Vec<Value>,
    /// What is not in force, and what to do about it.
    pub findings: Vec<Finding>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Of what.
    pub field: Field,
    /// Where, if it is about a filesystem.
    pub filesystem: Option<Disk>,
    /// How much, and who says so.
    pub said: Said,
    /// How much of it is used now, where that is known.
    pub used: Option<u64>,
}

impl<D: Directory> Service<D> {
    /// Shows what holds for a user, or what is said of a group or of everybody.
    pub async fn show_quotas(&self, caller: &Caller, subject: Subject) -> Result<Shown> {
        let values = match subject {
            Subject::User(name) => {
                caller.may(Operation::LookAt(name))?;
                self.values_of(&self.user_with_quotas(name).await?).await?
            }
            Subject::Group(name) => {
                caller.may(Operation::Quotas)?;
                let team = self.group_with_quotas(name).await?;
                let policies = self.node.policies().await?;
                let policy = policies.into_iter().find(|(owner, _)| owner.uuid == team.group.uuid);
                policy.map(|(_, policy)| said(&policy, Source::Group(name))).unwrap_or_default()
            }
            Subject::Everybody => {
                caller.may(Operation::Look)?;
                said(&self.current_settings().quota.default_policy(), Source::Default)
            }
        };
        // They name others and their homes.
        let findings = caller.may(Operation::Quotas).map_or_else(|_| Vec::new(), |()| self.quotas.findings());
        Ok(Shown { subject, values, findings })
    }

    async fn values_of(&self, member: &Member) -> Result<Vec<Value>> {
        let picture = self.quota_picture(&self.current_settings().quota).await?;
        let merged = picture.of(member);
        let uid = member.user.uid.0;
        let mut values = Vec::new();
        for (path, limits) in picture.filesystems().zip(&merged.filesystems) {
            // What cannot be read is not known; why, the findings say.
            let quota = kernel::read_one(&self.helper, path, uid).await.ok();
            let used = |field| used_of(quota.as_ref()?, field);
            values.extend(values_in(limits, Some(path), used));
        }
        let sessions = self.sessions_of(member.user.name).await;
        let used = |field| if field == Field::Sessions { sessions } else { used_by_processes(uid, field) };
        values.extend(values_in(&merged.node, None, used));
        Ok(values)
    }

    async fn sessions_of(&self, name: Name) -> Option<u64> {
        let page = self.sessions(&Caller::Root, Some(name), None, MAX_PAGE).await.ok()?;
        Some(page.items.len() as u64)
    }
}

fn values_in(
    limits: &Effective,
    filesystem: Option<&Disk>,
    used: impl Fn(Field) -> Option<u64>,
) -> Vec<Value> {
    let value = |field| {
        let said = limits.get(field)?;
        Some(Value { field, filesystem: filesystem.cloned(), said, used: used(field) })
    };
    Field::ALL.into_iter().filter_map(value).collect()
}

/// A policy by itself.
fn said(policy: &Policy, source: Source) -> Vec<Value> {
    let value = |(filesystem, field, limit): (Option<&Disk>, Field, _)| Value {
        field,
        filesystem: filesystem.cloned(),
        said: Said { limit, source },
        used: None,
    };
    policy.iter().map(value).collect()
}

fn used_of(quota: &Quota, field: Field) -> Option<u64> {
    match field {
        Field::BlocksSoft | Field::BlocksHard => Some(quota.bytes),
        Field::InodesSoft | Field::InodesHard => Some(quota.inodes),
        _ => None,
    }
}

/// What the processes of a user use now, by the kernel's own file; of somebody without any, nothing.
fn used_by_processes(uid: u32, field: Field) -> Option<u64> {
    let file = match field {
        Field::MemoryMax | Field::MemoryHigh => "memory.current",
        Field::TasksMax => "pids.current",
        _ => return None,
    };
    let path = format!("/sys/fs/cgroup/user.slice/user-{uid}.slice/{file}");
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
