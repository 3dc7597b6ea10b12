//! What is to be done so that the directory says what the file says. It is decided here, and done elsewhere.

use std::collections::BTreeMap;

use identity::Name;

use super::lines::{Line, Lines, Says, digest};
use crate::store::Taken;
use crate::verifiers::PasswordHash;

/// A user who came from the file.
#[derive(Clone, Debug)]
pub struct Known {
    /// The identity.
    pub uuid: String,
    /// Whether the account is locked, by whomever.
    pub is_locked: bool,
    /// The revision in which the password was set.
    pub password_revision: Option<u64>,
    /// What was taken from the file.
    pub taken: Taken,
}

/// What is to be done.
#[derive(Debug, Default)]
#[must_use]
pub struct Plan<'a> {
    /// Users to create.
    pub create: Vec<(Name, u64, &'a PasswordHash)>,
    /// Passwords to set.
    pub passwords: Vec<(Name, &'a PasswordHash)>,
    /// Users whose line is gone.
    pub lock: Vec<Name>,
    /// Users whose line is back.
    pub unlock: Vec<Name>,
}

impl<'a> Plan<'a> {
    /// Compares the file with those who came from it.
    pub fn new(lines: &'a Lines, known: &BTreeMap<Name, Known>) -> Self {
        let mut plan = Self::default();
        for (name, line) in &lines.users {
            match (&line.says, known.get(name)) {
                (Says::Password(hash), Some(user)) => plan.keep(*name, user, hash),
                (Says::Password(hash), None) => plan.create.push((*name, line.number, hash)),
                (Says::Disabled | Says::Nothing, _) => {}
            }
        }
        let is_off = |line: Option<&Line>| match line {
            Some(line) => matches!(line.says, Says::Disabled),
            None => lines.doubt.is_none(),
        };
        let off = known.iter().filter(|(name, user)| !user.is_locked && is_off(lines.users.get(*name)));
        plan.lock.extend(off.map(|(name, _)| *name));
        plan
    }

    fn keep(&mut self, name: Name, user: &Known, hash: &'a PasswordHash) {
        // The hash that is stored may be another one of the same password by now: what counts is the line that it came from.
        let is_taken = user.taken.digest == digest(hash);
        if !is_taken || user.password_revision != Some(user.taken.password_revision) {
            self.passwords.push((name, hash));
        }
        if user.taken.locked {
            self.unlock.push(name);
        }
    }
}
