//! Who of an original Pody's users can be one here, and as whom. Nothing is asked or kept here.

use std::collections::{BTreeMap, HashMap, HashSet};

use identity::{AbsolutePath, Gecos, Gid, Group, IdRange, Name, State, Uid, User};
use sha2::{Digest, Sha256};

use super::UNKNOWN_REVISION;
use super::api::Record;
use crate::config::{Template, Users};
use crate::directory::{Member, Origin, Team};

/// Somebody who can be a user here, unless the uid has been another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub uid: Uid,
    pub name: Name,
    pub is_admin: bool,
}

/// What users get here.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Their uids are these, from the first on, by their ids there.
    pub ids: IdRange,
    /// Where their homes are.
    pub home: Template,
    /// Their shell.
    pub shell: AbsolutePath,
    /// Whether whoever is an admin there is one here: not where anybody on the way could say so.
    pub admins: bool,
}

impl Terms {
    pub fn new(ids: IdRange, users: &Users, admins: bool) -> Self {
        Self { ids, home: users.home.clone(), shell: users.shell.clone(), admins }
    }

    /// The uid of a user there, if that is one of ours to give.
    pub fn uid(&self, userid: u64) -> Option<Uid> {
        let uid = u32::try_from(userid).ok()?.checked_add(self.ids.min())?;
        Some(Uid(uid)).filter(|_| userid > 0 && self.ids.allows(uid))
    }
}

/// A list of users: who can be one here, by uid, and a sentence for each who cannot.
#[derive(Debug, Default)]
pub struct People {
    pub members: BTreeMap<Uid, Candidate>,
    pub left_out: Vec<String>,
}

impl People {
    /// Reads a list.
    pub fn of(records: &[Record], terms: &Terms) -> Self {
        let (mut people, mut names) = (Self::default(), HashSet::new());
        for record in records {
            let shown: String = record.name.escape_default().take(64).collect();
            let objection = match (record.name.parse::<Name>(), terms.uid(record.userid)) {
                (Err(error), _) => error.to_string(),
                (_, None) => format!("its id there, {}, leads out of [ids]", record.userid),
                (Ok(name), Some(uid)) if people.members.contains_key(&uid) || !names.insert(name) => {
                    "its name or id is in the list twice".into()
                }
                (Ok(name), Some(uid)) => {
                    let is_admin = record.is_admin && terms.admins;
                    people.members.insert(uid, Candidate { uid, name, is_admin });
                    continue;
                }
            };
            people.left_out.push(format!("{shown}: {objection}"));
        }
        people
    }

    /// Leaves those out whose uid is, or was, another's; `holders` says whose each is.
    pub fn keep_holders(&mut self, holders: &HashMap<Uid, String>) {
        let left_out = &mut self.left_out;
        self.members.retain(|uid, Candidate { name, .. }| {
            let objection = match holders.get(uid) {
                Some(holder) if holder == name.as_str() => return true,
                Some(holder) => format!("uid {uid} was {holder}'s, whose files may still be there"),
                None => "this node has seen too many users of that server".into(),
            };
            left_out.push(format!("{name}: {objection}"));
            false
        });
    }

    /// A number that is another one for other people.
    pub fn stamp(&self, terms: &Terms) -> i64 {
        let mut digest = Sha256::new();
        for Candidate { uid, name, is_admin } in self.members.values() {
            let (home, shell) = (terms.home.render(name, *uid), &terms.shell);
            digest.update(format!("{uid}:{name}:{is_admin}:{}:{}\n", home.as_str(), shell.as_str()));
        }
        let digest: [u8; 32] = digest.finalize().into();
        i64::from_be_bytes(*digest.first_chunk().expect("a digest is longer"))
    }
}

impl Candidate {
    /// The user here.
    pub fn member(&self, terms: &Terms, revision: u64) -> Member {
        let user = User {
            uuid: uuid("user", self.uid, self.name),
            name: self.name,
            uid: self.uid,
            gid: Gid(self.uid.0),
            gecos: Gecos::EMPTY,
            email: None,
            home: terms.home.render(&self.name, self.uid),
            shell: terms.shell.clone(),
            state: State::Active,
            expires_at: None,
            is_admin: self.is_admin,
            revision,
        };
        let password_revision = Some(UNKNOWN_REVISION);
        Member { user, origin: Origin::Admin, groups: Vec::new(), password_revision }
    }

    /// The user's private group.
    pub fn private_group(&self, revision: u64) -> Team {
        let group = Group {
            uuid: uuid("group", self.uid, self.name),
            name: self.name,
            gid: Gid(self.uid.0),
            revision,
        };
        Team { group, private_of: Some(uuid("user", self.uid, self.name)), members: Vec::new() }
    }
}

/// The identity of whoever has this id and name there: the same on every node and after every restart. Somebody else of the
/// same name, or with the same id, is another one.
pub fn uuid(kind: &str, uid: Uid, name: Name) -> String {
    let digest: [u8; 32] = Sha256::digest(format!("pody-0.4 {kind} {uid} {name}")).into();
    uuid::Builder::from_custom_bytes(*digest.first_chunk().expect("a digest is longer"))
        .into_uuid()
        .to_string()
}
