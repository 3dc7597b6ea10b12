//! Users and groups as the directory knows them.

use core::fmt;
use std::string::String;

use crate::{AbsolutePath, Email, Gecos, Gid, Name, Uid};

/// A day, counted from 1970-01-01, as shadow(5) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

/// Whether a user may log in at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Yes, unless another rule says no.
    Active,
    /// No: an admin locked the account.
    Locked,
}

impl State {
    /// The word used in JSON, tables and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A user. `uuid` is the identity; everything else is a property that may change, but for the ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Given at creation, never given again, what credentials and quotas hang on (RFC 9562 text form).
    pub uuid: String,
    /// The login name.
    pub name: Name,
    /// The user id.
    pub uid: Uid,
    /// The primary group: by default the user's private group, of the same name and number.
    pub gid: Gid,
    /// The comment, usually the person's full name.
    pub gecos: Gecos,
    /// How to reach the person.
    pub email: Option<Email>,
    /// The home directory.
    pub home: AbsolutePath,
    /// The login shell.
    pub shell: AbsolutePath,
    /// Active or locked.
    pub state: State,
    /// The first day on which the account has expired.
    pub expires_at: Option<Day>,
    /// Whether this user may administer the directory.
    pub is_admin: bool,
    /// The revision of the directory in which this user last changed.
    pub revision: u64,
}

/// A group. A user's private group is one, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Given at creation, never given again.
    pub uuid: String,
    /// The group's name.
    pub name: Name,
    /// The group id.
    pub gid: Gid,
    /// The revision of the directory in which this group, or its members, last changed.
    pub revision: u64,
}
