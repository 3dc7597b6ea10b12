//! What every backend does.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use identity::Name;

use super::{
    Arrival, Arrived, Attempted, Batch, Change, Contact, Counts, Credential, Error, Feed, Identity, Judged,
    Key, Linked, Member, NewToken, Page, Position, Present, Refusal, Reservation, Result, Rules, Secrets,
    Sink, Team, Token, TokenHash, TokenLookup, TokenName, TokenUse, UserChange,
};

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

    /// How old what it says may be by its own words: another node passes on what it has from elsewhere. None: it does not
    /// know.
    fn age(&self) -> Option<Duration> {
        Some(Duration::ZERO)
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

    /// Keeps a name, and the ids that go with it, for somebody who is about to log in for the first time. Whoever asks for
    /// the same name again gets the same, for longer. What has run out goes back.
    fn reserve(
        &self,
        name: Name,
        _rules: &Rules,
        _until: i64,
    ) -> impl Future<Output = Result<Reservation>> + Send {
        async move { nobody_comes_by_login(name) }
    }

    /// Gives back what was kept for nothing, by its identity, once it has run out and unless somebody else has asked for it
    /// since.
    fn release(&self, _uuid: &str) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Lets somebody in whom an OpenID provider has vouched for: whoever is linked is brought up to date, whoever may come is
    /// created, and the others are refused, with words that they are shown.
    fn arrive(
        &self,
        arrival: Arrival,
        _rules: &Rules,
    ) -> impl Future<Output = Result<(Arrived, Position)>> + Send {
        async move { nobody_comes_by_login(arrival.asked) }
    }

    /// Identities of one user, who may have been deleted, or of all, after this one, at most `limit`; in the order of issuers
    /// and subjects.
    fn identities(
        &self,
        _owner: Option<Name>,
        _after: Option<Identity>,
        _limit: u32,
    ) -> impl Future<Output = Result<Page<Linked>>> + Send {
        async { Ok(Page { items: Vec::new(), more: false }) }
    }

    /// Links an identity to a user, also one that was a deleted user's.
    fn link(&self, name: Name, _identity: Identity) -> impl Future<Output = Result<Position>> + Send {
        async move { nobody_comes_by_login(name) }
    }

    /// Takes an identity from a user, who may have been deleted.
    fn unlink(&self, name: Name, _identity: Identity) -> impl Future<Output = Result<Position>> + Send {
        async move { nobody_comes_by_login(name) }
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

/// What a directory says that knows no identities.
fn nobody_comes_by_login<T>(name: Name) -> Result<T> {
    Err(Error::Refused(format!(
        "{name} cannot be linked to an OpenID provider, nor come by a login: the service that this directory is at does not \
         know how"
    )))
}
