//! The lines of a stream: one JSON object each, named by what it is. The last one is the position; what ends without it was
//! cut off, and is worth nothing.

use identity::{Gid, Group, Name, State, Uid, User};
use serde::{Deserialize, Serialize};

use super::cursor::{At, CountsBody};
use super::{parse, parse_option};
use crate::directory::{Change, Error, Member, Origin, Result, Team, Tombstone};
use crate::limits::MAX_WIRE_LINE_BYTES;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A whole directory begins.
    Begin {
        /// Of this moment,
        #[serde(flatten)]
        at: At,
        /// and of this size.
        #[serde(flatten)]
        counts: CountsBody,
    },
    /// This has changed.
    Changed(Changed),
    /// The present state of a user.
    User(Box<UserLine>),
    /// A user who is gone.
    GoneUser(Gone),
    /// The present state of a group, without its members.
    Group(GroupLine),
    /// Members of the group in the last line of that kind; there may be several such lines for one group.
    Members(Vec<(String, u32)>),
    /// A group that is gone.
    GoneGroup(Gone),
    /// The end: all this leads to here.
    Position(At),
}

/// What has changed, by identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A membership.
    Member {
        /// Where.
        group: String,
        /// Who.
        user: String,
    },
    /// A token.
    Token(String),
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserLine {
    uuid: String,
    name: String,
    uid: u32,
    gid: u32,
    gecos: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    home: String,
    shell: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Whether the user may administer the directory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_admin: bool,
    origin: String,
    groups: Vec<(u32, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_revision: Option<u64>,
    revision: u64,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLine {
    uuid: String,
    name: String,
    gid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_of: Option<String>,
    revision: u64,
}

/// Somebody who is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    uuid: String,
    name: String,
    id: u32,
}

impl Line {
    /// Adds the line to what is sent.
    pub fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, self).expect("texts and numbers make JSON");
        out.push(b'\n');
    }
}

impl From<&Change> for Changed {
    fn from(change: &Change) -> Self {
        match change.clone() {
            Change::User { uuid } => Self::User(uuid),
            Change::Group { uuid } => Self::Group(uuid),
            Change::Member { group, user } => Self::Member { group, user },
            Change::Token { uuid } => Self::Token(uuid),
        }
    }
}

impl From<Changed> for Change {
    fn from(changed: Changed) -> Self {
        match changed {
            Changed::User(uuid) => Self::User { uuid },
            Changed::Group(uuid) => Self::Group { uuid },
            Changed::Member { group, user } => Self::Member { group, user },
            Changed::Token(uuid) => Self::Token { uuid },
        }
    }
}

impl From<&User> for UserLine {
    fn from(user: &User) -> Self {
        Self {
            uuid: user.uuid.clone(),
            name: user.name.to_string(),
            uid: user.uid.0,
            gid: user.gid.0,
            gecos: user.gecos.to_string(),
            email: user.email.as_ref().map(ToString::to_string),
            home: user.home.to_string(),
            shell: user.shell.to_string(),
            state: user.state.to_string(),
            expires_at: user.expires_at.as_ref().map(ToString::to_string),
            is_admin: user.is_admin,
            revision: user.revision,
            ..Self::default()
        }
    }
}

impl From<&Member> for UserLine {
    fn from(member: &Member) -> Self {
        Self {
            origin: member.origin.as_str().to_owned(),
            groups: member.groups.iter().map(|(gid, name)| (gid.0, name.to_string())).collect(),
            password_revision: member.password_revision,
            ..Self::from(&member.user)
        }
    }
}

impl UserLine {
    /// The user alone.
    pub(super) fn user(&self) -> Result<User> {
        Ok(User {
            uuid: uuid(&self.uuid)?,
            name: parse("name", &self.name)?,
            uid: Uid(self.uid),
            gid: Gid(self.gid),
            gecos: parse("gecos", &self.gecos)?,
            email: parse_option("email", self.email.as_deref())?,
            home: parse("home", &self.home)?,
            shell: parse("shell", &self.shell)?,
            state: state(&self.state)?,
            expires_at: parse_option("expires_at", self.expires_at.as_deref())?,
            is_admin: self.is_admin,
            revision: self.revision,
        })
    }

    /// The user with what hangs on it.
    pub fn member(&self) -> Result<Member> {
        let group = |(gid, name): &(u32, String)| Ok((Gid(*gid), parse("groups", name)?));
        Ok(Member {
            user: self.user()?,
            origin: Origin::of(&self.origin),
            groups: self.groups.iter().map(group).collect::<Result<_>>()?,
            password_revision: self.password_revision,
        })
    }
}

impl From<&Team> for GroupLine {
    fn from(Team { group, private_of, .. }: &Team) -> Self {
        Self {
            uuid: group.uuid.clone(),
            name: group.name.to_string(),
            gid: group.gid.0,
            private_of: private_of.clone(),
            revision: group.revision,
        }
    }
}

impl GroupLine {
    /// The group, without members.
    pub fn team(&self) -> Result<Team> {
        let group = Group {
            uuid: uuid(&self.uuid)?,
            name: parse("name", &self.name)?,
            gid: Gid(self.gid),
            revision: self.revision,
        };
        Ok(Team { group, private_of: self.private_of.clone(), members: Vec::new() })
    }
}

impl From<&Tombstone> for Gone {
    fn from(Tombstone { uuid, name, id }: &Tombstone) -> Self {
        Self { uuid: uuid.clone(), name: name.to_string(), id: *id }
    }
}

impl Gone {
    /// The tombstone.
    pub fn tombstone(&self) -> Result<Tombstone> {
        let name: Name = parse("name", &self.name)?;
        Ok(Tombstone { uuid: self.uuid.clone(), name, id: self.id })
    }
}

/// Active or locked, and nothing that would be taken for one of them.
pub(super) fn state(text: &str) -> Result<State> {
    [State::Active, State::Locked]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| Error::invalid("state", "it is 'active' or 'locked'"))
}

fn uuid(text: &str) -> Result<String> {
    if text.is_empty() { Err(Error::invalid("uuid", "it is missing")) } else { Ok(text.to_owned()) }
}

/// Takes lines out of the pieces in which a stream arrives.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Adds a piece, and returns the lines that are whole now. What comes after an error is of no use.
    pub fn take(&mut self, piece: &[u8]) -> Result<Vec<Line>> {
        let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') else {
            self.keep(piece)?;
            return Ok(Vec::new());
        };
        let (whole, rest) = piece.split_at(end + 1);
        let mut lines = Vec::new();
        let mut parts = whole.split_inclusive(|byte| *byte == b'\n');
        if let Some(first) = parts.next() {
            self.keep(first)?;
            lines.push(line(&std::mem::take(&mut self.0))?);
        }
        for part in parts {
            lines.push(line(part)?);
        }
        self.keep(rest)?;
        Ok(lines)
    }

    fn keep(&mut self, piece: &[u8]) -> Result<()> {
        if self.0.len() + piece.len() > MAX_WIRE_LINE_BYTES {
            return Err(Error::Failed(format!("a line of more than {MAX_WIRE_LINE_BYTES} bytes came")));
        }
        self.0.extend_from_slice(piece);
        Ok(())
    }
}

/// What is wrong may be said, and where; what stands there may be anything.
fn line(bytes: &[u8]) -> Result<Line> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Failed(format!("a line came that no Pody service writes (column {})", error.column()))
    })
}
