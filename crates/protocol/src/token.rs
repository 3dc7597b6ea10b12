//! `org.pody.Token`: bearer tokens. Their text is in one reply, when they are created, and in no other.
//!
//! Users manage tokens of their own, for reading; root and admins everybody's, for everything.

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::directory::{Done, Secret};

/// A token as shown to people and programs (`podyctl token list --json` prints exactly this).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The immutable identity, RFC 9562 text form.
    pub uuid: String,
    /// Whose it is.
    pub owner: String,
    /// What it is called among those of its owner.
    pub name: String,
    /// What it is for: `read`, `authenticate`, `write`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The networks that it may be used from, in CIDR notation; empty: from anywhere.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The first day on which it has expired, `YYYY-MM-DD` (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was created, RFC 3339 in UTC.
    pub created_at: String,
    /// When it was last used, RFC 3339 in UTC; some seconds late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// The address that it was last used from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_from: Option<String>,
    /// The directory's revision in which it was created.
    pub revision: u64,
}

/// Creates a token.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// Whose it is to be; the caller's own when absent.
    #[serde(default)]
    pub owner: Option<String>,
    /// What to call it.
    pub name: String,
    /// What it is for; `read` when empty.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The networks that it may be used from; empty: from anywhere.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The first day on which it has expired, `YYYY-MM-DD`; never when absent.
    #[serde(default)]
    pub expires_at: Option<String>,
}

impl Method for Create {
    const NAME: &'static str = "org.pody.Token.Create";
    type Reply = Created;
}

/// A new token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// What is known of it from now on.
    pub token: TokenRecord,
    /// Its text, which nobody can be told again.
    pub secret: Secret,
}

/// Lists tokens by the names of their owners and their own, a page at a time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Whose; when absent the caller's own or, for root and admins, everybody's.
    #[serde(default)]
    pub owner: Option<String>,
    /// Tokens after this one; from the beginning when absent.
    #[serde(default)]
    pub after: Option<TokenKey>,
    /// How many at the most, 1 to 1 000 (default 1 000).
    #[serde(default)]
    pub limit: Option<u32>,
}

/// Which token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// Whose it is.
    pub owner: String,
    /// What it is called.
    pub name: String,
}

impl Method for List {
    const NAME: &'static str = "org.pody.Token.List";
    type Reply = TokensReply;
}

/// A page of tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TokensReply {
    /// The tokens.
    #[serde(default)]
    pub tokens: Vec<TokenRecord>,
    /// Whether there are more behind the last one.
    #[serde(default)]
    pub more: bool,
}

/// Ends a token for ever, on all nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Whose it is; the caller's own when absent.
    #[serde(default)]
    pub owner: Option<String>,
    /// What it is called.
    pub name: String,
}

impl Method for Revoke {
    const NAME: &'static str = "org.pody.Token.Revoke";
    type Reply = Done;
}

/// Asks whether a token is accepted. Root and admins are told everything, users what concerns their own tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The text of the token.
    pub token: Secret,
    /// For this scope; when absent, scopes are not looked at.
    #[serde(default)]
    pub scope: Option<String>,
    /// From this address; when absent, networks are not looked at.
    #[serde(default)]
    pub source: Option<String>,
    /// Somebody uses the token now, for this scope and from this address, which must be given: note it. For root and admins.
    #[serde(default)]
    pub is_use: bool,
}

impl Method for Check {
    const NAME: &'static str = "org.pody.Token.Check";
    type Reply = Checked;
}

/// What is to be said of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Whether it is accepted.
    #[serde(default)]
    pub accepted: bool,
    /// What speaks against it, a clause each, such as `it expired on 2027-01-31`.
    #[serde(default)]
    pub objections: Vec<String>,
    /// What is known of it, if there is such a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenRecord>,
}
