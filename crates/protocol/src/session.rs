//! `org.pody.Session`: sessions on this node. pam_pody says that one begins and ends; admins, and users for themselves, look
//! and end them.
//!
//! A session is the process that opens it (its leader), which the kernel names to podyd: there is nothing that pam_pody would have
//! to keep in between.

use serde::{Deserialize, Serialize};

use crate::Method;

/// A session on this node (`podyctl session list --json` prints exactly this).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Which one, for [`End`]: a number that no other session has until the machine starts anew.
    pub id: u64,
    /// Whose.
    pub user: String,
    /// The user id.
    pub uid: u32,
    /// The PAM service that it came by, such as `sshd`.
    pub service: String,
    /// The terminal, where there was one when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<String>,
    /// The host that it was begun from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rhost: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub began_at: String,
    /// The process that opened it and closes it.
    pub leader: i32,
}

/// Says that the calling process begins a session; for root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Whose.
    pub user: String,
    /// The PAM service.
    pub service: String,
    /// The terminal, as PAM was told.
    #[serde(default)]
    pub tty: Option<String>,
    /// The host they come from, as PAM was told.
    #[serde(default)]
    pub rhost: Option<String>,
}

impl Method for Open {
    const NAME: &'static str = "org.pody.Session.Open";
    type Reply = Opened;
}

/// What becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// What the person is told, a line each.
    #[serde(default)]
    pub messages: Vec<String>,
    /// Why it may not begin, for the person; none: it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Says that the session of the calling process ends; for root. One that podyd does not know is no error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {}

impl Method for Close {
    const NAME: &'static str = "org.pody.Session.Close";
    type Reply = Closed;
}

/// The session is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {}

/// Lists sessions in the order in which they began, a page at a time; for root and admins, or one's own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Whose; all that the caller may see when absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Sessions after this one; from the beginning when absent.
    #[serde(default)]
    pub after: Option<u64>,
    /// How many at the most, 1 to 1 000 (default 1 000).
    #[serde(default)]
    pub limit: Option<u32>,
}

impl Method for List {
    const NAME: &'static str = "org.pody.Session.List";
    type Reply = SessionsReply;
}

/// A page of sessions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SessionsReply {
    /// The sessions.
    #[serde(default)]
    pub sessions: Vec<SessionRecord>,
    /// Whether there are more.
    #[serde(default)]
    pub more: bool,
}

/// Ends one session, or all of a user's and whatever else of theirs runs on this node; for root and admins, or one's own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Which session.
    #[serde(default)]
    pub id: Option<u64>,
    /// Or whose.
    #[serde(default)]
    pub user: Option<String>,
}

impl Method for End {
    const NAME: &'static str = "org.pody.Session.End";
    type Reply = Ended;
}

/// It is over: none of its processes runs any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How many processes of the user there were.
    pub processes: u32,
}
