//! What belongs to this machine and never travels: failed logins, passwords that were right here, what was taken from
//! its htpasswd file, sessions that are open, answers that may have been lost on their way, and what
//! users may use here.
//!
//! None of it is worth more than that people can log in: a file that is damaged is set aside, and one that cannot be
//! written holds nobody up.

mod answers;
mod current_copy;
mod failures;
mod homes;
mod htpasswd;
mod pody04;
mod policies;
mod refresh_tokens;
mod relogin;
mod remembered;
mod sessions;
mod vault;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{ConnectOptions, Connection};

pub use answers::{Answer, Digest};
pub use failures::Failures;
pub use homes::Home;
pub use htpasswd::Taken;
pub use policies::{Held, PolicyOwner, Statement};
pub use refresh_tokens::RefreshToken;
pub use relogin::ReloginCode;
pub use remembered::Remembered;
pub use sessions::Session;
pub use vault::Vault;

use super::sql::{sqlite_options, sqlite_pool};
use crate::clock::day_of;
use crate::directory::{Error, Result};
use failures::Counted;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/node");

/// How long a login waits for this file.
const ACQUIRE_DEADLINE: Duration = Duration::from_secs(5);

/// SQLITE_CORRUPT and SQLITE_NOTADB (<https://sqlite.org/rescode.html>).
const DAMAGED: [i32; 2] = [11, 26];

/// This node's own file, and what is known of it without asking it.
#[derive(Clone, Debug)]
pub struct NodeStore {
    pool: SqlitePool,
    counted: Arc<Mutex<Counted>>,
    /// One writes at a time, so that a record never replaces a later one.
    writing: Arc<tokio::sync::Mutex<()>>,
    set_aside: Option<PathBuf>,
}

impl NodeStore {
    /// Opens the file, making it if need be. One that is damaged is kept under another name, and a new one begun:
    /// what it knew of failed logins is little beside nobody being able to log in.
    pub async fn open(path: &Path, now: i64) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Error::Away(format!("{}: {error}", path.display()));
        match Self::open_sound(path).await {
            Err(error) if is_damage(&error) => {
                let aside = set_aside(path, now).map_err(|error| failed(&error))?;
                let store = Self::open_sound(path).await.map_err(|error| failed(&error))?;
                let store = Self { set_aside: Some(aside), ..store };
                store.warnings().iter().for_each(|warning| tracing::error!(%error, "{warning}"));
                Ok(store)
            }
            opened => opened.map_err(|error| failed(&error)),
        }
    }

    /// When this fails, nobody has the file open any more: SQLite removes a log by its name, and another's may have it.
    async fn open_sound(path: &Path) -> sqlx::Result<Self> {
        if path.exists() {
            check(path).await?;
        }
        let pool =
            sqlite_pool(1).acquire_timeout(ACQUIRE_DEADLINE).connect_with(sqlite_options(path)).await?;
        let counted = async {
            MIGRATIONS.run(&pool).await.map_err(database_error)?;
            Counted::load(&pool).await
        };
        match counted.await {
            Ok(counted) => Ok(Self {
                pool,
                counted: Arc::new(Mutex::new(counted)),
                writing: Arc::default(),
                set_aside: None,
            }),
            Err(error) => {
                pool.close().await;
                Err(error)
            }
        }
    }

    /// What an admin should know.
    pub fn warnings(&self) -> Vec<String> {
        let set_aside = self.set_aside.as_ref().map(|aside| {
            format!(
                "node.sqlite was damaged and is kept as {}; failed logins are counted anew. Look after the disk",
                aside.display()
            )
        });
        let trouble = self.counted().trouble.as_ref().map(|error| {
            format!(
                "node.sqlite cannot be written; wrong passwords are counted in memory until it can: {error}"
            )
        });
        set_aside.into_iter().chain(trouble).collect()
    }

    /// Writes what is not written yet, and closes the file.
    pub async fn close(&self) {
        self.write_all().await;
        self.pool.close().await;
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads every page: damage is found now, and not by a login.
async fn check(path: &Path) -> sqlx::Result<()> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
    let found: sqlx::Result<String> =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
    connection.close().await?;
    match found?.as_str() {
        "ok" => Ok(()),
        damage => Err(sqlx::Error::Protocol(damage.to_owned())),
    }
}

/// The database's own error, where a migration failed for it.
fn database_error(error: MigrateError) -> sqlx::Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error,
        error => sqlx::Error::Migrate(Box::new(error)),
    }
}

fn is_damage(error: &sqlx::Error) -> bool {
    // What quick_check found, and a row that nobody here wrote.
    if matches!(error, sqlx::Error::Protocol(_) | sqlx::Error::ColumnDecode { .. }) {
        return true;
    }
    let code =
        error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
    // The low byte is the primary code.
    code.is_some_and(|code| DAMAGED.contains(&(code & 0xff)))
}

/// Renames the file and its log, which belongs to it; the index of the log is made anew by whoever opens them.
fn set_aside(path: &Path, now: i64) -> io::Result<PathBuf> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let second = now.rem_euclid(24 * 60 * 60);
    let time = format!("{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60);
    let aside = format!(".damaged-{}T{time}", day_of(now));
    for suffix in ["-wal", "-shm", ""] {
        match fs::rename(beside(suffix), beside(&format!("{aside}{suffix}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(beside(&aside))
}

#[cfg(test)]
mod tests;
