//! How users, groups and memberships come to be. One creation is a batch of one: the same rules hold for
//! `podyctl user add`, an import of 100 000 and a login that provisions.

use std::collections::{HashMap, HashSet};
use std::fmt;

use identity::{AbsolutePath, Day, Email, Gecos, Gid, Name, State, Uid};

use super::{Error, Origin, Rules};

/// A batch of records to create; groups come before users, users before memberships.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Groups.
    pub groups: Vec<NewGroup>,
    /// Users, each with a private group unless another is named.
    pub users: Vec<NewUser>,
    /// Memberships of users and groups that exist or come with this batch.
    pub members: Vec<NewMember>,
    /// Take all or, when one record is refused, none.
    pub all_or_nothing: bool,
}

/// A group to create.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// Where it came from, for the report.
    pub line: u64,
    /// Its identity, made at random by the caller.
    pub uuid: String,
    /// Its name.
    pub name: Name,
    /// Its id; allocated when absent.
    pub gid: Option<Gid>,
    /// Give the name of a deleted group to this new one.
    pub reuse_name: bool,
}

/// A user to create. `Debug` shows who, and not the verifier.
#[derive(Clone)]
pub struct NewUser {
    /// Where it came from, for the report.
    pub line: u64,
    /// The identity, made at random by the caller.
    pub uuid: String,
    /// The login name.
    pub name: Name,
    /// The id; allocated when absent.
    pub uid: Option<Uid>,
    /// The primary group.
    pub primary: Primary,
    /// The comment.
    pub gecos: Gecos,
    /// The e-mail address.
    pub email: Option<Email>,
    /// The home directory; the node's template when absent.
    pub home: Option<AbsolutePath>,
    /// The login shell.
    pub shell: AbsolutePath,
    /// Active or locked.
    pub state: State,
    /// The first day of expiry.
    pub expires_at: Option<Day>,
    /// Whether the user may administer the directory.
    pub is_admin: bool,
    /// The stored verifier, if there is a password.
    pub password: Option<String>,
    /// Give the name of a deleted user to this new one.
    pub reuse_name: bool,
    /// Who brings the user into the directory.
    pub origin: Origin,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, uuid, name, uid, .. } = self;
        f.debug_struct("NewUser")
            .field("line", line)
            .field("uuid", uuid)
            .field("name", name)
            .field("uid", uid)
            .finish_non_exhaustive()
    }
}

/// A new user's primary group.
#[derive(Clone, Debug)]
pub enum Primary {
    /// A group of the user's own, of the same name, and of the same number unless one is given.
    Private {
        /// The identity of the group to be made.
        uuid: String,
        /// Its id, when it differs from the user's.
        gid: Option<Gid>,
    },
    /// A group that exists or comes with the batch.
    Named(Name),
}

/// A membership to begin.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// Where it came from, for the report.
    pub line: u64,
    /// The group.
    pub group: Name,
    /// The user.
    pub user: Name,
}

/// What the store knows about the names and ids of a batch.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Users of these names, and their identities.
    pub users: HashMap<Name, String>,
    /// Groups of these names.
    pub groups: HashMap<Name, KnownGroup>,
    /// Names of deleted users.
    pub gone_users: HashSet<Name>,
    /// Names of deleted groups.
    pub gone_groups: HashSet<Name>,
    /// Names that are kept for whoever is about to log in for the first time.
    pub reserved: HashSet<Name>,
    /// Uids that are, or were, somebody's.
    pub uids: HashSet<u32>,
    /// Gids that are, or were, some group's.
    pub gids: HashSet<u32>,
    /// How many users there are.
    pub user_count: u64,
    /// Numbers that never were a uid or gid and may be allocated, as many as the batch can need if there
    /// are as many, in the order in which they are given out.
    pub free_ids: Vec<u32>,
}

/// A group that exists.
#[derive(Clone, Debug)]
pub struct KnownGroup {
    /// Its identity.
    pub uuid: String,
    /// Its id.
    pub gid: Gid,
    /// Whether it is one user's own.
    pub private: bool,
}

/// A record that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it came from.
    pub line: u64,
    /// Whom or what it was about.
    pub name: String,
    /// Why.
    pub error: Error,
}

/// What to write, all of it checked.
#[derive(Debug, Default)]
#[must_use]
pub struct Plan {
    /// Groups: identity, name, gid, and the user whose private group it is.
    pub groups: Vec<(String, Name, Gid, Option<String>)>,
    /// Users.
    pub users: Vec<Planned>,
    /// Memberships: group and user, by identity.
    pub members: Vec<(String, String)>,
    /// What was refused.
    pub refused: Vec<Refusal>,
}

/// A user to write, with the ids that were found.
#[derive(Debug)]
pub struct Planned {
    /// What was asked for.
    pub new: NewUser,
    /// The user id.
    pub uid: Uid,
    /// The primary group.
    pub gid: Gid,
    /// The home directory.
    pub home: AbsolutePath,
}

/// Decides a whole batch. Facts grow with each record taken, so that later records see earlier ones.
pub fn plan(batch: Batch, mut facts: Facts, rules: &Rules) -> Plan {
    facts.free_ids.reverse();
    let mut planner = Planner { facts, rules, plan: Plan::default() };
    for group in batch.groups {
        let (line, name) = (group.line, group.name);
        if let Err(error) = planner.group(group) {
            planner.refuse(line, name.to_string(), error);
        }
    }
    for user in batch.users {
        let (line, name) = (user.line, user.name);
        if let Err(error) = planner.user(user) {
            planner.refuse(line, name.to_string(), error);
        }
    }
    for member in batch.members {
        if let Err(error) = planner.member(&member) {
            planner.refuse(member.line, format!("{} in {}", member.user, member.group), error);
        }
    }
    planner.plan
}

struct Planner<'a> {
    facts: Facts,
    rules: &'a Rules,
    plan: Plan,
}

impl Planner<'_> {
    fn refuse(&mut self, line: u64, name: String, error: Error) {
        self.plan.refused.push(Refusal { line, name, error });
    }

    fn group(&mut self, new: NewGroup) -> Result<(), Error> {
        self.check_group_name(new.name, new.reuse_name)?;
        let gid = match new.gid {
            Some(gid) => gid,
            None => Gid(self.peek_free_id()?),
        };
        self.check_gid(new.name, gid)?;
        self.take_group(new.uuid, new.name, gid, None);
        Ok(())
    }

    fn user(&mut self, new: NewUser) -> Result<(), Error> {
        self.check_user_name(&new)?;
        self.check_cap()?;
        let uid = match new.uid {
            Some(uid) => uid,
            None => Uid(self.peek_free_id()?),
        };
        if self.facts.uids.contains(&uid.0) {
            return Err(Error::Conflict(format!(
                "uid {uid} is or was another user's, and an id is never given twice; leave it out to get a new one"
            )));
        }
        let gid = match &new.primary {
            Primary::Private { gid, .. } => gid.unwrap_or(Gid(uid.0)),
            Primary::Named(group) => self.known_group(*group)?.gid,
        };
        // Before the private group's, so that what is said is about the user who was asked for.
        if let Some(objection) = self.rules.objection_to_user(new.name, uid, gid) {
            return Err(Error::Refused(objection));
        }
        if let Primary::Private { uuid, .. } = &new.primary {
            self.check_group_name(new.name, new.reuse_name)?;
            self.check_gid(new.name, gid)?;
            self.take_group(uuid.clone(), new.name, gid, Some(new.uuid.clone()));
        }
        self.facts.uids.insert(uid.0);
        self.facts.users.insert(new.name, new.uuid.clone());
        self.facts.user_count += 1;
        let home = match &new.home {
            Some(home) => home.clone(),
            None => self.rules.home.render(&new.name, uid),
        };
        self.plan.users.push(Planned { new, uid, gid, home });
        Ok(())
    }

    fn member(&mut self, member: &NewMember) -> Result<(), Error> {
        let user = self.facts.users.get(&member.user).ok_or_else(|| Error::no_user(member.user))?.clone();
        let group = self.known_group(member.group)?;
        if group.private {
            return Err(private_group(member.group));
        }
        let group = group.uuid.clone();
        self.plan.members.push((group, user));
        Ok(())
    }

    fn check_user_name(&self, new: &NewUser) -> Result<(), Error> {
        let name = new.name;
        if self.facts.users.contains_key(&name) {
            return Err(Error::Conflict(format!("there is a user {name} already")));
        }
        if self.facts.gone_users.contains(&name) && !new.reuse_name {
            return Err(once_was("user", name));
        }
        self.check_reserved(name)
    }

    fn check_cap(&self) -> Result<(), Error> {
        match self.rules.max_users {
            Some(max) if self.facts.user_count >= max => Err(Error::Refused(format!(
                "there are {max} users already, as many as auth.max_users in config.toml allows"
            ))),
            _ => Ok(()),
        }
    }

    fn check_group_name(&self, name: Name, reuse_name: bool) -> Result<(), Error> {
        if self.facts.groups.contains_key(&name) {
            return Err(Error::Conflict(format!("there is a group {name} already")));
        }
        if self.facts.gone_groups.contains(&name) && !reuse_name {
            return Err(once_was("group", name));
        }
        self.check_reserved(name)
    }

    fn check_reserved(&self, name: Name) -> Result<(), Error> {
        if self.facts.reserved.contains(&name) { Err(reserved(name)) } else { Ok(()) }
    }

    fn check_gid(&self, name: Name, gid: Gid) -> Result<(), Error> {
        if self.facts.gids.contains(&gid.0) {
            return Err(Error::Conflict(format!(
                "gid {gid} is or was another group's, and an id is never given twice; leave it out to get a new one"
            )));
        }
        self.rules.objection_to_group(name, gid).map_or(Ok(()), |objection| Err(Error::Refused(objection)))
    }

    fn known_group(&self, name: Name) -> Result<&KnownGroup, Error> {
        self.facts.groups.get(&name).ok_or_else(|| Error::no_group(name))
    }

    fn take_group(&mut self, uuid: String, name: Name, gid: Gid, private_of: Option<String>) {
        self.facts.gids.insert(gid.0);
        let known = KnownGroup { uuid: uuid.clone(), gid, private: private_of.is_some() };
        self.facts.groups.insert(name, known);
        self.plan.groups.push((uuid, name, gid, private_of));
    }

    /// The next number that nobody has. It is taken only by what is inserted into uids or gids, so that a
    /// refused record costs no id.
    fn peek_free_id(&mut self) -> Result<u32, Error> {
        while let Some(&id) = self.facts.free_ids.last() {
            if !self.facts.uids.contains(&id) && !self.facts.gids.contains(&id) {
                return Ok(id);
            }
            self.facts.free_ids.pop();
        }
        Err(Error::Refused(format!(
            "every id of {} is given; widen ids.max in config.toml",
            self.rules.allocate
        )))
    }
}

fn once_was(kind: &str, name: Name) -> Error {
    Error::Conflict(format!(
        "{name} is the name of a deleted {kind}; --reuse-name gives it to a new one, with a new id"
    ))
}

/// Somebody is shown this name already.
pub fn reserved(name: Name) -> Error {
    Error::Conflict(format!(
        "{name} is kept for somebody who is logging in for the first time: try again in some minutes, or see podyctl \
         reservations"
    ))
}

/// Nobody joins a private group: it is its user's alone.
pub fn private_group(name: Name) -> Error {
    Error::Refused(format!("{name} is the private group of the user {name}; make a group of another name"))
}

#[cfg(test)]
mod tests;
