//! Users whom this node refuses for now, whatever the directory says: lookups show them as ever, and the account part as locked.

use std::collections::BTreeSet;
use std::sync::Arc;

use identity::State;

use crate::directory::{Change, Member};

/// They, by their identity. Copies of one set are known to be the same.
#[derive(Clone, Debug, Default)]
pub struct Refused(Arc<BTreeSet<String>>);

impl Refused {
    /// Whether this user is among them.
    pub fn contains(&self, uuid: &str) -> bool {
        self.0.contains(uuid)
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }

    /// Whether these are the same.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }

    /// Takes a user in, or out; says whether that changes anything.
    pub fn set(&mut self, uuid: &str, is_refused: bool) -> bool {
        if self.contains(uuid) == is_refused {
            return false;
        }
        let uuids = Arc::make_mut(&mut self.0);
        match is_refused {
            true => uuids.insert(uuid.to_owned()),
            false => uuids.remove(uuid),
        }
    }

    /// How lookups show a user.
    pub fn shown(&self, mut member: Member) -> Member {
        if self.contains(&member.user.uuid) {
            member.user.state = State::Locked;
        }
        member
    }

    /// Who is in one of these sets and not in the other, as if they had changed.
    pub fn difference(&self, other: &Self) -> BTreeSet<Change> {
        let changed = self.0.symmetric_difference(&other.0);
        changed.map(|uuid| Change::User { uuid: uuid.clone() }).collect()
    }
}
