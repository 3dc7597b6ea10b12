//! The directory: the one source of truth for users, groups and memberships.
//!
//! This folder decides and does no I/O: what is valid, which ids are free, what a change means. A backend
//! (`store/`) reads the facts, asks here, and writes what comes back, in one transaction. The conformance
//! suite (`store/conformance.rs`) holds every backend to the same behaviour.

mod error;
mod local;
mod plan;
mod token;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::time::Instant;

use identity::{AbsolutePath, Day, Email, Gecos, Gid, Group, Name, State, Uid, User};

pub use error::{Error, Result};
pub use local::{LocalAccounts, Rules};
pub use plan::{
    Batch, Facts, KnownGroup, NewGroup, NewMember, NewUser, Plan, Planned, Primary, Refusal, plan,
    private_group,
};
pub use token::{
    Attempt, Network, Networks, NewToken, Objection, RevokedToken, Scope, Scopes, SecretError, Token,
    TokenHash, TokenLookup, TokenName, TokenSecret, TokenUse,
};

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
}

impl Origin {
    /// The word used in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Htpasswd => "htpasswd",
        }
    }

    /// Reads that word; whoever came in another way is the admins' own.
    pub fn of(word: &str) -> Self {
        if word == Self::Htpasswd.as_str() { Self::Htpasswd } else { Self::Admin }
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

/// A backend. Every method is one transaction: it happens whole or not at all, and what it returns is
/// committed. Names and ids were parsed at the door; `rules` says what this node allows.
pub trait Directory: Send + Sync + 'static {
    /// What kind it is (`local`, `sql`, `remote`) and where, without secrets.
    fn describe(&self) -> (&'static str, String);

    /// How this node's replica stands to what it follows; none: the directory is here. One that is followed says what it
    /// knows of the other's clock, and what an admin should know of it.
    fn contact(&self) -> Option<Contact> {
        None
    }

    /// The runs of podyd that it comes from, the nearest first; empty: it is here, or in a database.
    fn via(&self) -> Vec<String> {
        Vec::new()
    }

    /// Waits for what is under way and lets go of the database.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// Where the directory stands now.
    fn position(&self) -> impl Future<Output = Result<Position>> + Send;

    /// How much there is.
    fn counts(&self) -> impl Future<Output = Result<Counts>> + Send;

    /// One user.
    fn user(&self, key: Key) -> impl Future<Output = Result<Option<Member>>> + Send;

    /// Users with names after `after`, at most `limit`.
    fn users(&self, after: Option<Name>, limit: u32) -> impl Future<Output = Result<Page<Member>>> + Send;

    /// One group with its members.
    fn group(&self, key: Key) -> impl Future<Output = Result<Option<Team>>> + Send;

    /// Groups with names after `after`, at most `limit`, without members.
    fn groups(
        &self,
        after: Option<Name>,
        limit: u32,
        private: bool,
    ) -> impl Future<Output = Result<Page<Team>>> + Send;

    /// Creates what a batch asks for; each record is taken or refused by itself. With `dry_run`, nothing
    /// stays. The position is that after the change.
    fn create(
        &self,
        batch: Batch,
        rules: &Rules,
        dry_run: bool,
    ) -> impl Future<Output = Result<(Vec<Refusal>, Position)>> + Send;

    /// Changes a user. Locking one revokes the tokens, and whoever is an admin no more keeps those that users may have.
    fn update_user(
        &self,
        name: Name,
        change: UserChange,
        rules: &Rules,
    ) -> impl Future<Output = Result<Position>> + Send;

    /// Deletes a user, the private group, every membership, the credential and the tokens; leaves tombstones. Refused when
    /// the user is not at this revision any more.
    fn delete_user(
        &self,
        name: Name,
        if_revision: Option<u64>,
    ) -> impl Future<Output = Result<Position>> + Send;

    /// Deletes a group and its memberships; leaves a tombstone. Refused when the group is not at this revision any more.
    fn delete_group(
        &self,
        name: Name,
        if_revision: Option<u64>,
    ) -> impl Future<Output = Result<Position>> + Send;

    /// Begins or ends memberships that an admin grants.
    fn set_members(
        &self,
        group: Name,
        users: Vec<Name>,
        present: bool,
    ) -> impl Future<Output = Result<Position>> + Send;

    /// What a login of this user is checked against; none: no such user.
    fn credential(&self, name: Name) -> impl Future<Output = Result<Option<Credential>>> + Send;

    /// Judges a password, where verifiers never leave the directory; none: it is checked here, against the [`Credential`].
    fn authenticate(&self, _attempted: Attempted<'_>) -> impl Future<Output = Result<Option<Judged>>> + Send {
        async { Ok(None) }
    }

    /// Sets or takes away a password, by its verifier.
    fn set_password(&self, name: Name, hash: Option<String>)
    -> impl Future<Output = Result<Position>> + Send;

    /// Sets the password of somebody who has just shown to know the old one, which is all that some directories want to
    /// be told by a node that may change nothing else.
    fn set_own_password(
        &self,
        name: Name,
        _old: &str,
        hash: String,
    ) -> impl Future<Output = Result<Position>> + Send {
        self.set_password(name, Some(hash))
    }

    /// Replaces a verifier by a stronger one of the same password, unless it has changed meanwhile.
    /// Nobody's view changes: there is no new revision.
    fn upgrade_password(&self, uuid: &str, old: &str, new: &str) -> impl Future<Output = Result<()>> + Send;

    /// Creates a token for a user who is not locked.
    fn create_token(&self, token: NewToken) -> impl Future<Output = Result<Position>> + Send;

    /// Tokens of one owner, or of all, after the one of this owner and name, at most `limit`; in the order of the names of
    /// owners and tokens.
    fn tokens(
        &self,
        owner: Option<Name>,
        after: Option<(Name, TokenName)>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<Token>>> + Send;

    /// The verifiers of these users, and these tokens, by identity.
    fn secrets(&self, users: &[String], tokens: &[String]) -> impl Future<Output = Result<Secrets>> + Send;

    /// What is known of a token, by its hash.
    fn token(&self, hash: &TokenHash) -> impl Future<Output = Result<TokenLookup>> + Send;

    /// Ends a token for ever.
    fn revoke_token(&self, owner: Name, name: TokenName) -> impl Future<Output = Result<Position>> + Send;

    /// Writes down when tokens were last used, unless a later use is known. Nobody's view changes: there is no new revision.
    fn note_token_uses(&self, uses: &[TokenUse]) -> impl Future<Output = Result<()>> + Send;

    /// Returns when something may have changed that this node was not told of otherwise.
    fn changed(&self) -> impl Future<Output = ()> + Send;

    /// What changed after `since`, as of one moment.
    fn changes(&self, since: &Position) -> impl Future<Output = Result<Feed>> + Send;

    /// The present state of what a feed named.
    fn present(&self, users: &[String], groups: &[String]) -> impl Future<Output = Result<Present>> + Send;

    /// Users that have one of these names, uids or primary gids, and groups that have one of these names or gids.
    fn holders(&self, names: &[String], ids: &[u32])
    -> impl Future<Output = Result<BTreeSet<Change>>> + Send;

    /// Everything, as of one moment.
    fn dump(&self, sink: &mut impl Sink) -> impl Future<Output = Result<Position>> + Send;
}
