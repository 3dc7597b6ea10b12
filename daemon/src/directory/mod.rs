//! The directory: the one source of truth for users, groups and memberships.
//!
//! This folder decides and does no I/O: what is valid, which ids are free, what a change means. A backend
//! (`store/`) reads the facts, asks here, and writes what comes back, in one transaction. The conformance
//! suite (`store/conformance.rs`) holds every backend to the same behaviour.

mod arrival;
mod backend;
mod derived;
mod error;
mod local;
mod plan;
mod token;
mod welcome;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::time::Instant;

use identity::{AbsolutePath, Day, Email, Gecos, Gid, Group, Name, State, Uid, User};

pub use arrival::{Arrival, Arrived, Identity, Linked, Reservation};
pub use backend::Directory;
pub use derived::Kind;
pub use error::{Error, Result};
pub use local::{LocalAccounts, Rules};
pub use plan::{
    Batch, Facts, KnownGroup, NewGroup, NewMember, NewUser, Plan, Planned, Primary, Refusal, plan,
    private_group, reserved,
};
pub use token::{
    Attempt, Network, Networks, NewToken, Objection, RevokedToken, Scope, Scopes, SecretError, Token,
    TokenHash, TokenLookup, TokenName, TokenSecret, TokenUse,
};
pub use welcome::{Acquaintance, Owner, Returning, Update, Welcome, welcome};

/// Where the directory stands. Revisions of a database that was made anew or restored from a backup are other ones than those
/// of the same number that somebody has seen before: the epoch and the stamp tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Made at random when the database was created.
    pub epoch: String,
    /// Grows by one with every committed change.
    pub revision: u64,
    /// Drawn at random for the revision.
    pub stamp: i64,
    /// When the revision was given, in milliseconds since 1970 by the clock of whoever gave it.
    pub committed_at: i64,
}

impl Position {
    /// Whether whoever is here has seen what was committed there.
    pub fn has_reached(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.revision >= other.revision
    }

    /// Whether this is the same place, whatever is known of when it was reached.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.epoch, self.revision, self.stamp) == (&other.epoch, other.revision, other.stamp)
    }
}

/// Who brought a user into the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// An admin: by hand or by an import.
    #[default]
    Admin,
    /// This node's htpasswd file.
    Htpasswd,
    /// Their own first login, for which an OpenID provider vouched.
    Oidc,
}

impl Origin {
    /// The word used in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Htpasswd => "htpasswd",
            Self::Oidc => "oidc",
        }
    }

    /// Reads that word; whoever came in another way is the admins' own.
    pub fn of(word: &str) -> Self {
        [Self::Htpasswd, Self::Oidc].into_iter().find(|origin| origin.as_str() == word).unwrap_or_default()
    }
}

/// A user with what hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: User,
    /// Who brought the user into the directory.
    pub origin: Origin,
    /// Supplementary groups, sorted by name.
    pub groups: Vec<(Gid, Name)>,
    /// The revision in which the password was set; none: there is no password.
    pub password_revision: Option<u64>,
}

/// A group with what hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// The group.
    pub group: Group,
    /// The user whose private group it is, by identity.
    pub private_of: Option<String>,
    /// Its members, sorted by name; empty in listings.
    pub members: Vec<Name>,
}

/// One page of a listing in the order of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// How a user or group is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// By name.
    Name(Name),
    /// By uid or gid.
    Id(u32),
}

/// What an update changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// A new login name.
    pub name: Option<Name>,
    /// The comment.
    pub gecos: Option<Gecos>,
    /// The e-mail address, or none.
    pub email: Option<Option<Email>>,
    /// The home directory.
    pub home: Option<AbsolutePath>,
    /// The login shell.
    pub shell: Option<AbsolutePath>,
    /// Active or locked.
    pub state: Option<State>,
    /// The first day of expiry, or never.
    pub expires_at: Option<Option<Day>>,
    /// Whether the user may administer the directory.
    pub is_admin: Option<bool>,
    /// Refuse when the user is not at this revision any more.
    pub if_revision: Option<u64>,
}

/// The revision in which a password was set whose directory does not say when that was. What is remembered of it is judged by
/// what the directory says of the next one.
pub const UNKNOWN_REVISION: u64 = 0;

/// What a login is checked against. `Debug` shows whose, and not the verifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose.
    pub uuid: String,
    /// The stored verifier; none: no password can be right.
    pub hash: Option<String>,
    /// The revision in which it was set.
    pub revision: u64,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

/// A password that somebody gave, for a directory that judges it itself. It has no `Debug`.
#[derive(Clone, Copy)]
pub struct Attempted<'a> {
    /// Whose it is said to be.
    pub name: Name,
    /// The password.
    pub password: &'a str,
    /// The remote host that the login comes from.
    pub rhost: Option<&'a str>,
}

/// How a directory elsewhere judged a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is right.
    Right {
        /// Whose it is.
        uuid: String,
        /// The revision in which it was set.
        revision: u64,
        /// Whether the owner of the directory said so now, and not a node by what it remembers.
        is_current: bool,
    },
    /// It is wrong, or there is none, or no such user.
    Wrong,
    /// Nobody looked at it: there were too many failures.
    LockedOut {
        /// How long that lasts.
        seconds: u64,
    },
}

/// What only a replica is given that answers for the directory while it is away. It has no `Debug`.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Verifiers of users who have a password.
    pub credentials: Vec<Credential>,
    /// Tokens.
    pub tokens: Vec<Token>,
}

/// One entry of the change feed: what was touched, not how. Whoever follows reads the present state, so that
/// entries may be folded together and replayed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A user was created, changed or deleted.
    User {
        /// Which.
        uuid: String,
    },
    /// A group was created, changed or deleted.
    Group {
        /// Which.
        uuid: String,
    },
    /// A membership began or ended.
    Member {
        /// The group.
        group: String,
        /// The user.
        user: String,
    },
    /// A token was created or revoked. No lookup shows tokens.
    Token {
        /// Which.
        uuid: String,
    },
}

/// The users and the groups that changes speak of, by identity.
pub fn named(changes: &BTreeSet<Change>) -> (Vec<String>, Vec<String>) {
    let (mut users, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for change in changes {
        match change {
            Change::User { uuid } => {
                users.insert(uuid.clone());
            }
            Change::Group { uuid } => {
                groups.insert(uuid.clone());
            }
            Change::Member { group, user } => {
                users.insert(user.clone());
                groups.insert(group.clone());
            }
            Change::Token { .. } => {}
        }
    }
    (users.into_iter().collect(), groups.into_iter().collect())
}

/// A stretch of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// What changed since, and where that leads.
    Changes {
        /// Distinct entries.
        changes: BTreeSet<Change>,
        /// The state of all that they name, as of the position.
        present: Present,
        /// The position after them.
        position: Position,
    },
    /// The history does not reach back to the cursor, or it is another database's: start over.
    StartOver,
}

/// The ids of something that is there no more; enough to take it out of what others hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Who it was.
    pub uuid: String,
    /// The name at the end.
    pub name: Name,
    /// The uid or gid.
    pub id: u32,
}

/// The present state of what a feed named: those that live, and the tombstones of those that do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Living users.
    pub users: Vec<Member>,
    /// Deleted users.
    pub gone_users: Vec<Tombstone>,
    /// Living groups, without members.
    pub groups: Vec<Team>,
    /// Deleted groups.
    pub gone_groups: Vec<Tombstone>,
}

/// Takes a whole directory, as of one moment, in pages: users first, then groups with their members.
pub trait Sink: Send {
    /// What is to come: the directory of this moment and this size.
    fn begin(&mut self, position: &Position, counts: Counts) -> impl Future<Output = Result<()>> + Send;
    /// Some users.
    fn users(&mut self, page: Vec<Member>) -> impl Future<Output = Result<()>> + Send;
    /// Some groups, each with its members in any order.
    fn groups(&mut self, page: Vec<(Team, Vec<(Name, Uid)>)>) -> impl Future<Output = Result<()>> + Send;
}

/// How a replica stands to the directory that it follows.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    /// When it was last known to be current.
    pub current_at: Option<Instant>,
    /// Why it cannot follow, if so.
    pub trouble: Option<String>,
    /// Whether that is because nobody answers.
    pub is_away: bool,
    /// While everything is copied: how many users have come, and how many there are.
    pub copying: Option<(u64, u64)>,
    /// By how many seconds this node's clock is ahead of the other's, by its last answer, where that tells.
    pub clock_skew: Option<i64>,
    /// What an admin should know of the directory that is followed.
    pub warnings: Vec<String>,
}

/// How many users and groups there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Groups, private ones included.
    pub groups: u64,
    /// Memberships.
    pub members: u64,
}
