//! The directory in a SQL database: one implementation for all of them. `dialect.rs` knows what they say differently,
//! `session.rs` how each is spoken to, `database.rs` how each is opened; the rest is written once.

mod arrive;
mod change;
mod copy;
mod create;
mod database;
mod dialect;
mod error;
mod feed;
mod identity;
#[cfg(feature = "backend-libsql")]
mod libsql;
#[cfg(feature = "backend-postgres")]
mod listener;
mod read;
mod replica;
mod reservation;
mod rows;
mod schema;
mod secrets;
mod session;
mod token;
mod user_count;
mod value;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::identity::Name;
use tokio::time::Instant;

pub use copy::{Copied, Progress};
pub(super) use database::{sqlite_options, sqlite_pool};
pub(super) use error::database as database_error;
pub(super) use replica::{Loader, tokens};
pub use schema::{Migrated, Schema};
pub(super) use secrets::copy as copy_secrets;

use database::Database;
use session::{Purpose, Session};
use user_count::UserCount;

use crate::config::Backend;
use crate::directory::{
    Arrival, Arrived, Batch, Change, Counts, Credential, Directory, Error, Feed, Identity, Key, Linked,
    Member, NewToken, Page, Position, Present, Refusal, Reservation, Result, Rules, Secrets, Sink, Team,
    Token, TokenHash, TokenLookup, TokenName, TokenUse, UserChange,
};
use crate::limits::SCHEMA_LOOK;

/// The directory in a database. Other nodes may change its tables: those that do not fit are used for nothing.
#[derive(Debug)]
pub struct SqlDirectory {
    database: Database,
    /// When the tables were last seen to fit.
    fitted: Mutex<Option<Instant>>,
    user_count: UserCount,
}

impl SqlDirectory {
    /// The directory in a file of this node's own, which is made if it is not there.
    pub async fn sqlite(path: &Path) -> Result<Self> {
        Ok(Self::of(Database::sqlite(path).await?))
    }

    /// A directory that nodes share on a PostgreSQL server.
    #[cfg(feature = "backend-postgres")]
    pub fn postgres(url: &str, max_connections: u32) -> Result<Self> {
        Ok(Self::of(Database::postgres(url, max_connections)?))
    }

    /// A directory that nodes share on a MySQL or MariaDB server.
    #[cfg(feature = "backend-mysql")]
    pub fn mysql(url: &str, max_connections: u32) -> Result<Self> {
        Ok(Self::of(Database::mysql(url, max_connections)?))
    }

    /// A directory that nodes share on a libSQL server, which is looked at for changes this often, if at all.
    #[cfg(feature = "backend-libsql")]
    pub fn libsql(
        endpoint: &super::hrana::Endpoint,
        sync_interval: Option<std::time::Duration>,
    ) -> Result<Self> {
        Ok(Self::of(Database::Libsql(libsql::Libsql::new(endpoint, sync_interval)?)))
    }

    /// This node's replica of a shared directory, for its own eyes alone. A file that is damaged is set aside, and made anew.
    pub async fn replica(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| Error::Failed(format!("{}: {error}", path.display()));
        match std::fs::symlink_metadata(path) {
            Ok(status) if !status.is_file() => {
                return Err(Error::Failed(format!("{} is no ordinary file: remove it", path.display())));
            }
            Ok(_) => {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?
            }
            Err(_) => {}
        }
        match Self::sqlite(path).await {
            Err(error)
                if ["not a database", "malformed"].iter().any(|words| error.to_string().contains(words)) =>
            {
                tracing::warn!(path = %path.display(), %error, "the copy of the shared directory is set aside and made anew");
                for suffix in ["-wal", "-shm", ""] {
                    let beside = |end: &str| format!("{}{end}{suffix}", path.display());
                    match std::fs::rename(beside(""), beside(".damaged")) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(failed(error));
                        }
                        _ => {}
                    }
                }
                Self::sqlite(path).await
            }
            opened => opened,
        }
    }

    /// The directory that nodes share in a database. Nothing is connected yet.
    pub fn shared(backend: &Backend) -> Result<Self> {
        match backend {
            #[cfg(feature = "backend-postgres")]
            Backend::Postgres(shared) => Self::postgres(shared.url.expose(), shared.max_connections),
            #[cfg(feature = "backend-mysql")]
            Backend::Mysql(shared) => Self::mysql(shared.url.expose(), shared.max_connections),
            #[cfg(feature = "backend-libsql")]
            Backend::Libsql(shared) => {
                let auth_token = shared.auth_token.as_ref().map(|token| token.expose().to_owned().into());
                let endpoint = super::hrana::Endpoint { url: shared.url.expose().to_owned(), auth_token };
                Self::libsql(&endpoint, shared.sync_interval)
            }
            _ => Err(Error::Failed("this podyd was built without this kind of database".into())),
        }
    }

    fn of(database: Database) -> Self {
        Self { database, fitted: Mutex::default(), user_count: UserCount::default() }
    }

    /// Makes the tables, or brings them up to date; says what was done. Several nodes may do so at once.
    pub async fn migrate(&self) -> Result<Migrated> {
        self.database.migrate().await
    }

    /// What the tables are to this podyd.
    pub async fn schema(&self) -> Result<Schema> {
        self.database.schema().await
    }

    /// Seconds since 1970 by the clock of the database's machine; none: that is this one.
    pub async fn server_seconds(&self) -> Result<Option<i64>> {
        if matches!(self.database, Database::Sqlite { .. }) {
            return Ok(None);
        }
        let mut session = self.read().await?;
        let seconds = read::unix_seconds(&mut session).await;
        session.finish(seconds).await.map(Some)
    }

    async fn read(&self) -> Result<Session> {
        self.begin(Purpose::Read).await
    }

    async fn write(&self) -> Result<Session> {
        self.begin(Purpose::Write).await
    }

    /// Begins something in tables that fit, which is looked at once in a while.
    async fn begin(&self, purpose: Purpose) -> Result<Session> {
        let is_fresh = self.fitted().is_some_and(|then| then.elapsed() < SCHEMA_LOOK);
        if !is_fresh {
            let schema = self.database.schema().await?;
            *self.fitted() = (schema.check().is_ok()).then(Instant::now);
            schema.check()?;
        }
        self.database.begin(purpose).await
    }

    fn fitted(&self) -> MutexGuard<'_, Option<Instant>> {
        self.fitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory for SqlDirectory {
    fn describe(&self) -> (&'static str, String) {
        self.database.describe()
    }

    async fn close(&self) {
        self.database.close().await;
    }

    async fn position(&self) -> Result<Position> {
        let mut session = self.read().await?;
        let found = read::position(&mut session).await;
        session.finish(found).await
    }

    async fn counts(&self) -> Result<Counts> {
        let mut session = self.read().await?;
        let found = read::counts(&mut session).await;
        session.finish(found).await
    }

    async fn user(&self, key: Key) -> Result<Option<Member>> {
        let mut session = self.read().await?;
        let found = read::user(&mut session, key).await;
        session.finish(found).await
    }

    async fn users(&self, after: Option<Name>, limit: u32) -> Result<Page<Member>> {
        let mut session = self.read().await?;
        let found = read::users(&mut session, after, limit).await;
        session.finish(found).await
    }

    async fn group(&self, key: Key) -> Result<Option<Team>> {
        let mut session = self.read().await?;
        let found = read::group(&mut session, key).await;
        session.finish(found).await
    }

    async fn groups(&self, after: Option<Name>, limit: u32, private: bool) -> Result<Page<Team>> {
        let mut session = self.read().await?;
        let found = read::groups(&mut session, after, limit, private).await;
        session.finish(found).await
    }

    async fn create(&self, batch: Batch, rules: &Rules, dry_run: bool) -> Result<(Vec<Refusal>, Position)> {
        let mut session = self.write().await?;
        let outcome = create::create(&mut session, batch, rules, &self.user_count).await;
        let (refused, taken) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return session.finish(Err(error)).await,
        };
        let position = read::position(&mut session).await;
        if dry_run || !taken {
            session.roll_back().await;
            return Ok((refused, position?));
        }
        Ok((refused, session.finish(position).await?))
    }

    async fn update_user(&self, name: Name, change: UserChange, rules: &Rules) -> Result<Position> {
        let mut session = self.write().await?;
        let changed = change::update_user(&mut session, name, change, rules).await;
        finish(session, changed).await
    }

    async fn delete_user(&self, name: Name, if_revision: Option<u64>) -> Result<Position> {
        let mut session = self.write().await?;
        let changed = change::delete_user(&mut session, name, if_revision).await;
        finish(session, changed).await
    }

    async fn delete_group(&self, name: Name, if_revision: Option<u64>) -> Result<Position> {
        let mut session = self.write().await?;
        let changed = change::delete_group(&mut session, name, if_revision).await;
        finish(session, changed).await
    }

    async fn set_members(&self, group: Name, users: Vec<Name>, present: bool) -> Result<Position> {
        let mut session = self.write().await?;
        let changed = change::set_members(&mut session, group, &users, present).await;
        finish(session, changed).await
    }

    async fn reserve(&self, name: Name, rules: &Rules, until: i64) -> Result<Reservation> {
        let mut session = self.write().await?;
        let reserved = reservation::reserve(&mut session, name, rules, &self.user_count, until).await;
        session.finish(reserved).await
    }

    async fn release(&self, uuid: &str) -> Result<()> {
        let mut session = self.write().await?;
        let released = reservation::release(&mut session, uuid).await;
        session.finish(released).await
    }

    async fn arrive(&self, arrival: Arrival, rules: &Rules) -> Result<(Arrived, Position)> {
        let mut session = self.write().await?;
        let outcome = match arrive::arrive(&mut session, &arrival, rules, &self.user_count).await {
            Ok(arrived) => read::position(&mut session).await.map(|position| (arrived, position)),
            Err(error) => Err(error),
        };
        session.finish(outcome).await
    }

    async fn identities(
        &self,
        owner: Option<Name>,
        after: Option<Identity>,
        limit: u32,
    ) -> Result<Page<Linked>> {
        let mut session = self.read().await?;
        let found = identity::list(&mut session, owner, after.as_ref(), limit).await;
        session.finish(found).await
    }

    async fn link(&self, name: Name, identity: Identity) -> Result<Position> {
        let mut session = self.write().await?;
        let linked = identity::link(&mut session, name, &identity).await;
        finish(session, linked).await
    }

    async fn unlink(&self, name: Name, identity: Identity) -> Result<Position> {
        let mut session = self.write().await?;
        let unlinked = identity::unlink(&mut session, name, &identity).await;
        finish(session, unlinked).await
    }

    async fn credential(&self, name: Name) -> Result<Option<Credential>> {
        let mut session = self.read().await?;
        let found = read::credential(&mut session, name).await;
        session.finish(found).await
    }

    async fn set_password(&self, name: Name, hash: Option<String>) -> Result<Position> {
        let mut session = self.write().await?;
        let changed = change::set_password(&mut session, name, hash).await;
        finish(session, changed).await
    }

    async fn upgrade_password(&self, uuid: &str, old: &str, new: &str) -> Result<()> {
        let mut session = self.write().await?;
        let changed = change::upgrade_password(&mut session, uuid, old, new).await;
        session.finish(changed).await
    }

    async fn create_token(&self, new: NewToken) -> Result<Position> {
        let mut session = self.write().await?;
        let changed = token::create(&mut session, new).await;
        finish(session, changed).await
    }

    async fn tokens(
        &self,
        owner: Option<Name>,
        after: Option<(Name, TokenName)>,
        limit: u32,
    ) -> Result<Page<Token>> {
        let mut session = self.read().await?;
        let found = token::list(&mut session, owner, after, limit).await;
        session.finish(found).await
    }

    async fn secrets(&self, users: &[String], tokens: &[String]) -> Result<Secrets> {
        let mut session = self.read().await?;
        let secrets = secrets::read(&mut session, users, tokens).await;
        session.finish(secrets).await
    }

    async fn token(&self, hash: &TokenHash) -> Result<TokenLookup> {
        let mut session = self.read().await?;
        let found = token::look_up(&mut session, hash).await;
        session.finish(found).await
    }

    async fn revoke_token(&self, owner: Name, name: TokenName) -> Result<Position> {
        let mut session = self.write().await?;
        let changed = token::revoke(&mut session, owner, &name).await;
        finish(session, changed).await
    }

    async fn note_token_uses(&self, uses: &[TokenUse]) -> Result<()> {
        let mut session = self.write().await?;
        let noted = token::note_uses(&mut session, uses).await;
        session.finish(noted).await
    }

    async fn changed(&self) {
        self.database.changed().await;
    }

    async fn changes(&self, since: &Position) -> Result<Feed> {
        let mut session = self.read().await?;
        let feed = feed::changes(&mut session, since).await;
        session.finish(feed).await
    }

    async fn present(&self, users: &[String], groups: &[String]) -> Result<Present> {
        let mut session = self.read().await?;
        let present = feed::present(&mut session, users, groups).await;
        session.finish(present).await
    }

    async fn holders(&self, names: &[String], ids: &[u32]) -> Result<BTreeSet<Change>> {
        let mut session = self.read().await?;
        let found = feed::holders(&mut session, names, ids).await;
        session.finish(found).await
    }

    async fn dump(&self, sink: &mut impl Sink) -> Result<Position> {
        let mut session = self.read().await?;
        let position = feed::dump(&mut session, sink).await;
        session.finish(position).await
    }
}

/// Ends a change with the position that it led to.
async fn finish(mut session: Session, changed: Result<()>) -> Result<Position> {
    let position = match changed {
        Ok(()) => read::position(&mut session).await,
        Err(error) => Err(error),
    };
    session.finish(position).await
}

#[cfg(test)]
mod tests;
