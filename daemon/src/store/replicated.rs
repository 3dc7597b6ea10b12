//! A directory that this node shares with others: a source elsewhere, and a replica here that follows it.
//!
//! Whatever lookups and listings need comes out of the replica, whether the source answers or not. Changes, passwords and
//! tokens are the source's: nobody else can say what holds now. Where it is told to, the replica holds those, too, and answers
//! while the source does not.

mod anew;
mod stand_in;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use identity::{Name, State};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::NodeStore;
use super::sql::{SqlDirectory, tokens};
use crate::clock::Clock;
use crate::config::Settings;
use crate::directory::{
    Arrival, Arrived, Attempted, Batch, Change, Contact, Counts, Credential, Directory, Error, Feed,
    Identity, Judged, Key, Linked, Member, NewToken, Page, Position, Present, Refusal, Reservation, Result,
    Rules, Secrets, Sink, Team, Token, TokenHash, TokenLookup, TokenName, TokenUse, UserChange, named,
};
use crate::limits::CREDENTIAL_DEADLINE;

use stand_in::StandIn;

/// How long to wait before a source that does not answer is tried again; twice as long each time.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// The longest wait, unless it is told otherwise: a source that is back is noticed within it.
const RETRY_AT_LEAST_EVERY: Duration = Duration::from_secs(5);

/// How long a source that judges passwords itself may take to do so: people give up soon after, and so do programs.
const VERDICT_DEADLINE: Duration = Duration::from_secs(5);

/// How long the source may take to say where it is.
const POSITION_DEADLINE: Duration = Duration::from_secs(4);

/// How often a replica that is current is compared with its source, by numbers of rows: the one thing that a node reads
/// whose cost depends on how many users there are.
const COMPARE_EVERY: Duration = Duration::from_secs(10 * 60);

/// How long whoever asks just after the start waits for what comes of the first contact.
const FIRST_CONTACT: Duration = Duration::from_secs(3);

/// A source and its replica.
#[derive(Debug)]
pub struct Replicated<S> {
    source: Arc<S>,
    replica: SqlDirectory,
    shows_accounts: bool,
    stand_in: Option<StandIn>,
    retry_at_least_every: Duration,
    node: Option<NodeStore>,
    contact: watch::Sender<Contact>,
    /// Something was changed through this node.
    wake: Notify,
    /// The replica has moved.
    moved: Notify,
}

impl<S: Directory> Replicated<S> {
    /// Joins a source and this node's replica of it. Where the last snapshot shows accounts, nobody is taken to be nobody's
    /// because the source is empty.
    pub fn new(source: Arc<S>, replica: SqlDirectory, shows_accounts: bool) -> Self {
        Self {
            source,
            replica,
            shows_accounts,
            stand_in: None,
            retry_at_least_every: RETRY_AT_LEAST_EVERY,
            node: None,
            contact: watch::Sender::default(),
            wake: Notify::new(),
            moved: Notify::new(),
        }
    }

    /// Has what this node remembers of passwords forgotten whenever the replica is copied anew, and that of whoever is locked.
    pub fn forgetting(self, node: NodeStore) -> Self {
        Self { node: Some(node), ..self }
    }

    /// Has the replica keep password hashes and tokens, too, and answer for them while the source does not, for as long as
    /// the settings say.
    pub fn holding_secrets(
        self,
        node: NodeStore,
        settings: watch::Receiver<Arc<Settings>>,
        clock: Clock,
    ) -> Self {
        Self { stand_in: Some(StandIn::new(node, settings, clock)), ..self }
    }

    /// Has a source that is away tried again after this time at the latest, give or take a half; one that is busy is left
    /// alone for longer.
    pub fn retrying_within(self, retry_at_least_every: Duration) -> Self {
        Self { retry_at_least_every, ..self }
    }

    /// The replica, once it holds what the source does: before that, nobody can be told that somebody does not exist.
    async fn loaded(&self) -> Result<&SqlDirectory> {
        if self.contact.borrow().current_at.is_some() || self.replica.position().await?.revision > 0 {
            return Ok(&self.replica);
        }
        let mut contact = self.contact.subscribe();
        let known = contact.wait_for(|contact| contact.current_at.is_some() || contact.trouble.is_some());
        let trouble = match timeout(FIRST_CONTACT, known).await {
            Ok(Ok(contact)) if contact.current_at.is_some() => return Ok(&self.replica),
            Ok(Ok(contact)) => contact.trouble.clone(),
            _ => None,
        };
        let trouble = trouble.unwrap_or_else(|| "it is being copied".into());
        Err(Error::Away(format!("this node does not have the shared directory yet: {trouble}")))
    }

    /// The replica, where it may answer for a source that is away for this reason.
    async fn in_its_place(&self, why: String) -> Result<&SqlDirectory> {
        match &self.stand_in {
            Some(stand_in) => stand_in.check(why).await?,
            None => return Err(Error::Away(why)),
        }
        self.loaded().await
    }

    /// Has the follower look at once, whatever it is waiting for.
    pub fn look(&self) {
        self.wake.notify_one();
    }

    /// Keeps the replica at the source's position.
    pub async fn follow(&self) {
        let (mut retry_after, mut compared) = (RETRY_AFTER, None);
        loop {
            let outcome = self.catch_up(&mut compared).await;
            if let (Ok(()), Some(stand_in)) = (&outcome, &self.stand_in) {
                stand_in.note_current().await;
            }
            // Nodes that lost their source at once do not come back at once.
            let pause = outcome.is_err().then(|| retry_after.mul_f64(0.5 + chance()));
            let longest = match outcome {
                Err(Error::Busy(_)) => RETRY_AT_LEAST_EVERY,
                _ => self.retry_at_least_every,
            };
            retry_after = pause.map_or(RETRY_AFTER, |_| (2 * retry_after).min(longest));
            self.report(outcome);
            tokio::select! {
                () = until_next(&*self.source, pause) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Brings the replica to where the source is; `compared` is when both were last compared.
    async fn catch_up(&self, compared: &mut Option<Instant>) -> Result<()> {
        let position = self.replica.position().await?;
        let now = timeout(POSITION_DEADLINE, self.source.position()).await.unwrap_or_else(|_| Err(late()))?;
        if now == position {
            if compared.is_some_and(|at| at.elapsed() < COMPARE_EVERY) {
                return Ok(());
            }
            *compared = Some(Instant::now());
            return self.compare(&position).await;
        }
        let changes = match self.source.changes(&position).await {
            // More than comes through in time: page by page, it may.
            Err(Error::Away(_)) => Feed::StartOver,
            changes => changes?,
        };
        match changes {
            Feed::Changes { changes, present, position } => {
                let (users, _) = named(&changes);
                let secrets = match self.stand_in {
                    Some(_) => Some(self.source.secrets(&users, &tokens(&changes)).await?),
                    None => None,
                };
                self.forget(&present).await?;
                self.replica.follow(&changes, &present, secrets.as_ref(), &position).await?;
                self.moved.notify_one();
            }
            Feed::StartOver => self.start_over().await?,
        }
        Ok(())
    }

    /// Forgets the passwords of whoever is locked or gone: what was right before that proves nothing afterwards.
    async fn forget(&self, present: &Present) -> Result<()> {
        let Some(node) = &self.node else { return Ok(()) };
        let users = present.users.iter().map(|member| &member.user);
        let locked = users.filter(|user| user.state == State::Locked).map(|user| &user.uuid);
        for uuid in locked.chain(present.gone_users.iter().map(|gone| &gone.uuid)) {
            node.forget_password(uuid).await?;
        }
        Ok(())
    }

    /// Looks, from time to time, whether what is at the same position is the same: whoever restores a database table by table
    /// shows us something in between, and no change ever tells of the rest.
    async fn compare(&self, position: &Position) -> Result<()> {
        let (ours, theirs) = (self.replica.counts().await?, self.source.counts().await?);
        if ours == theirs || self.source.position().await? != *position {
            return Ok(());
        }
        tracing::warn!(
            ?ours,
            ?theirs,
            "the shared directory holds something else than it did at the same revision, as after a restore in parts: it is \
             copied again"
        );
        self.start_over().await
    }

    fn report(&self, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.contact.send_modify(|contact| {
                if contact.trouble.take().is_some() {
                    tracing::info!("the shared directory answers again");
                }
                contact.is_away = false;
                // A source that has it from elsewhere is current as of when that was.
                let current_at = self.source.age().and_then(|age| Instant::now().checked_sub(age));
                contact.current_at = current_at.or(contact.current_at);
            }),
            Err(error) => self.contact.send_modify(|contact| {
                let trouble = error.to_string();
                if contact.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(%error, "this node does not follow the shared directory; lookups go on");
                }
                contact.trouble = Some(trouble);
                contact.is_away = matches!(error, Error::Away(_));
            }),
        }
    }

    /// Waits for what somebody's login depends on, and not for long. A source that was away a moment ago is asked, in case it
    /// is back, and hardly waited for.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        self.within(CREDENTIAL_DEADLINE, answer).await
    }

    async fn within<T>(&self, deadline: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let is_away = self.contact.borrow().is_away;
        let deadline = if is_away { CREDENTIAL_DEADLINE / 6 } else { deadline };
        self.notice(timeout(deadline, answer).await.unwrap_or_else(|_| Err(late())))
    }

    /// Has the follower look whether the source is away, so that nobody else waits for it.
    fn notice<T>(&self, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(Error::Away(_))) && self.contact.borrow().trouble.is_none() {
            self.look();
        }
        outcome
    }

    /// Has the follower look at once, since something was changed through this node.
    fn tell<T>(&self, outcome: Result<T>) -> Result<T> {
        self.look();
        outcome
    }
}

impl Replicated<SqlDirectory> {
    /// Brings the source's tables up to date, as soon as it answers.
    pub async fn migrate(&self) {
        while let Err(error) = self.source.migrate().await {
            self.report(Err(error));
            sleep(RETRY_AT_LEAST_EVERY.mul_f64(0.5 + chance())).await;
        }
    }
}

fn late() -> Error {
    Error::Away("the shared directory does not answer in time".into())
}

/// Waits for news, or for the end of a pause in which the source is left alone.
async fn until_next(source: &impl Directory, pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => source.changed().await,
    }
}

/// From 0 to 1.
pub(super) fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

impl<S: Directory> Directory for Replicated<S> {
    fn describe(&self) -> (&'static str, String) {
        self.source.describe()
    }

    fn contact(&self) -> Option<Contact> {
        let Contact { clock_skew, warnings, .. } = self.source.contact().unwrap_or_default();
        let own = self.contact.borrow().clone();
        Some(Contact { clock_skew, warnings: [warnings, own.warnings].concat(), ..own })
    }

    fn via(&self) -> Vec<String> {
        self.source.via()
    }

    async fn close(&self) {
        self.source.close().await;
        self.replica.close().await;
    }

    async fn position(&self) -> Result<Position> {
        self.loaded().await?.position().await
    }

    async fn counts(&self) -> Result<Counts> {
        self.loaded().await?.counts().await
    }

    async fn user(&self, key: Key) -> Result<Option<Member>> {
        self.loaded().await?.user(key).await
    }

    async fn users(&self, after: Option<Name>, limit: u32) -> Result<Page<Member>> {
        self.loaded().await?.users(after, limit).await
    }

    async fn group(&self, key: Key) -> Result<Option<Team>> {
        self.loaded().await?.group(key).await
    }

    async fn groups(&self, after: Option<Name>, limit: u32, private: bool) -> Result<Page<Team>> {
        self.loaded().await?.groups(after, limit, private).await
    }

    async fn create(&self, batch: Batch, rules: &Rules, dry_run: bool) -> Result<(Vec<Refusal>, Position)> {
        self.tell(self.source.create(batch, rules, dry_run).await)
    }

    async fn update_user(&self, name: Name, change: UserChange, rules: &Rules) -> Result<Position> {
        self.tell(self.source.update_user(name, change, rules).await)
    }

    async fn delete_user(&self, name: Name, if_revision: Option<u64>) -> Result<Position> {
        self.tell(self.source.delete_user(name, if_revision).await)
    }

    async fn delete_group(&self, name: Name, if_revision: Option<u64>) -> Result<Position> {
        self.tell(self.source.delete_group(name, if_revision).await)
    }

    async fn set_members(&self, group: Name, users: Vec<Name>, present: bool) -> Result<Position> {
        self.tell(self.source.set_members(group, users, present).await)
    }

    async fn credential(&self, name: Name) -> Result<Option<Credential>> {
        match self.in_time(self.source.credential(name)).await {
            Err(Error::Away(why)) => self.in_its_place(why).await?.credential(name).await,
            answer => answer,
        }
    }

    async fn authenticate(&self, attempted: Attempted<'_>) -> Result<Option<Judged>> {
        self.within(VERDICT_DEADLINE, self.source.authenticate(attempted)).await
    }

    async fn reserve(&self, name: Name, rules: &Rules, until: i64) -> Result<Reservation> {
        self.in_time(self.source.reserve(name, rules, until)).await
    }

    async fn release(&self, uuid: &str) -> Result<()> {
        self.in_time(self.source.release(uuid)).await
    }

    async fn arrive(&self, arrival: Arrival, rules: &Rules) -> Result<(Arrived, Position)> {
        self.tell(self.source.arrive(arrival, rules).await)
    }

    async fn identities(
        &self,
        owner: Option<Name>,
        after: Option<Identity>,
        limit: u32,
    ) -> Result<Page<Linked>> {
        self.in_time(self.source.identities(owner, after, limit)).await
    }

    async fn link(&self, name: Name, identity: Identity) -> Result<Position> {
        self.source.link(name, identity).await
    }

    async fn unlink(&self, name: Name, identity: Identity) -> Result<Position> {
        self.source.unlink(name, identity).await
    }

    async fn set_password(&self, name: Name, hash: Option<String>) -> Result<Position> {
        self.tell(self.source.set_password(name, hash).await)
    }

    async fn set_own_password(&self, name: Name, old: &str, hash: String) -> Result<Position> {
        self.tell(self.source.set_own_password(name, old, hash).await)
    }

    async fn upgrade_password(&self, uuid: &str, old: &str, new: &str) -> Result<()> {
        self.in_time(self.source.upgrade_password(uuid, old, new)).await?;
        if self.stand_in.is_some() {
            self.replica.upgrade_password(uuid, old, new).await?;
        }
        Ok(())
    }

    async fn create_token(&self, token: NewToken) -> Result<Position> {
        self.tell(self.source.create_token(token).await)
    }

    async fn tokens(
        &self,
        owner: Option<Name>,
        after: Option<(Name, TokenName)>,
        limit: u32,
    ) -> Result<Page<Token>> {
        self.source.tokens(owner, after, limit).await
    }

    async fn secrets(&self, users: &[String], tokens: &[String]) -> Result<Secrets> {
        self.source.secrets(users, tokens).await
    }

    async fn token(&self, hash: &TokenHash) -> Result<TokenLookup> {
        match self.in_time(self.source.token(hash)).await {
            Err(Error::Away(why)) => self.in_its_place(why).await?.token(hash).await,
            answer => answer,
        }
    }

    async fn revoke_token(&self, owner: Name, name: TokenName) -> Result<Position> {
        self.tell(self.source.revoke_token(owner, name).await)
    }

    async fn note_token_uses(&self, uses: &[TokenUse]) -> Result<()> {
        self.source.note_token_uses(uses).await
    }

    async fn changed(&self) {
        self.moved.notified().await;
    }

    async fn changes(&self, since: &Position) -> Result<Feed> {
        self.loaded().await?.changes(since).await
    }

    async fn present(&self, users: &[String], groups: &[String]) -> Result<Present> {
        self.loaded().await?.present(users, groups).await
    }

    async fn holders(&self, names: &[String], ids: &[u32]) -> Result<BTreeSet<Change>> {
        self.loaded().await?.holders(names, ids).await
    }

    async fn dump(&self, sink: &mut impl Sink) -> Result<Position> {
        self.loaded().await?.dump(sink).await
    }
}

#[cfg(test)]
mod tests;
