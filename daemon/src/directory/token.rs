//! Bearer tokens: what one may be called, what it allows, and whether it is accepted now, from there, for that.
//!
//! A token is its owner's and goes with the owner. What it says is known to whoever holds it; here and in the store there
//! is only its SHA-256. Nothing here is random or knows the time.

mod network;
mod secret;

use std::fmt;
use std::str::FromStr;

use core::net::IpAddr;

use identity::{Day, Name, State, User};

pub use network::{Network, Networks};
pub use secret::{SecretError, TokenHash, TokenSecret};

/// The longest name of a token, in bytes: a line of a listing has room for it.
const MAX_NAME_BYTES: usize = 64;

/// What a token is called among those of its owner: `[a-z0-9][a-z0-9_.-]*`. Lower case only, like every name of Pody's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenName(String);

impl TokenName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TokenName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !text.bytes().next().is_some_and(is_letter_or_digit) {
            return Err("the name of a token begins with a-z or 0-9");
        }
        if text.len() > MAX_NAME_BYTES {
            return Err("the name of a token has at most 64 characters");
        }
        if !text.bytes().all(|byte| is_letter_or_digit(byte) || b"_.-".contains(&byte)) {
            return Err("the name of a token is made of a-z, 0-9, '_', '.' and '-'");
        }
        Ok(Self(text.to_owned()))
    }
}

/// One thing that a token may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// To look at the directory.
    Read,
    /// To check other people's passwords.
    Authenticate,
    /// To change the directory.
    Write,
    /// To change a password that one knows.
    Password,
    /// To have users created who log in for the first time.
    Provision,
}

impl Scope {
    const ALL: [Self; 5] = [Self::Read, Self::Authenticate, Self::Write, Self::Password, Self::Provision];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Authenticate => "authenticate",
            Self::Write => "write",
            Self::Password => "password",
            Self::Provision => "provision",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or("a scope is one of: read, authenticate, write, password, provision")
    }
}

/// What a token is for: each scope stands for itself, and none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// What users may give to tokens of their own. The others are powers over other people.
    pub const OF_USERS: Self = Self(1 << Scope::Read as u8);

    /// These scopes; none: a token for nothing is a mistake.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Option<Self> {
        let bits = scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u8);
        (bits != 0).then_some(Self(bits))
    }

    /// Each scope.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.holds(*scope))
    }

    /// Whether a scope is among these.
    pub fn holds(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    /// Whether these are no more than others.
    pub fn are_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }
}

/// As it is stored: `read,write`.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(","))
    }
}

impl FromStr for Scopes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let scopes: Vec<Scope> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        Self::new(scopes).ok_or("a token has at least one scope")
    }
}

/// A token to create.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The identity, made at random by the caller.
    pub uuid: String,
    /// What is kept of the text.
    pub hash: TokenHash,
    /// Whose it is.
    pub owner: Name,
    /// What it is called.
    pub name: TokenName,
    /// What it is for.
    pub scopes: Scopes,
    /// Where it may be used.
    pub networks: Networks,
    /// The first day on which it has expired.
    pub expires_at: Option<Day>,
    /// Now, in seconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// A token that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The identity.
    pub uuid: String,
    /// What is kept of the text.
    pub hash: TokenHash,
    /// Whose it is.
    pub owner: User,
    /// What it is called.
    pub name: TokenName,
    /// What it is for.
    pub scopes: Scopes,
    /// Where it may be used.
    pub networks: Networks,
    /// The first day on which it has expired.
    pub expires_at: Option<Day>,
    /// When it was created, in seconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// When it was last used, as far as that has been written down, and from where.
    pub last_use: Option<(i64, IpAddr)>,
    /// The revision in which it was created.
    pub revision: u64,
}

/// What the directory knows of a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenLookup {
    /// There is such a token; nothing is said about whether it is accepted.
    Found(Box<Token>),
    /// There was one.
    Revoked(RevokedToken),
    /// None that anybody remembers.
    Unknown,
}

/// What is left of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// Whose it was, by the name at the time.
    pub owner: Name,
    /// What it was called.
    pub name: TokenName,
    /// The revision in which it was revoked.
    pub revision: u64,
}

/// That a token was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUse {
    /// Which.
    pub uuid: String,
    /// When, in seconds since 1970-01-01 UTC.
    pub at: i64,
    /// From where.
    pub source: IpAddr,
}

/// What somebody wants to do with a token; what is not given is not judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt {
    /// What for.
    pub scope: Option<Scope>,
    /// From where.
    pub source: Option<IpAddr>,
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// It does not even look like one.
    Malformed(SecretError),
    /// Nobody remembers it.
    Unknown,
    /// It was revoked, by hand or with its owner.
    Revoked(RevokedToken),
    /// It has expired.
    Expired(Day),
    /// It is for something else.
    Scope(Scope, Scopes),
    /// It may not be used from there.
    Source(IpAddr, Networks),
    /// Its owner is locked.
    OwnerLocked(Name),
    /// Its owner has expired.
    OwnerExpired(Name, Day),
    /// Its owner is not served on this node.
    OwnerHidden(Name, String),
    /// The OpenID provider has ended its owner, who is refused on this node.
    OwnerRefused(Name),
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "{error}"),
            Self::Unknown => f.write_str(
                "nobody here has such a token: it is another directory's, or was revoked long ago",
            ),
            Self::Revoked(RevokedToken { owner, name, revision }) => {
                write!(f, "it was revoked in revision {revision}; it was {owner}'s {name}")
            }
            Self::Expired(day) => write!(f, "it expired on {day}"),
            Self::Scope(scope, scopes) => write!(f, "it is not for {scope}, but for {scopes}"),
            Self::Source(source, networks) => {
                write!(f, "it may not be used from {source}, but from {networks}")
            }
            Self::OwnerLocked(owner) => write!(f, "its owner {owner} is locked"),
            Self::OwnerExpired(owner, day) => write!(f, "its owner {owner} expired on {day}"),
            Self::OwnerHidden(owner, why) => write!(f, "its owner {owner} is not served on this node: {why}"),
            Self::OwnerRefused(owner) => {
                write!(f, "the OpenID provider has ended its owner {owner}, who is refused on this node")
            }
        }
    }
}

impl Token {
    /// Everything that speaks against an attempt today. `hidden` is why this node does not serve the owner, if so.
    #[must_use]
    pub fn objections(&self, attempt: Attempt, today: Day, hidden: Option<String>) -> Vec<Objection> {
        let owner = &self.owner;
        let expired = |day: Option<Day>| day.filter(|day| *day <= today);
        let scope = attempt.scope.filter(|scope| !self.scopes.holds(*scope));
        let source = attempt.source.filter(|source| !self.networks.allow(*source));
        let objections = [
            expired(self.expires_at).map(Objection::Expired),
            scope.map(|scope| Objection::Scope(scope, self.scopes)),
            source.map(|source| Objection::Source(source, self.networks.clone())),
            (owner.state == State::Locked).then_some(Objection::OwnerLocked(owner.name)),
            expired(owner.expires_at).map(|day| Objection::OwnerExpired(owner.name, day)),
            hidden.map(|why| Objection::OwnerHidden(owner.name, why)),
        ];
        objections.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
