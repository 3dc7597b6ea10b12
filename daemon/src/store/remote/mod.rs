//! The directory of another node, over HTTP: what a [`super::Replicated`] follows and writes through to. Lookups and
//! listings are the replica's; nothing is kept here but where the follower stands.
//!
//! Password hashes never leave the service: it judges passwords itself.

mod client;
mod feed;
mod pody04;
mod refusal;
mod transport;

use std::collections::BTreeSet;
use std::time::Duration;

use identity::Name;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue, IF_MATCH};
use serde::Serialize;

use super::replicated::chance;
use crate::clock::Clock;
use crate::config::Provider;
use crate::directory::{
    Arrival, Arrived, Attempted, Batch, Change, Contact, Counts, Credential, Directory, Error, Feed,
    Identity, Judged, Key, Linked, Member, NewGroup, NewToken, NewUser, Page, Position, Present, Primary,
    Refusal, Reservation, Result, Rules, Secrets, Sink, Team, Token, TokenHash, TokenLookup, TokenName,
    TokenUse, UserChange,
};
use crate::wire::{
    AuthenticateBody, AuthenticateReply, BatchBody, BatchReply, IdentitiesPage, IdentitiesPageReply,
    IdentityBody, KeepToken, LookUpToken, MembersBody, PasswordBody, PositionReply, ProvisionBody,
    ProvisionReply, ReservationReply, ReserveBody, TokenReply, TokenUseBody, TokensPage, TokensPageReply,
    UserChangeBody,
};

pub use pody04::Pody04Directory;

use feed::Stand;
use transport::Transport;

/// Marks the epochs of a service that is asked over plain http.
const IN_THE_OPEN: &str = "_";

/// Requests that have no body.
const NOTHING: Option<&()> = None;

/// Another node's directory.
#[derive(Debug)]
pub struct RemoteDirectory {
    transport: Transport,
    endpoint: String,
    /// Whether nobody on the way can read along or pose as the service.
    is_private: bool,
    stand: Stand,
}

impl RemoteDirectory {
    /// The directory of the service that the settings name. `instance` is what this run of podyd calls itself; nothing is
    /// asked yet.
    pub fn new(provider: &Provider, instance: String) -> Result<Self> {
        let (endpoint, is_private) = (provider.endpoint.to_string(), provider.endpoint.is_private());
        if !is_private {
            tracing::warn!("{}", in_the_open(&endpoint));
        }
        let transport = Transport::new(provider, instance)?;
        Ok(Self { transport, endpoint, is_private, stand: Stand::default() })
    }

    /// Goes on with another token, other certificates and another deadline.
    pub fn renew(&self, provider: &Provider) -> Result<()> {
        self.transport.renew(provider)
    }

    /// Makes sure, before anything secret or any change is sent, that the service is not this node itself.
    async fn meet(&self) -> Result<()> {
        match self.transport.heard().via {
            Some(_) => Ok(()),
            None => self.ask_position().await.map(drop),
        }
    }

    async fn ask_position(&self) -> Result<Position> {
        let reply: PositionReply = self.transport.get(&["position"], &[]).await?;
        understood(reply.at.position()).map(|position| self.seen_from_here(position))
    }

    /// What came over a way on which others can write is another history than what did not: so everything is copied anew when
    /// that changes, and nobody stays an admin by what came before.
    fn seen_from_here(&self, position: Position) -> Position {
        match self.is_private {
            true => position,
            false => Position { epoch: format!("{IN_THE_OPEN}{}", position.epoch), ..position },
        }
    }

    /// The same position as the service knows it; none: it is one of before.
    fn seen_from_there(&self, position: &Position) -> Option<Position> {
        let epoch =
            if self.is_private { &position.epoch } else { position.epoch.strip_prefix(IN_THE_OPEN)? };
        Some(Position { epoch: epoch.to_owned(), ..position.clone() })
    }

    /// Changes something; the position is one at which that is there.
    async fn change(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&(impl Serialize + Sync)>,
        if_revision: Option<u64>,
    ) -> Result<Position> {
        self.meet().await?;
        let mut headers = HeaderMap::new();
        if let Some(revision) = if_revision {
            headers.extend(HeaderValue::try_from(format!("\"{revision}\"")).map(|value| (IF_MATCH, value)));
        }
        self.transport.change(method, path, body, headers).await?;
        self.ask_position().await.map_err(|error| {
            Error::Busy(format!("the change is made, but where that led is not known yet: {error}"))
        })
    }
}

/// What is said once where anybody on the way could read along.
fn in_the_open(endpoint: &str) -> String {
    format!(
        "{endpoint} is plain http: whoever is on the way reads passwords and the token, and may answer instead of the \
         service. Nobody from there is an admin on this node. Use https (docs/guide/remote-profiles.md)"
    )
}

fn a_loop(endpoint: &str) -> Error {
    Error::Failed(format!(
        "a loop: the directory of {endpoint} comes from this node itself; one node must have the directory, and the \
         others take it from there (remote_user_profile.provider.endpoint)"
    ))
}

/// What a service answered that makes no sense: it is not whoever asked here that was wrong.
fn understood<T>(outcome: Result<T>) -> Result<T> {
    outcome.map_err(|error| match error {
        Error::InvalidInput { .. } => {
            Error::Failed(format!("the service answered what no Pody service answers: {error}"))
        }
        error => error,
    })
}

/// The replica answers for these.
fn not_here<T>() -> Result<T> {
    Err(Error::Failed("lookups are the replica's, and not the service's".into()))
}

/// Refuses what could never be served on this node.
fn check_user(rules: &Rules, user: &NewUser) -> Option<String> {
    let gid = match user.primary {
        Primary::Private { gid, .. } => gid,
        Primary::Named(_) => None,
    };
    rules
        .objection_to_user_name(user.name)
        .or_else(|| user.uid.and_then(|uid| rules.objection_to_id_here("uid", uid.0)))
        .or_else(|| gid.and_then(|gid| rules.objection_to_id_here("gid", gid.0)))
}

fn check_group(rules: &Rules, group: &NewGroup) -> Option<String> {
    rules
        .objection_to_group_name(group.name)
        .or_else(|| group.gid.and_then(|gid| rules.objection_to_id_here("gid", gid.0)))
}

/// Takes out of a batch what is this machine's own.
fn sift(batch: &mut Batch, rules: &Rules) -> Vec<Refusal> {
    let mut refused = Vec::new();
    let mut keep = |line: u64, name: Name, objection: Option<String>| match objection {
        Some(objection) => {
            refused.push(Refusal { line, name: name.to_string(), error: Error::Refused(objection) });
            false
        }
        None => true,
    };
    batch.groups.retain(|group| keep(group.line, group.name, check_group(rules, group)));
    batch.users.retain(|user| keep(user.line, user.name, check_user(rules, user)));
    refused
}

impl Directory for RemoteDirectory {
    fn describe(&self) -> (&'static str, String) {
        ("remote", self.endpoint.clone())
    }

    fn contact(&self) -> Option<Contact> {
        let clock_skew = self.transport.heard().clock_skew;
        Some(Contact { clock_skew, ..Contact::default() })
    }

    fn via(&self) -> Vec<String> {
        self.transport.heard().via.unwrap_or_default()
    }

    fn age(&self) -> Option<Duration> {
        self.transport.heard().age
    }

    async fn close(&self) {}

    async fn position(&self) -> Result<Position> {
        let position = match self.stand.announced() {
            Some(position) => position,
            None => self.ask_position().await?,
        };
        self.stand.begins_at(&position);
        Ok(position)
    }

    async fn counts(&self) -> Result<Counts> {
        let reply: PositionReply = self.transport.get(&["position"], &[("counts", "true")]).await?;
        let counts =
            reply.counts.ok_or_else(|| Error::Failed("the service does not say how much it holds".into()))?;
        Ok(counts.into())
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

    async fn create(
        &self,
        mut batch: Batch,
        rules: &Rules,
        dry_run: bool,
    ) -> Result<(Vec<Refusal>, Position)> {
        let all_or_nothing = batch.all_or_nothing;
        let mut refused = sift(&mut batch, rules);
        if all_or_nothing && !refused.is_empty() {
            return Err(refused.swap_remove(0).error);
        }
        self.meet().await?;
        let body = BatchBody::new(batch, dry_run);
        let reply = self.transport.change(Method::POST, &["batch"], Some(&body), HeaderMap::new()).await?;
        let reply: BatchReply =
            serde_json::from_slice(&reply).map_err(|error| refusal::not_understood(&error))?;
        let (theirs, position) = understood(reply.outcome())?;
        refused.extend(theirs);
        refused.sort_by_key(|refusal| refusal.line);
        Ok((refused, self.seen_from_here(position)))
    }

    async fn update_user(&self, name: Name, change: UserChange, rules: &Rules) -> Result<Position> {
        // The private group goes with the user.
        let objection =
            |name| rules.objection_to_user_name(name).or_else(|| rules.objection_to_group_name(name));
        if let Some(objection) = change.name.and_then(objection) {
            return Err(Error::Refused(objection));
        }
        // Nobody has to be asked to change nothing, but whether there is such a user.
        if change == (UserChange { if_revision: change.if_revision, ..UserChange::default() }) {
            let _: serde_json::Value = self.transport.get(&["users", name.as_str()], &[]).await?;
            return self.ask_position().await;
        }
        let body = UserChangeBody::from(&change);
        self.change(Method::PATCH, &["users", name.as_str()], Some(&body), change.if_revision).await
    }

    async fn delete_user(&self, name: Name, if_revision: Option<u64>) -> Result<Position> {
        self.change(Method::DELETE, &["users", name.as_str()], NOTHING, if_revision).await
    }

    async fn delete_group(&self, name: Name, if_revision: Option<u64>) -> Result<Position> {
        self.change(Method::DELETE, &["groups", name.as_str()], NOTHING, if_revision).await
    }

    async fn set_members(&self, group: Name, users: Vec<Name>, present: bool) -> Result<Position> {
        let body = MembersBody { users: users.iter().map(Name::to_string).collect(), present };
        self.change(Method::POST, &["groups", group.as_str(), "members"], Some(&body), None).await
    }

    async fn credential(&self, _: Name) -> Result<Option<Credential>> {
        Err(Error::Refused(format!(
            "password hashes stay at the service: ask for them on the node of {}",
            self.endpoint
        )))
    }

    async fn authenticate(
        &self,
        Attempted { name, password, rhost }: Attempted<'_>,
    ) -> Result<Option<Judged>> {
        self.meet().await?;
        let body = AuthenticateBody { password: password.to_owned(), rhost: rhost.map(str::to_owned) };
        let path = ["users", name.as_str(), "authenticate"];
        let reply: AuthenticateReply = self.transport.ask(Method::POST, &path, Some(&body)).await?;
        Ok(Some(reply.into()))
    }

    async fn reserve(&self, name: Name, rules: &Rules, until: i64) -> Result<Reservation> {
        if let Some(objection) = rules.objection_to_user_name(name) {
            return Err(Error::Refused(objection));
        }
        self.meet().await?;
        let seconds = u32::try_from(until - Clock::System.unix_seconds()).unwrap_or_default();
        let body = ReserveBody { name: name.to_string(), seconds };
        let reply: ReservationReply =
            self.transport.ask(Method::POST, &["reservations"], Some(&body)).await?;
        let kept = understood(reply.reservation(Clock::System.unix_seconds()))?;
        // What is not served here must not be shown here, either.
        match rules.objection_to_user(kept.name, kept.uid, kept.gid) {
            Some(objection) => Err(Error::Refused(objection)),
            None => Ok(kept),
        }
    }

    async fn release(&self, uuid: &str) -> Result<()> {
        self.transport
            .change(Method::DELETE, &["reservations", uuid], NOTHING, HeaderMap::new())
            .await
            .map(drop)
    }

    async fn arrive(&self, arrival: Arrival, rules: &Rules) -> Result<(Arrived, Position)> {
        if let Some(objection) = rules.objection_to_user_name(arrival.asked) {
            return Err(Error::Refused(objection));
        }
        self.meet().await?;
        let body = ProvisionBody::from(&arrival);
        let reply: ProvisionReply = self.transport.ask(Method::POST, &["provision"], Some(&body)).await?;
        understood(reply.arrived())
    }

    async fn identities(
        &self,
        owner: Option<Name>,
        after: Option<Identity>,
        limit: u32,
    ) -> Result<Page<Linked>> {
        let after = after.map(|after| (after.issuer().to_owned(), after.subject().to_owned()));
        let body = IdentitiesPage { owner: owner.map(|owner| owner.to_string()), after, limit };
        let reply: IdentitiesPageReply =
            self.transport.ask(Method::POST, &["identities", "page"], Some(&body)).await?;
        understood(reply.page())
    }

    async fn link(&self, name: Name, identity: Identity) -> Result<Position> {
        let body = IdentityBody::new(&identity, true);
        self.change(Method::POST, &["users", name.as_str(), "identities"], Some(&body), None).await
    }

    async fn unlink(&self, name: Name, identity: Identity) -> Result<Position> {
        let body = IdentityBody::new(&identity, false);
        self.change(Method::POST, &["users", name.as_str(), "identities"], Some(&body), None).await
    }

    async fn set_password(&self, name: Name, hash: Option<String>) -> Result<Position> {
        let path = ["users", name.as_str(), "password"];
        match hash {
            Some(hash) => {
                let body = PasswordBody { old: None, password: None, password_hash: Some(hash) };
                self.change(Method::PUT, &path, Some(&body), None).await
            }
            None => self.change(Method::DELETE, &path, NOTHING, None).await,
        }
    }

    async fn set_own_password(&self, name: Name, old: &str, hash: String) -> Result<Position> {
        let body = PasswordBody { old: Some(old.to_owned()), password: None, password_hash: Some(hash) };
        self.change(Method::PUT, &["users", name.as_str(), "password"], Some(&body), None).await
    }

    async fn upgrade_password(&self, _: &str, _: &str, _: &str) -> Result<()> {
        // The service sees the password, too, and does so itself.
        Ok(())
    }

    async fn create_token(&self, token: NewToken) -> Result<Position> {
        let body = KeepToken::from(&token);
        let path = ["tokens", token.owner.as_str(), token.name.as_str()];
        self.change(Method::PUT, &path, Some(&body), None).await
    }

    async fn tokens(
        &self,
        owner: Option<Name>,
        after: Option<(Name, TokenName)>,
        limit: u32,
    ) -> Result<Page<Token>> {
        let after = after.map(|(owner, name)| (owner.to_string(), name.to_string()));
        let body = TokensPage { owner: owner.map(|owner| owner.to_string()), after, limit };
        let reply: TokensPageReply =
            self.transport.ask(Method::POST, &["tokens", "page"], Some(&body)).await?;
        understood(reply.page())
    }

    async fn secrets(&self, _: &[String], _: &[String]) -> Result<Secrets> {
        Err(Error::Refused("password hashes and tokens stay at the service".into()))
    }

    async fn token(&self, hash: &TokenHash) -> Result<TokenLookup> {
        self.meet().await?;
        let body = LookUpToken { sha256: hash.to_string() };
        let reply: TokenReply = self.transport.ask(Method::POST, &["tokens", "lookup"], Some(&body)).await?;
        understood(reply.lookup())
    }

    async fn revoke_token(&self, owner: Name, name: TokenName) -> Result<Position> {
        self.change(Method::DELETE, &["tokens", owner.as_str(), name.as_str()], NOTHING, None).await
    }

    async fn note_token_uses(&self, uses: &[TokenUse]) -> Result<()> {
        let body: Vec<_> = uses.iter().map(TokenUseBody::from).collect();
        self.transport
            .change(Method::POST, &["tokens", "uses"], Some(&body), HeaderMap::new())
            .await
            .map(drop)
    }

    async fn changed(&self) {
        self.wait_for_news().await;
    }

    async fn changes(&self, since: &Position) -> Result<Feed> {
        understood(self.read_feed(since).await)
    }

    async fn present(&self, _: &[String], _: &[String]) -> Result<Present> {
        not_here()
    }

    async fn holders(&self, _: &[String], _: &[u32]) -> Result<BTreeSet<Change>> {
        not_here()
    }

    async fn dump(&self, sink: &mut impl Sink) -> Result<Position> {
        understood(self.read_all(sink).await)
    }
}

#[cfg(test)]
mod tests;
