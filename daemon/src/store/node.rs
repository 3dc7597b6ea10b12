//! What belongs to this machine and never travels: failed logins, so far.

use std::path::Path;
use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use super::sql::database_error as database;
use super::sql::{sqlite_options, sqlite_pool};
use crate::directory::{Error, Result};
use crate::limits::MAX_LOCKOUT_RECORDS;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/node");

/// How long a login waits for this file.
const ACQUIRE_DEADLINE: Duration = Duration::from_secs(5);

/// This node's own file.
#[derive(Clone, Debug)]
pub struct NodeStore {
    pool: SqlitePool,
}

/// Failed logins of one subject, as the file has them; what they mean is decided elsewhere. Times are seconds
/// since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures {
    /// Whose: `user:ada`, `source:192.0.2.7`, `local`.
    pub subject: String,
    /// How many in a row.
    pub failures: u32,
    /// When the last one was.
    pub last_failure: i64,
    /// Until when no attempt is allowed, if so.
    pub locked_until: Option<i64>,
}

impl NodeStore {
    /// Opens the file, making it if need be.
    pub async fn open(path: &Path) -> Result<Self> {
        let away = |error: &dyn std::fmt::Display| Error::Away(format!("{}: {error}", path.display()));
        let pool = sqlite_pool(1)
            .acquire_timeout(ACQUIRE_DEADLINE)
            .connect_with(sqlite_options(path))
            .await
            .map_err(|error| away(&error))?;
        MIGRATIONS.run(&pool).await.map_err(|error| away(&error))?;
        Ok(Self { pool })
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The records of these subjects, in their order.
    pub async fn failures(&self, subjects: &[String]) -> Result<Vec<Option<Failures>>> {
        let mut connection = self.pool.acquire().await.map_err(database)?;
        load(&mut connection, subjects).await
    }

    /// Loads the records again and writes those that `decide` returns, with nobody in between.
    pub async fn settle<T: Send>(
        &self,
        subjects: &[String],
        decide: impl FnOnce(Vec<Option<Failures>>) -> (Vec<Failures>, T) + Send,
    ) -> Result<T> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(database)?;
        let (write, outcome) = decide(load(&mut transaction, subjects).await?);
        for record in &write {
            sqlx::query("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)")
                .bind(&record.subject)
                .bind(record.failures)
                .bind(record.last_failure)
                .bind(record.locked_until)
                .execute(&mut *transaction)
                .await
                .map_err(database)?;
        }
        transaction.commit().await.map_err(database)?;
        Ok(outcome)
    }

    /// Forgets records whose last failure is not later than `forgotten`, and the oldest beyond the limit.
    pub async fn forget_failures(&self, forgotten: i64) -> Result<()> {
        sqlx::query(
            "DELETE FROM failures WHERE last_failure <= ?1 OR subject IN \
             (SELECT subject FROM failures ORDER BY last_failure DESC LIMIT -1 OFFSET ?2)",
        )
        .bind(forgotten)
        .bind(MAX_LOCKOUT_RECORDS as i64)
        .execute(&self.pool)
        .await
        .map_err(database)?;
        Ok(())
    }

    /// Starts a subject afresh, as when an admin unlocks a user.
    pub async fn clear_failures(&self, subject: &str) -> Result<()> {
        sqlx::query("DELETE FROM failures WHERE subject = ?")
            .bind(subject)
            .execute(&self.pool)
            .await
            .map_err(database)?;
        Ok(())
    }
}

async fn load(connection: &mut SqliteConnection, subjects: &[String]) -> Result<Vec<Option<Failures>>> {
    let mut records = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let row: Option<(u32, i64, Option<i64>)> =
            sqlx::query_as("SELECT failures, last_failure, locked_until FROM failures WHERE subject = ?")
                .bind(subject)
                .fetch_optional(&mut *connection)
                .await
                .map_err(database)?;
        records.push(row.map(|(failures, last_failure, locked_until)| Failures {
            subject: subject.clone(),
            failures,
            last_failure,
            locked_until,
        }));
    }
    Ok(records)
}
