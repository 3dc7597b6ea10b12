//! `org.pody.Directory`: users, groups and memberships, for admins (and, in part, for oneself).

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::identity::IdentityKey;

macro_rules! method {
    ($(#[$doc:meta])* $name:ident -> $reply:ty { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Method for $name {
            const NAME: &'static str = concat!("org.pody.Directory.", stringify!($name));
            type Reply = $reply;
        }
    };
}

/// A user as shown to people and programs (`podyctl --json` prints exactly this).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// The immutable identity, RFC 9562 text form.
    pub uuid: String,
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group's id.
    pub gid: u32,
    /// The comment field.
    pub gecos: String,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
    /// `active` or `locked`.
    pub state: String,
    /// The first day on which the account has expired, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether this user may administer the directory.
    #[serde(default)]
    pub is_admin: bool,
    /// Whether there is a password to log in with.
    #[serde(default)]
    pub has_password: bool,
    /// Who brought the user into the directory: `admin`, `htpasswd` for this node's htpasswd file, or `oidc` for a first login
    /// at an OpenID provider.
    #[serde(default)]
    pub origin: String,
    /// Who the user is to OpenID providers. Left out of listings, where there are none, and while the directory that knows
    /// does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<IdentityKey>,
    /// Supplementary groups, sorted; the private group is not among them.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The directory's revision in which this user last changed.
    pub revision: u64,
    /// Whether this node refuses the user, since the OpenID provider has ended the account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Why this node does not serve the user, if so: its name or id belongs to a local account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
}

/// A group as shown to people and programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The immutable identity, RFC 9562 text form.
    pub uuid: String,
    /// The group's name.
    pub name: String,
    /// The group id.
    pub gid: u32,
    /// The names of its members, sorted. Left out of listings, and where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Whether this is one user's private group.
    #[serde(default)]
    pub private: bool,
    /// The directory's revision in which this group last changed.
    pub revision: u64,
}

method! {
    /// Creates a user and, unless `gid` or `group` says otherwise, the user's private group.
    CreateUser -> UserReply {
        /// The login name.
        name: String,
        /// An id inside the admin's ranges; allocated when absent.
        uid: Option<u32>,
        /// The name of an existing primary group; a private group is made when absent.
        group: Option<String>,
        /// The comment field.
        gecos: Option<String>,
        /// The e-mail address.
        email: Option<String>,
        /// The home directory; `[users] home` when absent.
        home: Option<String>,
        /// The login shell; `[users] shell` when absent.
        shell: Option<String>,
        /// The first day on which the account has expired, `YYYY-MM-DD`.
        expires_at: Option<String>,
        /// Whether the user may administer the directory.
        #[serde(default)]
        is_admin: bool,
        /// Existing groups to join.
        #[serde(default)]
        groups: Vec<String>,
        /// A password; the user cannot log in by password without one.
        password: Option<Secret>,
        /// Take the name although it was a deleted user's.
        #[serde(default)]
        reuse_name: bool,
    }
}

method! {
    /// Shows one user, by name or by uid.
    GetUser -> UserReply {
        /// The login name.
        name: Option<String>,
        /// The user id.
        uid: Option<u32>,
    }
}

method! {
    /// Lists users in the order of their names, a page at a time.
    ListUsers -> UsersReply {
        /// Names after this one; from the beginning when absent.
        after: Option<String>,
        /// How many at the most, 1 to 1 000 (default 1 000).
        limit: Option<u32>,
    }
}

method! {
    /// Changes what is given and leaves the rest. `Some("")` removes an e-mail address or an expiry.
    UpdateUser -> UserReply {
        /// Whom.
        name: String,
        /// A new login name; id, home and memberships stay.
        new_name: Option<String>,
        /// The comment field.
        gecos: Option<String>,
        /// The e-mail address.
        email: Option<String>,
        /// The home directory (nothing is moved).
        home: Option<String>,
        /// The login shell.
        shell: Option<String>,
        /// `active` or `locked`.
        state: Option<String>,
        /// The first day on which the account has expired, `YYYY-MM-DD`.
        expires_at: Option<String>,
        /// Whether the user may administer the directory.
        is_admin: Option<bool>,
        /// The revision that the caller saw: refused when the user has changed since.
        if_revision: Option<u64>,
    }
}

method! {
    /// Deletes a user, the private group and every membership. Name and id are never given to another.
    DeleteUser -> Done {
        /// Whom.
        name: String,
    }
}

method! {
    /// Sets a password (admins: anybody's; a user: one's own, with the old one).
    SetPassword -> Done {
        /// Whose.
        name: String,
        /// The old password, where a user changes their own.
        old: Option<Secret>,
        /// The new one; absent takes the password away.
        new: Option<Secret>,
    }
}

method! {
    /// Creates a group.
    CreateGroup -> GroupReply {
        /// The group's name.
        name: String,
        /// An id inside the admin's ranges; allocated when absent.
        gid: Option<u32>,
        /// Take the name although it was a deleted group's.
        #[serde(default)]
        reuse_name: bool,
    }
}

method! {
    /// Shows one group, by name or by gid.
    GetGroup -> GroupReply {
        /// The group's name.
        name: Option<String>,
        /// The group id.
        gid: Option<u32>,
        /// Members with names after this one; from the beginning when absent. A reply holds 20 000.
        #[serde(default)]
        after: Option<String>,
    }
}

method! {
    /// Lists groups in the order of their names, a page at a time, without their members.
    ListGroups -> GroupsReply {
        /// Names after this one; from the beginning when absent.
        after: Option<String>,
        /// How many at the most, 1 to 1 000 (default 1 000).
        limit: Option<u32>,
        /// Private groups, too.
        #[serde(default)]
        private: bool,
    }
}

method! {
    /// Deletes a group and its memberships; refused while it is somebody's primary group.
    DeleteGroup -> Done {
        /// Which.
        name: String,
    }
}

method! {
    /// Makes users members of a group. Users who are members already stay so.
    AddMembers -> Done {
        /// The group's name.
        group: String,
        /// The users' names.
        #[serde(default)]
        users: Vec<String>,
    }
}

method! {
    /// Ends memberships. Users who are no members are left alone.
    RemoveMembers -> Done {
        /// The group's name.
        group: String,
        /// The users' names.
        #[serde(default)]
        users: Vec<String>,
    }
}

method! {
    /// Takes over a batch of users and groups that lived elsewhere, in one transaction; each record is
    /// taken or refused by itself, and the reply says why. Groups come first within a batch.
    Import -> ImportReply {
        /// Groups.
        #[serde(default)]
        groups: Vec<ImportGroup>,
        /// Users.
        #[serde(default)]
        users: Vec<ImportUser>,
        /// Memberships, of users and groups imported before or in this batch.
        #[serde(default)]
        members: Vec<ImportMember>,
        /// Allocate fresh ids instead of keeping the given ones.
        #[serde(default)]
        new_ids: bool,
        /// Take names although they were deleted users' and groups'.
        #[serde(default)]
        reuse_name: bool,
        /// Check everything, change nothing.
        #[serde(default)]
        dry_run: bool,
        /// More batches follow: do not wait until lookups show this one. A last batch, which may be empty,
        /// waits for all of them.
        #[serde(default)]
        more: bool,
    }
}

/// A group to import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportGroup {
    /// Where it came from, for the report: a line number.
    pub line: u64,
    /// The group's name.
    pub name: String,
    /// The id it had.
    #[serde(default)]
    pub gid: Option<u32>,
}

/// A user to import. What is left out costs nothing on the wire: a frame holds hundreds of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportUser {
    /// Where it came from, for the report: a line number.
    pub line: u64,
    /// The login name.
    pub name: String,
    /// The id it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The name of the primary group, imported before or in this batch; a private group is made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The id that the private group had; the same as `uid` when absent, without meaning beside `group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The comment field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gecos: String,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The home directory; the default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// The login shell; the default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// `$argon2id$ $y$ $6$ $5$ $2a$ $2b$ $2y$ $apr1$` or Pody's `sha256:…`; none: no password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Secret>,
    /// Imported as locked (shadow's `!`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
    /// The first day on which the account has expired, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether the user may administer the directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_admin: bool,
}

/// A membership to import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportMember {
    /// Where it came from, for the report: a line number.
    pub line: u64,
    /// The group's name.
    pub group: String,
    /// The user's name.
    pub user: String,
}

/// The largest database of the original Pody that [`ReadPodyDatabase`] takes: as base64 it still fits a
/// frame, and so do the users that come back, about 6 000.
pub const MAX_PODY_DATABASE_BYTES: usize = 700 * 1024;

method! {
    /// Reads the users out of the original Pody's `users.db` and changes nothing: only podyd speaks SQL.
    /// What comes back may be sent on to [`Import`]; `line` is the row's id.
    ReadPodyDatabase -> PodyUsersReply {
        /// The whole file, base64 (RFC 4648 §4, padded), [`MAX_PODY_DATABASE_BYTES`] at the most.
        content: Secret,
    }
}

/// The users of a database of the original Pody.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PodyUsersReply {
    /// The users, in the order of their ids, with `sha256:…` as password hash.
    #[serde(default)]
    pub users: Vec<ImportUser>,
}

method! {
    /// One page of everything, for a backup or another Pody: users with their password hashes.
    Export -> ExportReply {
        /// User names after this one; from the beginning when absent.
        after: Option<String>,
        /// How many at the most, 1 to 500 (default 500).
        limit: Option<u32>,
    }
}

/// One user of an [`Export`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportedUser {
    /// The user.
    #[serde(flatten)]
    pub user: UserRecord,
    /// The stored verifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Secret>,
}

/// A page of an export.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExportReply {
    /// The users of this page.
    #[serde(default)]
    pub users: Vec<ExportedUser>,
    /// Whether there are more: ask again with `after` the last name.
    #[serde(default)]
    pub more: bool,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImportReply {
    /// How many records were taken (or would be, in a dry run).
    pub taken: u64,
    /// The records that were not, and why.
    #[serde(default)]
    pub refused: Vec<RefusedRecord>,
}

/// A record that was not imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRecord {
    /// The line the caller gave.
    pub line: u64,
    /// The user or group.
    pub name: String,
    /// Why, and what to do.
    pub reason: String,
}

/// A user, as it is now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UserReply {
    /// The user.
    pub user: UserRecord,
}

/// A page of users.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UsersReply {
    /// The users, sorted by name.
    #[serde(default)]
    pub users: Vec<UserRecord>,
    /// Whether there are more: ask again with `after` the last name.
    #[serde(default)]
    pub more: bool,
}

/// A group, as it is now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GroupReply {
    /// The group.
    pub group: GroupRecord,
    /// Whether there are more members: ask again with `after` the last one's name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A page of groups.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GroupsReply {
    /// The groups, sorted by name.
    #[serde(default)]
    pub groups: Vec<GroupRecord>,
    /// Whether there are more: ask again with `after` the last name.
    #[serde(default)]
    pub more: bool,
}

/// The change is committed and visible to NSS on this node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// The directory's revision after it.
    pub revision: u64,
}

/// A password or hash on its way: never shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}
