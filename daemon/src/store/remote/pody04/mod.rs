//! The users of an original Pody, version 0.4, as the source of a [`crate::store::Replicated`]: a way from there to here. It is
//! asked for its whole list every few seconds, and checks passwords. It knows neither groups nor ids of Linux, and nothing
//! is changed there from here.
//!
//! Lists have no number there: they are counted here, and known again by a digest. Nor does it say when a password was set.

mod api;
mod people;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use identity::Name;
use tokio::time::sleep;

use super::super::NodeStore;
use super::super::replicated::chance;
use super::not_here;
use crate::clock::unix_milliseconds;
use crate::config::{Endpoint, Provider, Settings};
use crate::directory::{
    Attempted, Batch, Change, Contact, Counts, Credential, Directory, Error, Feed, Judged, Key, Member,
    NewToken, Page, Position, Present, Refusal, Result, Rules, Secrets, Sink, Team, Token, TokenHash,
    TokenLookup, TokenName, TokenUse, UNKNOWN_REVISION, UserChange,
};
use crate::limits::{MAX_NAMED_LEFT_OUT, MAX_PODY04_USERS};

use api::{Api, Record};
use people::{People, Terms, uuid};

/// How often the list is asked for, give or take a half: a small cluster's few kilobytes.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// Users and groups that are handed on at a time.
const PAGE: usize = 1000;

/// An original Pody, as the source of users.
#[derive(Debug)]
pub struct Pody04Directory {
    api: Api,
    endpoint: Endpoint,
    terms: Terms,
    node: NodeStore,
    known: Mutex<Known>,
}

/// What was last heard.
#[derive(Debug, Default)]
struct Known {
    /// The list, where it stood, and who of it is one here; none: it was not heard yet.
    list: Option<List>,
    warnings: Vec<String>,
}

#[derive(Debug)]
struct List {
    records: Vec<Record>,
    position: Position,
    people: People,
}

impl Pody04Directory {
    /// The server that the settings name; nothing is asked yet. `node` keeps in mind whose each uid is.
    pub fn new(provider: &Provider, settings: &Settings, node: NodeStore) -> Result<Self> {
        let endpoint = provider.endpoint.clone();
        tracing::warn!(
            "{endpoint} is an original Pody: what stands for a password is sent to it in the address of a request, which it \
             and every proxy before it may write down. See Moving from the original Pody in the guide"
        );
        if !endpoint.is_private() {
            tracing::warn!(
                "{endpoint} is plain http: whoever is on the way reads the token and what stands for passwords, and may \
                 answer instead of it. Nobody from there is an admin on this node"
            );
        }
        let terms = Terms::new(settings.ids.allocate, &settings.users, endpoint.is_private());
        Ok(Self { api: Api::new(provider)?, endpoint, terms, node, known: Mutex::default() })
    }

    /// Goes on with another token, other certificates and another deadline.
    pub fn renew(&self, provider: &Provider) -> Result<()> {
        self.api.renew(provider)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the list, and says where it stands.
    async fn look(&self) -> Result<Position> {
        let records = self.api.users().await?;
        if records.len() > MAX_PODY04_USERS {
            return Err(Error::Failed(format!(
                "{} tells of more than {MAX_PODY04_USERS} users, which no original Pody has",
                self.endpoint
            )));
        }
        let is_the_same = |list: &&List| list.records == records;
        if let Some(list) = self.known().list.as_ref().filter(is_the_same) {
            return Ok(list.position.clone());
        }
        let mut people = People::of(&records, &self.terms);
        let wanted: Vec<_> = people.members.values().map(|one| (one.uid, one.name)).collect();
        people.keep_holders(&self.node.claim_uids(&wanted).await?);
        self.tell_of_left_out(&people.left_out);
        let position = self.position_of(people.stamp(&self.terms)).await?;
        self.known().list = Some(List { records, position: position.clone(), people });
        Ok(position)
    }

    /// The last position, if the list is still the same, and the next one if not.
    async fn position_of(&self, stamp: i64) -> Result<Position> {
        let epoch = self.endpoint.to_string();
        let last = self.node.pody04_position(&epoch).await?.unwrap_or_default();
        if last.stamp == stamp && last.revision > 0 {
            return Ok(last);
        }
        let next = Position { epoch, revision: last.revision + 1, stamp, committed_at: unix_milliseconds() };
        self.node.note_pody04_position(&next).await?;
        Ok(next)
    }

    /// Keeps in mind who is left out, and says so when that has changed.
    fn tell_of_left_out(&self, left_out: &[String]) {
        let named = left_out.iter().take(MAX_NAMED_LEFT_OUT);
        let mut warnings: Vec<String> =
            named.map(|who| format!("a user of {} is left out here: {who}", self.endpoint)).collect();
        if let Some(further @ 1..) = left_out.len().checked_sub(MAX_NAMED_LEFT_OUT) {
            warnings.push(format!("{further} further users of {} are left out here", self.endpoint));
        }
        let mut known = self.known();
        if known.warnings != warnings {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            known.warnings = warnings;
        }
    }

    /// Users and private groups of the list that was last heard.
    fn everybody(&self) -> Result<(Position, Vec<Member>, Vec<Team>)> {
        let known = self.known();
        let List { position, people, .. } = known.list.as_ref().ok_or_else(|| self.not_heard())?;
        let revision = position.revision;
        let users = people.members.values().map(|one| one.member(&self.terms, revision)).collect();
        let groups = people.members.values().map(|one| one.private_group(revision)).collect();
        Ok((position.clone(), users, groups))
    }

    fn not_heard(&self) -> Error {
        Error::Away(format!("{} has not said yet who its users are", self.endpoint))
    }

    fn read_only<T>(&self) -> Result<T> {
        Err(Error::ReadOnly(format!(
            "the users of this node are those of the original Pody at {}: change them there, with pody-user",
            self.endpoint
        )))
    }
}

impl Directory for Pody04Directory {
    fn describe(&self) -> (&'static str, String) {
        ("remote", format!("{} (pody-0.4)", self.endpoint))
    }

    fn contact(&self) -> Option<Contact> {
        let warnings = self.known().warnings.clone();
        Some(Contact { clock_skew: self.api.clock_skew(), warnings, ..Contact::default() })
    }

    async fn close(&self) {}

    async fn position(&self) -> Result<Position> {
        self.look().await
    }

    async fn counts(&self) -> Result<Counts> {
        let (_, users, groups) = self.everybody()?;
        Ok(Counts { users: users.len() as u64, groups: groups.len() as u64, members: 0 })
    }

    async fn authenticate(&self, attempted: Attempted<'_>) -> Result<Option<Judged>> {
        let Attempted { name, password, .. } = attempted;
        let Some(record) = self.api.check(name.as_str(), password).await? else {
            return Ok(Some(Judged::Wrong));
        };
        match self.terms.uid(record.userid) {
            Some(uid) if record.name == name.as_str() => {
                let uuid = uuid("user", uid, name);
                Ok(Some(Judged::Right { uuid, revision: UNKNOWN_REVISION, is_current: true }))
            }
            _ => Err(Error::Failed(format!(
                "{} was asked for {name}, and answered about somebody else",
                self.endpoint
            ))),
        }
    }

    async fn changed(&self) {
        sleep(LOOK_EVERY.mul_f64(0.5 + chance())).await;
    }

    async fn changes(&self, since: &Position) -> Result<Feed> {
        let (position, ..) = self.everybody()?;
        if position != *since {
            return Ok(Feed::StartOver);
        }
        Ok(Feed::Changes { changes: BTreeSet::new(), present: Present::default(), position })
    }

    async fn dump(&self, sink: &mut impl Sink) -> Result<Position> {
        let (position, users, groups) = self.everybody()?;
        sink.begin(&position, self.counts().await?).await?;
        for page in users.chunks(PAGE) {
            sink.users(page.to_vec()).await?;
        }
        for page in groups.chunks(PAGE) {
            sink.groups(page.iter().map(|team| (team.clone(), Vec::new())).collect()).await?;
        }
        Ok(position)
    }

    async fn credential(&self, _: Name) -> Result<Option<Credential>> {
        Err(Error::Refused(format!("{} gives password hashes to nobody", self.endpoint)))
    }

    async fn secrets(&self, _: &[String], _: &[String]) -> Result<Secrets> {
        Err(Error::Refused(format!("{} gives password hashes to nobody", self.endpoint)))
    }

    async fn upgrade_password(&self, _: &str, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    async fn create(&self, _: Batch, _: &Rules, _: bool) -> Result<(Vec<Refusal>, Position)> {
        self.read_only()
    }

    async fn update_user(&self, _: Name, _: UserChange, _: &Rules) -> Result<Position> {
        self.read_only()
    }

    async fn delete_user(&self, _: Name, _: Option<u64>) -> Result<Position> {
        self.read_only()
    }

    async fn delete_group(&self, _: Name, _: Option<u64>) -> Result<Position> {
        self.read_only()
    }

    async fn set_members(&self, _: Name, _: Vec<Name>, _: bool) -> Result<Position> {
        self.read_only()
    }

    async fn set_password(&self, _: Name, _: Option<String>) -> Result<Position> {
        self.read_only()
    }

    async fn create_token(&self, _: NewToken) -> Result<Position> {
        self.read_only()
    }

    async fn revoke_token(&self, _: Name, _: TokenName) -> Result<Position> {
        self.read_only()
    }

    async fn tokens(&self, _: Option<Name>, _: Option<(Name, TokenName)>, _: u32) -> Result<Page<Token>> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn token(&self, _: &TokenHash) -> Result<TokenLookup> {
        Ok(TokenLookup::Unknown)
    }

    async fn note_token_uses(&self, _: &[TokenUse]) -> Result<()> {
        Ok(())
    }

    async fn user(&self, _: Key) -> Result<Option<Member>> {
        not_here()
    }

    async fn users(&self, _: Option<Name>, _: u32) -> Result<Page<Member>> {
        not_here()
    }

    async fn group(&self, _: Key) -> Result<Option<Team>> {
        not_here()
    }

    async fn groups(&self, _: Option<Name>, _: u32, _: bool) -> Result<Page<Team>> {
        not_here()
    }

    async fn present(&self, _: &[String], _: &[String]) -> Result<Present> {
        not_here()
    }

    async fn holders(&self, _: &[String], _: &[u32]) -> Result<BTreeSet<Change>> {
        not_here()
    }
}

#[cfg(test)]
mod tests;
