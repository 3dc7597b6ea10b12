//! The directory of another node over HTTP: a service with its SQLite file behind the real router, and a consumer whose
//! replica answers. The stories read what they wrote at once, so whoever writes here waits until the replica has it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use identity::Name;
use tokio::time::{Instant, sleep};

use super::Backend;
use crate::config::ProfileService;
use crate::directory::{
    Attempted, Batch, Change, Counts, Credential, Directory, Feed, Identity, Judged, Key, Linked, Member,
    NewToken, Page, Position, Present, Refusal, Result, Rules, Secrets, Sink, Team, Token, TokenHash,
    TokenLookup, TokenName, TokenUse, UserChange,
};
use crate::store::{RemoteDirectory, Replicated};
use crate::testing::{Folder, PATIENCE, ServedNode, TestNode, following, provider};

/// A service of its own.
pub struct Remote(ServedNode);

impl Backend for Remote {
    type Directory = Settled;

    async fn fresh() -> Self {
        let generous = |settings: &mut ProfileService| settings.max_requests_per_second = 100_000;
        Self(ServedNode::start_with(TestNode::start().await, generous).await)
    }

    async fn open(&self) -> Settled {
        let source = RemoteDirectory::new(&provider(&self.0.url("")), "a story's node".into()).unwrap();
        let own = Folder::new();
        let directory = following(source, &own).await;
        let there = self.0.node.directory().position().await.unwrap();
        let settled = Settled(directory, own);
        settled.has(&there).await;
        settled
    }
}

/// A consumer that has what was written through it.
pub struct Settled(
    Arc<Replicated<RemoteDirectory>>,
    #[expect(dead_code, reason = "it goes with the replica")] Folder,
);

impl Settled {
    async fn has(&self, position: &Position) {
        let deadline = Instant::now() + PATIENCE;
        while !self.0.position().await.is_ok_and(|here| here.has_reached(position)) {
            assert!(Instant::now() < deadline, "the replica does not get there");
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn settled(&self, written: Result<Position>) -> Result<Position> {
        let position = written?;
        self.has(&position).await;
        Ok(position)
    }
}

impl Directory for Settled {
    fn describe(&self) -> (&'static str, String) {
        self.0.describe()
    }

    async fn close(&self) {
        self.0.close().await;
    }

    async fn position(&self) -> Result<Position> {
        self.0.position().await
    }

    async fn counts(&self) -> Result<Counts> {
        self.0.counts().await
    }

    async fn user(&self, key: Key) -> Result<Option<Member>> {
        self.0.user(key).await
    }

    async fn users(&self, after: Option<Name>, limit: u32) -> Result<Page<Member>> {
        self.0.users(after, limit).await
    }

    async fn group(&self, key: Key) -> Result<Option<Team>> {
        self.0.group(key).await
    }

    async fn groups(&self, after: Option<Name>, limit: u32, private: bool) -> Result<Page<Team>> {
        self.0.groups(after, limit, private).await
    }

    async fn create(&self, batch: Batch, rules: &Rules, dry_run: bool) -> Result<(Vec<Refusal>, Position)> {
        let (refused, position) = self.0.create(batch, rules, dry_run).await?;
        if !dry_run {
            self.has(&position).await;
        }
        Ok((refused, position))
    }

    async fn update_user(&self, name: Name, change: UserChange, rules: &Rules) -> Result<Position> {
        self.settled(self.0.update_user(name, change, rules).await).await
    }

    async fn delete_user(&self, name: Name, if_revision: Option<u64>) -> Result<Position> {
        self.settled(self.0.delete_user(name, if_revision).await).await
    }

    async fn delete_group(&self, name: Name, if_revision: Option<u64>) -> Result<Position> {
        self.settled(self.0.delete_group(name, if_revision).await).await
    }

    async fn set_members(&self, group: Name, users: Vec<Name>, present: bool) -> Result<Position> {
        self.settled(self.0.set_members(group, users, present).await).await
    }

    async fn credential(&self, name: Name) -> Result<Option<Credential>> {
        self.0.credential(name).await
    }

    async fn authenticate(&self, attempted: Attempted<'_>) -> Result<Option<Judged>> {
        self.0.authenticate(attempted).await
    }

    async fn identities(
        &self,
        owner: Option<Name>,
        after: Option<Identity>,
        limit: u32,
    ) -> Result<Page<Linked>> {
        self.0.identities(owner, after, limit).await
    }

    async fn link(&self, name: Name, identity: Identity) -> Result<Position> {
        self.settled(self.0.link(name, identity).await).await
    }

    async fn unlink(&self, name: Name, identity: Identity) -> Result<Position> {
        self.settled(self.0.unlink(name, identity).await).await
    }

    async fn set_password(&self, name: Name, hash: Option<String>) -> Result<Position> {
        self.settled(self.0.set_password(name, hash).await).await
    }

    async fn upgrade_password(&self, uuid: &str, old: &str, new: &str) -> Result<()> {
        self.0.upgrade_password(uuid, old, new).await
    }

    async fn create_token(&self, token: NewToken) -> Result<Position> {
        self.settled(self.0.create_token(token).await).await
    }

    async fn tokens(
        &self,
        owner: Option<Name>,
        after: Option<(Name, TokenName)>,
        limit: u32,
    ) -> Result<Page<Token>> {
        self.0.tokens(owner, after, limit).await
    }

    async fn secrets(&self, users: &[String], tokens: &[String]) -> Result<Secrets> {
        self.0.secrets(users, tokens).await
    }

    async fn token(&self, hash: &TokenHash) -> Result<TokenLookup> {
        self.0.token(hash).await
    }

    async fn revoke_token(&self, owner: Name, name: TokenName) -> Result<Position> {
        self.settled(self.0.revoke_token(owner, name).await).await
    }

    async fn note_token_uses(&self, uses: &[TokenUse]) -> Result<()> {
        self.0.note_token_uses(uses).await
    }

    async fn changed(&self) {
        self.0.changed().await;
    }

    async fn changes(&self, since: &Position) -> Result<Feed> {
        self.0.changes(since).await
    }

    async fn present(&self, users: &[String], groups: &[String]) -> Result<Present> {
        self.0.present(users, groups).await
    }

    async fn holders(&self, names: &[String], ids: &[u32]) -> Result<BTreeSet<Change>> {
        self.0.holders(names, ids).await
    }

    async fn dump(&self, sink: &mut impl Sink) -> Result<Position> {
        self.0.dump(sink).await
    }
}
