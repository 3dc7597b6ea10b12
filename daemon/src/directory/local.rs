//! The accounts of this machine itself. They always win: a name or id that `/etc/passwd` or `/etc/group`
//! holds is never given out and never served, so that nobody's files or rights change hands.

use std::collections::HashSet;

use identity::{AbsolutePath, Gid, IdRange, Name, Uid, is_privileged_group};

use super::derived::{Kind, derived_id};
use crate::config::{Settings, Template};

/// The names and ids of `/etc/passwd` and `/etc/group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAccounts {
    /// User names.
    pub users: HashSet<String>,
    /// Where users have their homes.
    pub homes: HashSet<String>,
    /// User ids.
    pub uids: HashSet<u32>,
    /// Group names.
    pub groups: HashSet<String>,
    /// Group ids, and the primary ones of local users.
    pub gids: HashSet<u32>,
}

impl LocalAccounts {
    /// Reads the text of both files. A line that makes no sense holds nothing to protect and is skipped.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let mut local = Self::default();
        for line in passwd.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(_), Some(uid), Some(gid)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            local.users.insert(name.to_owned());
            local.uids.extend(uid.parse::<u32>());
            local.gids.extend(gid.parse::<u32>());
            local.homes.extend(fields.nth(1).map(str::to_owned));
        }
        for line in group.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(_), Some(gid)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            local.groups.insert(name.to_owned());
            local.gids.extend(gid.parse::<u32>());
        }
        local
    }

    /// Whether a number belongs to a local user or group, and is therefore no id to allocate.
    pub fn holds_id(&self, id: u32) -> bool {
        self.uids.contains(&id) || self.gids.contains(&id)
    }
}

/// What this node allows: where ids come from, which ids are accepted, what is local.
#[derive(Clone, Debug)]
pub struct Rules {
    /// New ids come from here.
    pub allocate: IdRange,
    /// The issuer with which the ids of those who come by a login are derived from their names; none: they get the next ones.
    pub derive_from: Option<String>,
    /// Ids that an admin or an import may name, and that are served.
    pub accept: Vec<IdRange>,
    /// How many users there may be; `None`: as many as fit.
    pub max_users: Option<u64>,
    /// Where a new user's home is.
    pub home: Template,
    /// The login shell of whoever comes by a login.
    pub shell: AbsolutePath,
    /// This machine's own accounts.
    pub local: LocalAccounts,
}

impl Rules {
    /// What a configuration says of it on a machine with these accounts. That ids are derived follows from more than that.
    pub fn of(settings: &Settings, local: LocalAccounts) -> Self {
        Self {
            allocate: settings.ids.allocate,
            derive_from: None,
            accept: settings.ids.accept.clone(),
            max_users: settings.auth.max_users.map(u64::from),
            home: settings.users.home.clone(),
            shell: settings.users.shell.clone(),
            local,
        }
    }

    /// Why a user of this name and ids may not live on this node, if so.
    pub fn objection_to_user(&self, name: Name, uid: Uid, gid: Gid) -> Option<String> {
        if let Some(objection) = self.objection_to_user_name(name) {
            return Some(objection);
        }
        if self.local.uids.contains(&uid.0) {
            return Some(format!("uid {uid} belongs to a local account of this machine (/etc/passwd)"));
        }
        if self.local.gids.contains(&gid.0) {
            return Some(format!("gid {gid} belongs to a local group of this machine (/etc/group)"));
        }
        self.objection_to_id("uid", uid.0).or_else(|| self.objection_to_id("gid", gid.0))
    }

    /// Why a user of this name may not live on this node, if so, whatever the ids.
    pub fn objection_to_user_name(&self, name: Name) -> Option<String> {
        let is_local = name.as_str() == "root" || self.local.users.contains(name.as_str());
        is_local.then(|| format!("{name} is a local account of this machine (/etc/passwd)"))
    }

    /// Why a group of this name may not live on this node, if so, whatever its id.
    pub fn objection_to_group_name(&self, name: Name) -> Option<String> {
        if is_privileged_group(name.as_str().as_bytes()) {
            return Some(format!(
                "{name} is a name that gives rights on a node, and never comes from a directory"
            ));
        }
        let is_local = self.local.groups.contains(name.as_str());
        is_local.then(|| format!("{name} is a local group of this machine (/etc/group)"))
    }

    /// Why a group of this name and id may not live on this node, if so.
    pub fn objection_to_group(&self, name: Name, gid: Gid) -> Option<String> {
        if let Some(objection) = self.objection_to_group_name(name) {
            return Some(objection);
        }
        if self.local.gids.contains(&gid.0) {
            return Some(format!("gid {gid} belongs to a local group of this machine (/etc/group)"));
        }
        self.objection_to_id("gid", gid.0)
    }

    /// Why this number may be nobody's id here, if so.
    pub fn objection_to_id(&self, kind: &str, id: u32) -> Option<String> {
        if self.accept.iter().any(|range| range.allows(id)) {
            return None;
        }
        let ranges: Vec<_> = self.accept.iter().map(ToString::to_string).collect();
        Some(format!(
            "{kind} {id} is outside the ranges this node accepts ({}, without the ids systemd gives out itself); \
             see /etc/pody/id-ranges, or let a new id be allocated",
            ranges.join(", ")
        ))
    }

    /// Why this number may not be given on this node, whoever gives it, if so.
    pub fn objection_to_id_here(&self, kind: &str, id: u32) -> Option<String> {
        if self.local.holds_id(id) {
            return Some(format!("{kind} {id} belongs to a local account or group of this machine"));
        }
        self.objection_to_id(kind, id)
    }

    /// The id of somebody, or of a group, that comes by a login, where such ids are derived.
    pub fn derived_id(&self, kind: Kind, name: Name) -> Option<u32> {
        let issuer = self.derive_from.as_ref()?;
        derived_id(self.allocate, issuer, kind, name)
    }

    /// Whether a new user or group may be given this number.
    pub fn may_allocate(&self, id: u32) -> bool {
        self.allocate.allows(id) && !self.local.holds_id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let local = LocalAccounts::parse(
            "root:x:0:0::/root:/bin/sh\nlab:x:5000:5001::/:/bin/sh\n+::::::\nbroken\n",
            "root:x:0:\ndocker:x:998:\nlab:x:5001:\nbig:x:1900000000:\n",
        );
        Rules::of(&Settings::default(), local)
    }

    fn objection(name: &str, uid: u32, gid: u32) -> Option<String> {
        rules().objection_to_user(name.parse().unwrap(), Uid(uid), Gid(gid))
    }

    #[test]
    fn local_names_and_ids_are_never_ours() {
        assert!(objection("lab", 7000, 7000).unwrap().contains("lab"));
        assert!(objection("ada", 5000, 7000).unwrap().contains("5000"));
        assert!(objection("ada", 7000, 5001).unwrap().contains("5001"));
        assert!(objection("root", 7000, 7000).is_some());
        assert!(objection("ada", 0, 0).is_some());
        assert_eq!(objection("ada", 7000, 7000), None);
        assert!(!rules().may_allocate(1_900_000_000) && rules().may_allocate(1_900_000_001));
    }

    #[test]
    fn groups_that_give_rights_are_refused_by_name() {
        let objection = |name: &str, gid| rules().objection_to_group(name.parse().unwrap(), Gid(gid));
        assert!(objection("sudo", 7000).is_some() && objection("docker", 7000).is_some());
        assert!(objection("big", 7000).is_some() && objection("physics", 5001).is_some());
        assert_eq!(objection("physics", 7000), None);
    }
}
