//! Records to create: what `Directory::create` takes, and what comes of it.

use identity::{Gid, Uid};
use serde::{Deserialize, Serialize};

use super::cursor::At;
use super::object::objects;
use super::record::state;
use super::{parse, parse_option};
use crate::directory::{
    Batch, Error, NewGroup, NewMember, NewUser, Origin, Position, Primary, Refusal, Result,
};

/// The body of `POST /v1/batch`. It may hold password hashes, and has no `Debug`.
#[derive(Default, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct BatchBody {
    groups: Vec<GroupBody>,
    users: Vec<UserBody>,
    members: Vec<MemberBody>,
    all_or_nothing: bool,
    /// Report what would be refused, and create nothing.
    pub dry_run: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct GroupBody {
    #[serde(default)]
    line: u64,
    uuid: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(default)]
    reuse_name: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
struct UserBody {
    line: u64,
    uuid: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    /// The name of a primary group that exists or comes with the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// The identity of the private group; exactly one of the two is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_group: Option<String>,
    /// The private group's id, where it differs from the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    gecos: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<String>,
    shell: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    is_admin: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
    reuse_name: bool,
    origin: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct MemberBody {
    #[serde(default)]
    line: u64,
    group: String,
    user: String,
}

objects!(BatchBody, GroupBody, UserBody, MemberBody);

impl BatchBody {
    /// The body for a batch.
    pub fn new(batch: Batch, dry_run: bool) -> Self {
        Self {
            groups: batch.groups.into_iter().map(GroupBody::from).collect(),
            users: batch.users.into_iter().map(UserBody::from).collect(),
            members: batch.members.into_iter().map(MemberBody::from).collect(),
            all_or_nothing: batch.all_or_nothing,
            dry_run,
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.groups.len() + self.users.len() + self.members.len()
    }

    /// Whether somebody is to be an admin.
    pub fn makes_admins(&self) -> bool {
        self.users.iter().any(|user| user.is_admin)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batch. Whether its password hashes can be used is for others to say.
    pub fn batch(self) -> Result<Batch> {
        let Self { groups, users, members, all_or_nothing, dry_run: _ } = self;
        Ok(Batch {
            groups: groups.into_iter().map(GroupBody::group).collect::<Result<_>>()?,
            users: users.into_iter().map(UserBody::user).collect::<Result<_>>()?,
            members: members.into_iter().map(MemberBody::member).collect::<Result<_>>()?,
            all_or_nothing,
        })
    }
}

impl From<NewGroup> for GroupBody {
    fn from(NewGroup { line, uuid, name, gid, reuse_name }: NewGroup) -> Self {
        Self { line, uuid, name: name.to_string(), gid: gid.map(|gid| gid.0), reuse_name }
    }
}

impl GroupBody {
    fn group(self) -> Result<NewGroup> {
        let Self { line, uuid, name, gid, reuse_name } = self;
        Ok(NewGroup {
            line,
            uuid: identity(&uuid)?,
            name: parse("name", &name)?,
            gid: gid.map(Gid),
            reuse_name,
        })
    }
}

impl From<NewUser> for UserBody {
    fn from(user: NewUser) -> Self {
        let (group, private_group, gid) = match user.primary {
            Primary::Named(group) => (Some(group.to_string()), None, None),
            Primary::Private { uuid, gid } => (None, Some(uuid), gid.map(|gid| gid.0)),
        };
        Self {
            line: user.line,
            uuid: user.uuid,
            name: user.name.to_string(),
            uid: user.uid.map(|uid| uid.0),
            group,
            private_group,
            gid,
            gecos: user.gecos.to_string(),
            email: user.email.map(|email| email.to_string()),
            home: user.home.map(|home| home.to_string()),
            shell: user.shell.to_string(),
            state: user.state.to_string(),
            expires_at: user.expires_at.map(|day| day.to_string()),
            is_admin: user.is_admin,
            password_hash: user.password,
            reuse_name: user.reuse_name,
            origin: user.origin.as_str().to_owned(),
        }
    }
}

impl UserBody {
    fn user(self) -> Result<NewUser> {
        let primary = match (self.group, self.private_group) {
            (Some(group), None) => Primary::Named(parse("group", &group)?),
            (None, Some(uuid)) => Primary::Private { uuid: identity(&uuid)?, gid: self.gid.map(Gid) },
            _ => return Err(Error::invalid("group", "give either group or private_group")),
        };
        Ok(NewUser {
            line: self.line,
            uuid: identity(&self.uuid)?,
            name: parse("name", &self.name)?,
            uid: self.uid.map(Uid),
            primary,
            gecos: parse("gecos", &self.gecos)?,
            email: parse_option("email", self.email.as_deref())?,
            home: parse_option("home", self.home.as_deref())?,
            shell: parse("shell", &self.shell)?,
            state: state(&self.state)?,
            expires_at: parse_option("expires_at", self.expires_at.as_deref())?,
            is_admin: self.is_admin,
            password: self.password_hash,
            reuse_name: self.reuse_name,
            origin: Origin::of(&self.origin),
        })
    }
}

impl From<NewMember> for MemberBody {
    fn from(NewMember { line, group, user }: NewMember) -> Self {
        Self { line, group: group.to_string(), user: user.to_string() }
    }
}

impl MemberBody {
    fn member(self) -> Result<NewMember> {
        Ok(NewMember {
            line: self.line,
            group: parse("group", &self.group)?,
            user: parse("user", &self.user)?,
        })
    }
}

/// Identities are made by whoever asks, so that asking twice makes nothing twice.
pub(super) fn identity(text: &str) -> Result<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err(Error::invalid("uuid", "it is a new random UUID (RFC 9562)"))
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReply {
    refused: Vec<RefusalBody>,
    position: At,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RefusalBody {
    line: u64,
    name: String,
    code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    message: String,
}

impl BatchReply {
    /// The answer to a batch.
    pub fn new(refused: &[Refusal], position: &Position) -> Self {
        let refused = refused.iter().map(|Refusal { line, name, error }| {
            let (code, field, message) = told(error);
            RefusalBody { line: *line, name: name.clone(), code: code.into(), field, message }
        });
        Self { refused: refused.collect(), position: position.into() }
    }

    /// What was refused, and where that led.
    pub fn outcome(self) -> Result<(Vec<Refusal>, Position)> {
        let refusal = |RefusalBody { line, name, code, field, message }| Refusal {
            line,
            name,
            error: error(&code, field.as_deref(), message),
        };
        Ok((self.refused.into_iter().map(refusal).collect(), self.position.position()?))
    }
}

/// An error as code, field and sentence.
fn told(error: &Error) -> (&'static str, Option<String>, String) {
    let code = match error {
        Error::InvalidInput { field, message } => {
            return ("invalid", Some((*field).to_owned()), message.clone());
        }
        Error::NotFound(_) => "not_found",
        Error::Conflict(_) => "conflict",
        Error::Changed(_) => "changed",
        Error::Refused(_) => "refused",
        Error::Unwelcome(_) => "unwelcome",
        Error::ReadOnly(_) => "read_only",
        Error::Away(_) => "away",
        Error::Busy(_) => "busy",
        Error::Failed(_) => "failed",
    };
    (code, None, error.to_string())
}

fn error(code: &str, field: Option<&str>, message: String) -> Error {
    match code {
        "invalid" => Error::InvalidInput { field: known_field(field.unwrap_or_default()), message },
        "not_found" => Error::NotFound(message),
        "conflict" => Error::Conflict(message),
        "changed" => Error::Changed(message),
        "refused" => Error::Refused(message),
        "unwelcome" => Error::Unwelcome(message),
        "read_only" => Error::ReadOnly(message),
        "away" => Error::Away(message),
        "busy" => Error::Busy(message),
        _ => Error::Failed(message),
    }
}

/// The fields that requests have; an error names one of them or none.
pub fn known_field(field: &str) -> &'static str {
    const FIELDS: &[&str] = &[
        "after",
        "email",
        "expires_at",
        "gecos",
        "gid",
        "group",
        "groups",
        "home",
        "if_revision",
        "is_admin",
        "limit",
        "line",
        "members",
        "name",
        "networks",
        "new_name",
        "old",
        "owner",
        "password",
        "password_hash",
        "rhost",
        "scope",
        "scopes",
        "shell",
        "since",
        "source",
        "state",
        "uid",
        "user",
        "users",
        "uuid",
        "wait",
    ];
    FIELDS.iter().copied().find(|known| *known == field).unwrap_or("request")
}
