//! All that is said on this node of who may use how much, as of one moment, and who is there to be limited.

use std::collections::HashMap;

use identity::Name;

use super::Person;
use crate::config::Quota;
use crate::directory::{Directory, Member, Present, Result};
use crate::limits::MAX_PAGE;
use crate::quota::{Disk, Field, Merged, Policy, merge};
use crate::service::Service;
use crate::store::PolicyOwner;

/// Every policy.
pub(super) struct Picture {
    /// The node's own.
    pub(super) default: Policy,
    users: HashMap<String, Policy>,
    /// Those of groups, by gid.
    groups: HashMap<u32, (Name, Policy)>,
}

impl Picture {
    /// Whether nothing is said of anybody.
    pub(super) fn is_empty(&self) -> bool {
        let says_nothing =
            |policy: &Policy| policy.node.iter().next().is_none() && policy.filesystems.is_empty();
        says_nothing(&self.default) && self.users.is_empty() && self.groups.is_empty()
    }

    /// Whether anything is said of what systemd limits.
    pub(super) fn limits_slices(&self) -> bool {
        let of_groups = self.groups.values().map(|(_, policy)| policy);
        let mut policies = self.users.values().chain(of_groups).chain([&self.default]);
        policies.any(|policy| policy.node.iter().any(|(field, _)| field != Field::Sessions))
    }

    /// What holds for a user.
    pub(super) fn of(&self, Member { user, groups, .. }: &Member) -> Merged {
        let gids = groups.iter().map(|(gid, _)| gid.0).filter(|gid| *gid != user.gid.0).chain([user.gid.0]);
        let of_groups: Vec<_> =
            gids.filter_map(|gid| self.groups.get(&gid)).map(|(name, policy)| (*name, policy)).collect();
        merge(&self.default, &of_groups, self.users.get(&user.uuid))
    }

    /// The node's filesystems, in the order of what [`Self::of`] says of them.
    pub(super) fn filesystems(&self) -> impl Iterator<Item = &Disk> {
        self.default.filesystems.keys()
    }
}

impl<D: Directory> Service<D> {
    /// Looks at all policies; those of users and groups that were deleted are forgotten.
    pub(super) async fn quota_picture(&self, settings: &Quota) -> Result<Picture> {
        let kept = self.node.policies().await?;
        let of = |is_group| {
            kept.keys().filter(move |owner| owner.is_group == is_group).map(|owner| owner.uuid.clone())
        };
        let (users, groups): (Vec<_>, Vec<_>) = (of(false).collect(), of(true).collect());
        let mut names = HashMap::new();
        if !kept.is_empty() {
            let Present { gone_users, groups, gone_groups, .. } =
                self.directory.present(&users, &groups).await?;
            names.extend(groups.into_iter().map(|team| (team.group.uuid, team.group.name)));
            for gone in gone_users.iter().chain(&gone_groups) {
                let owner = PolicyOwner { uuid: gone.uuid.clone(), is_group: false, id: gone.id };
                self.node.state_policy(&owner, &[], true).await?;
                tracing::info!(deleted = %gone.name, "what was said of quotas is forgotten");
            }
        }
        let mut picture =
            Picture { default: settings.default_policy(), users: HashMap::new(), groups: HashMap::new() };
        for (PolicyOwner { uuid, is_group, id }, policy) in kept {
            match (is_group, names.get(&uuid)) {
                (true, Some(name)) => drop(picture.groups.insert(id, (*name, policy))),
                (true, None) => {}
                (false, _) => drop(picture.users.insert(uuid, policy)),
            }
        }
        Ok(picture)
    }

    /// Everybody who is served here, and what holds for them.
    pub(super) async fn everybody_limited(&self, picture: &Picture) -> Result<Vec<(Person, Merged)>> {
        let mut people = Vec::new();
        let mut after = None;
        loop {
            let page = self.directory.users(after, MAX_PAGE).await?;
            after = page.items.last().map(|member| member.user.name);
            let served = page.items.iter().filter(|member| self.objection(member).is_none());
            people.extend(served.map(|member| (Person::of(member), picture.of(member))));
            if !page.more {
                return Ok(people);
            }
        }
    }
}

impl Person {
    pub(super) fn of(Member { user, .. }: &Member) -> Self {
        Self { uuid: user.uuid.clone(), name: Some(user.name), uid: user.uid.0 }
    }
}
