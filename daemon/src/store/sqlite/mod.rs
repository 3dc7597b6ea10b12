//! The embedded directory: one SQLite file in the state directory. Nothing to install, nothing to reach.
//!
//! Readers see the last commit while a writer works (WAL); writers queue for one connection, so that a
//! transaction never fails for another's sake.

mod feed;
mod read;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use identity::Name;
use sqlx::Connection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::rows::database;
use crate::directory::{
    Batch, Change, Counts, Credential, Directory, Error, Feed, Key, Member, Page, Position, Present, Refusal,
    Result, Rules, Sink, Team, UserChange,
};

/// Readers at once. Reads are short and come from people's commands; logins add one each.
const READERS: u32 = 4;

/// How long an operation waits for a connection before it says that the database is too busy.
const ACQUIRE_DEADLINE: Duration = Duration::from_secs(10);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// The directory in a file.
#[derive(Debug)]
pub struct SqliteDirectory {
    path: PathBuf,
    readers: SqlitePool,
    writer: SqlitePool,
}

impl SqliteDirectory {
    /// Opens the file, making it and bringing its schema up to date if need be.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = connect_options(path);
        let writer = pool(1, ACQUIRE_DEADLINE)
            .connect_with(options.clone())
            .await
            .map_err(|error| cannot_open(path, &error))?;
        MIGRATIONS.run(&writer).await.map_err(|error| cannot_open(path, &error))?;
        let readers = pool(READERS, ACQUIRE_DEADLINE)
            .connect_with(options)
            .await
            .map_err(|error| cannot_open(path, &error))?;
        Ok(Self { path: path.to_owned(), readers, writer })
    }

    /// Waits for running transactions and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// How every SQLite file of podyd is opened: durable at each commit, readable while written.
pub(super) fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
}

/// Connections to one file. SQLite ends a transaction by itself when the disk is full or broken; sqlx then takes the
/// connection to be inside of it for ever. Such a connection is closed, and the next caller gets a new one.
pub(super) fn pool(size: u32, acquire_deadline: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(size).acquire_timeout(acquire_deadline).after_release(
        |connection, _| {
            Box::pin(async move {
                // A rollback may be on its way to the connection's thread.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        },
    )
}

fn cannot_open(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Away(format!("{}: {error}", path.display()))
}

impl Directory for SqliteDirectory {
    fn describe(&self) -> (&'static str, String) {
        ("local", self.path.display().to_string())
    }

    async fn position(&self) -> Result<Position> {
        let mut connection = self.readers.acquire().await.map_err(database)?;
        read::position(&mut connection).await
    }

    async fn counts(&self) -> Result<Counts> {
        let mut connection = self.readers.acquire().await.map_err(database)?;
        read::counts(&mut connection).await
    }

    async fn user(&self, key: Key) -> Result<Option<Member>> {
        let mut connection = self.readers.acquire().await.map_err(database)?;
        read::user(&mut connection, key).await
    }

    async fn users(&self, after: Option<Name>, limit: u32) -> Result<Page<Member>> {
        let mut connection = self.readers.acquire().await.map_err(database)?;
        read::users(&mut connection, after, limit).await
    }

    async fn group(&self, key: Key) -> Result<Option<Team>> {
        let mut transaction = self.readers.begin().await.map_err(database)?;
        read::group(&mut transaction, key).await
    }

    async fn groups(&self, after: Option<Name>, limit: u32, private: bool) -> Result<Page<Team>> {
        let mut connection = self.readers.acquire().await.map_err(database)?;
        read::groups(&mut connection, after, limit, private).await
    }

    async fn create(&self, batch: Batch, rules: &Rules, dry_run: bool) -> Result<(Vec<Refusal>, Position)> {
        let mut transaction = self.begin().await?;
        let (refused, taken) = write::create(&mut transaction, batch, rules).await?;
        let position = read::position(&mut transaction).await?;
        if dry_run || !taken {
            transaction.rollback().await.map_err(database)?;
        } else {
            transaction.commit().await.map_err(unknown_outcome)?;
        }
        Ok((refused, position))
    }

    async fn update_user(&self, name: Name, change: UserChange, rules: &Rules) -> Result<Position> {
        let mut transaction = self.begin().await?;
        write::update_user(&mut transaction, name, change, rules).await?;
        finish(transaction).await
    }

    async fn delete_user(&self, name: Name) -> Result<Position> {
        let mut transaction = self.begin().await?;
        write::delete_user(&mut transaction, name).await?;
        finish(transaction).await
    }

    async fn delete_group(&self, name: Name) -> Result<Position> {
        let mut transaction = self.begin().await?;
        write::delete_group(&mut transaction, name).await?;
        finish(transaction).await
    }

    async fn set_members(&self, group: Name, users: Vec<Name>, present: bool) -> Result<Position> {
        let mut transaction = self.begin().await?;
        write::set_members(&mut transaction, group, &users, present).await?;
        finish(transaction).await
    }

    async fn credential(&self, name: Name) -> Result<Option<Credential>> {
        let mut connection = self.readers.acquire().await.map_err(database)?;
        read::credential(&mut connection, name).await
    }

    async fn set_password(&self, name: Name, hash: Option<String>) -> Result<Position> {
        let mut transaction = self.begin().await?;
        write::set_password(&mut transaction, name, hash).await?;
        finish(transaction).await
    }

    async fn upgrade_password(&self, uuid: &str, old: &str, new: &str) -> Result<()> {
        let mut transaction = self.begin().await?;
        write::upgrade_password(&mut transaction, uuid, old, new).await?;
        transaction.commit().await.map_err(unknown_outcome)
    }

    async fn changes(&self, since: &Position) -> Result<Feed> {
        let mut transaction = self.readers.begin().await.map_err(database)?;
        feed::changes(&mut transaction, since).await
    }

    async fn present(&self, users: &[String], groups: &[String]) -> Result<Present> {
        let mut transaction = self.readers.begin().await.map_err(database)?;
        feed::present(&mut transaction, users, groups).await
    }

    async fn holders(&self, names: &[String], ids: &[u32]) -> Result<BTreeSet<Change>> {
        let mut transaction = self.readers.begin().await.map_err(database)?;
        feed::holders(&mut transaction, names, ids).await
    }

    async fn dump(&self, sink: &mut dyn Sink) -> Result<Position> {
        let mut transaction = self.readers.begin().await.map_err(database)?;
        feed::dump(&mut transaction, sink).await
    }
}

impl SqliteDirectory {
    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(database)
    }
}

async fn finish(mut transaction: sqlx::Transaction<'_, sqlx::Sqlite>) -> Result<Position> {
    let position = read::position(&mut transaction).await?;
    transaction.commit().await.map_err(unknown_outcome)?;
    Ok(position)
}

/// A commit that fails may or may not have happened; whoever is told so must look.
fn unknown_outcome(error: sqlx::Error) -> Error {
    Error::Failed(format!("the change could not be confirmed, look before repeating it: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_sqlite_ended_by_itself_spoils_nothing_after_it() {
        let folder = Folder::new();
        let directory = SqliteDirectory::open(&folder.join("directory.sqlite")).await.unwrap();
        let mut transaction = directory.begin().await.unwrap();
        // As a full disk does, behind sqlx's back.
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
        assert!(transaction.commit().await.is_err());
        for _ in 0..3 {
            directory.begin().await.unwrap().commit().await.unwrap();
        }
    }
}
