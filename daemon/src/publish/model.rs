//! What has changed since the base snapshot was made, and how a delta says so.
//!
//! Pure: the present state of what was touched comes in, the calls on a [`DeltaEncoder`] go out. Users and
//! groups are known by their ids, which never change and are never given twice; names may change.

use std::collections::{BTreeMap, BTreeSet};

use identity::{Gid, Name, Uid};
use snapshot::{Account, DeltaEncoder, EncodeError, GroupPatch, UserEntry};

use crate::directory::{Member, Rules};

/// What the base snapshot says of an id.
pub trait Base {
    /// A user's name and supplementary groups in the base.
    fn user(&self, uid: Uid) -> Option<(Name, Vec<Gid>)>;
    /// Whether the base has a user of this name.
    fn has_user(&self, name: Name) -> bool;
    /// A group's name in the base.
    fn group(&self, gid: Gid) -> Option<Name>;
}

/// Everything touched since the base. `None` stands for what is not served: deleted, or hidden since a local
/// account has its name or id.
#[derive(Debug, Default)]
pub struct Model {
    users: BTreeMap<Uid, Option<Member>>,
    groups: BTreeMap<Gid, Option<Name>>,
    memberships: BTreeMap<Gid, BTreeSet<Uid>>,
}

impl Model {
    /// How many records a delta of this model has, more or less.
    pub fn len(&self) -> usize {
        self.users.len() + self.groups.len() + self.memberships.values().map(BTreeSet::len).sum::<usize>()
    }

    /// Nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// A user is now like this.
    pub fn user(&mut self, member: Member, rules: &Rules) {
        let user = &member.user;
        let served = rules.objection_to_user(user.name, user.uid, user.gid).is_none();
        self.users.insert(user.uid, served.then_some(member));
    }

    /// A user is no more.
    pub fn user_gone(&mut self, uid: Uid) {
        self.users.insert(uid, None);
    }

    /// A group is now like this.
    pub fn group(&mut self, name: Name, gid: Gid, rules: &Rules) {
        let served = rules.objection_to_group(name, gid).is_none();
        self.groups.insert(gid, served.then_some(name));
    }

    /// A group is no more.
    pub fn group_gone(&mut self, gid: Gid) {
        self.groups.insert(gid, None);
    }

    /// A membership began or ended. The user must be touched, too: whether it exists is read there.
    pub fn membership(&mut self, gid: Gid, uid: Uid) {
        self.memberships.entry(gid).or_default().insert(uid);
    }

    /// Whether a user has or had this name or uid: neither is anybody else's.
    pub fn knows_user(&self, name: Name, uid: Uid, base: &impl Base) -> bool {
        let has_name =
            |member: &Option<Member>| member.as_ref().is_some_and(|member| member.user.name == name);
        self.users.contains_key(&uid)
            || base.user(uid).is_some()
            || base.has_user(name)
            || self.users.values().any(has_name)
    }

    /// Writes the delta.
    pub fn encode(
        &self,
        base: &impl Base,
        delta: &mut DeltaEncoder,
        rules: &Rules,
    ) -> Result<(), EncodeError> {
        for (&uid, member) in &self.users {
            self.encode_user(uid, member.as_ref(), base, delta, rules)?;
        }
        let touched: BTreeSet<Gid> = self.groups.keys().chain(self.memberships.keys()).copied().collect();
        for gid in touched {
            self.encode_group(gid, base, delta)?;
        }
        Ok(())
    }

    fn encode_user(
        &self,
        uid: Uid,
        member: Option<&Member>,
        base: &impl Base,
        delta: &mut DeltaEncoder,
        rules: &Rules,
    ) -> Result<(), EncodeError> {
        match (member, base.user(uid)) {
            (Some(Member { user, groups, .. }), _) => {
                delta.user(&entry(user, &self.served_gids(groups, rules)))
            }
            (None, Some((name, _))) => delta.hide_user(name, uid),
            (None, None) => Ok(()),
        }
    }

    /// The groups that are served, out of those a user is in.
    fn served_gids(&self, groups: &[(Gid, Name)], rules: &Rules) -> Vec<Gid> {
        let gone = |gid: &Gid| self.groups.get(gid).is_some_and(Option::is_none);
        groups
            .iter()
            .filter(|(gid, name)| !gone(gid) && rules.objection_to_group(*name, *gid).is_none())
            .map(|(gid, _)| *gid)
            .collect()
    }

    fn encode_group(&self, gid: Gid, base: &impl Base, delta: &mut DeltaEncoder) -> Result<(), EncodeError> {
        let was = base.group(gid);
        let now = self.groups.get(&gid).copied().unwrap_or(was);
        let (added, removed) = self.difference(gid, base);
        match (now, was) {
            (Some(name), Some(_)) => {
                delta.patch_group(&GroupPatch { gid, name, added: &added, removed: &removed })
            }
            (Some(name), None) => delta.group(name, gid, added),
            (None, Some(name)) => delta.hide_group(name, gid),
            (None, None) => Ok(()),
        }
    }

    /// The members that a group gained and lost since the base, by the names they are listed under.
    fn difference(&self, gid: Gid, base: &impl Base) -> (Vec<Name>, Vec<Name>) {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for uid in self.memberships.get(&gid).into_iter().flatten() {
            let was = base.user(*uid).and_then(|(name, gids)| gids.contains(&gid).then_some(name));
            let now = self.users.get(uid).and_then(Option::as_ref).and_then(|member| {
                member.groups.iter().any(|(of, _)| *of == gid).then_some(member.user.name)
            });
            if was != now {
                removed.extend(was);
                added.extend(now);
            }
        }
        added.sort_unstable();
        (added, removed)
    }
}

/// A user as the snapshot has it.
pub fn entry<'a>(user: &'a identity::User, groups: &'a [Gid]) -> UserEntry<'a> {
    UserEntry {
        name: user.name,
        uid: user.uid,
        gid: user.gid,
        gecos: user.gecos.as_str(),
        home: user.home.as_str(),
        shell: user.shell.as_str(),
        groups,
        account: Account {
            locked: user.state == identity::State::Locked,
            expires_at: user.expires_at,
            ..Account::default()
        },
    }
}
