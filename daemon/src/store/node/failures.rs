//! Failed logins: counted in memory, and written down before anybody is told of them, so that a restart is no way
//! around a lockout. What they mean is decided elsewhere.
//!
//! Memory comes first: while the disk is full, wrong passwords count all the same.

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::SqlitePool;
use tokio::time::{Duration, Instant};

use super::NodeStore;
use crate::limits::MAX_LOCKOUT_RECORDS;

/// Records in one transaction: few enough that whoever is first to write after a long trouble does not wait long.
const WRITTEN_AT_ONCE: usize = 1000;

/// How long a file that could not be written is left alone, so that guesses do not wait for it one after the other.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Failed logins of one subject: `user:ada`, `source:192.0.2.7`, `local`. Times are seconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many in a row.
    pub failures: u32,
    /// When the last one was.
    pub last_failure: i64,
    /// Until when no attempt is allowed, if so.
    pub locked_until: Option<i64>,
}

/// All records, and how far the file knows them.
#[derive(Debug, Default)]
pub(super) struct Counted {
    records: HashMap<String, Failures>,
    /// Whose records the file has otherwise, or has still.
    unwritten: HashSet<String>,
    /// Why the file could not be written the last time, and when.
    pub(super) trouble: Option<String>,
    tried: Option<Instant>,
}

/// A subject, and what the file is to say of it.
type Row = (String, Option<Failures>);

impl Counted {
    pub(super) async fn load(pool: &SqlitePool) -> sqlx::Result<Self> {
        let rows: Vec<(String, u32, i64, Option<i64>)> =
            sqlx::query_as("SELECT subject, failures, last_failure, locked_until FROM failures")
                .fetch_all(pool)
                .await?;
        let record = |(subject, failures, last_failure, locked_until)| {
            (subject, Failures { failures, last_failure, locked_until })
        };
        Ok(Self { records: rows.into_iter().map(record).collect(), ..Self::default() })
    }

    fn of(&self, subjects: &[String]) -> Vec<Option<Failures>> {
        subjects.iter().map(|subject| self.records.get(subject).cloned()).collect()
    }

    pub(super) fn set(&mut self, subject: &str, record: Failures) {
        self.records.insert(subject.to_owned(), record);
        self.unwritten.insert(subject.to_owned());
        while self.records.len() > MAX_LOCKOUT_RECORDS {
            let oldest = self.records.iter().min_by_key(|(_, record)| record.last_failure);
            let Some(oldest) = oldest.map(|(subject, _)| subject.clone()) else { return };
            self.clear(&oldest);
        }
    }

    fn clear(&mut self, subject: &str) {
        if self.records.remove(subject).is_some() {
            self.unwritten.insert(subject.to_owned());
        }
    }

    fn forget(&mut self, forgotten: i64) {
        let old = self.records.extract_if(|_, record| record.last_failure <= forgotten);
        self.unwritten.extend(old.map(|(subject, _)| subject));
    }

    /// What is to be written next.
    fn next_rows(&self) -> Vec<Row> {
        let row = |subject: &String| (subject.clone(), self.records.get(subject).cloned());
        self.unwritten.iter().take(WRITTEN_AT_ONCE).map(row).collect()
    }

    /// The file has these rows; whatever changed meanwhile is still to be written.
    fn written(&mut self, rows: &[Row]) {
        for (subject, record) in rows {
            if self.records.get(subject) == record.as_ref() {
                self.unwritten.remove(subject);
            }
        }
        if self.trouble.take().is_some() {
            tracing::info!("node.sqlite can be written again: failed logins are kept across a restart");
        }
    }

    fn failed(&mut self, error: &sqlx::Error) {
        self.tried = Some(Instant::now());
        if self.trouble.replace(error.to_string()).is_none() {
            tracing::error!(%error, "node.sqlite cannot be written: wrong passwords are counted in memory until it can");
        }
    }

    fn is_left_alone(&self) -> bool {
        self.trouble.is_some() && self.tried.is_some_and(|tried| tried.elapsed() < RETRY_AFTER)
    }
}

impl NodeStore {
    /// The records of these subjects, in their order.
    pub fn failures(&self, subjects: &[String]) -> Vec<Option<Failures>> {
        self.counted().of(subjects)
    }

    /// Sets the records that `decide` returns for the first of these subjects, in their order, with nobody in between;
    /// returns when they are on disk, or count in memory since they cannot be written.
    pub async fn settle<T>(
        &self,
        subjects: &[String],
        decide: impl FnOnce(Vec<Option<Failures>>) -> (Vec<Failures>, T),
    ) -> T {
        let outcome = {
            let mut counted = self.counted();
            let (records, outcome) = decide(counted.of(subjects));
            subjects.iter().zip(records).for_each(|(subject, record)| counted.set(subject, record));
            outcome
        };
        self.keep().await;
        outcome
    }

    /// Forgets records whose last failure is not later than `forgotten`, and writes what could not be written before.
    pub async fn forget_failures(&self, forgotten: i64) {
        self.counted().forget(forgotten);
        self.write_all().await;
    }

    /// Starts a subject afresh, as when an admin unlocks a user.
    pub async fn clear_failures(&self, subject: &str) {
        self.counted().clear(subject);
        self.keep().await;
    }

    async fn keep(&self) {
        if !self.counted().is_left_alone() {
            self.write().await;
        }
    }

    pub(super) async fn write_all(&self) {
        while self.write().await {}
    }

    /// Writes some of what changed; whether there is more, and it can be written. A call that is given up half-way
    /// leaves the rest to the next one.
    async fn write(&self) -> bool {
        let _turn = self.writing.lock().await;
        let rows = self.counted().next_rows();
        if rows.is_empty() {
            return false;
        }
        let outcome = write_rows(&self.pool, &rows).await;
        let mut counted = self.counted();
        match outcome {
            Ok(()) => counted.written(&rows),
            Err(error) => counted.failed(&error),
        }
        counted.trouble.is_none() && !counted.unwritten.is_empty()
    }
}

async fn write_rows(pool: &SqlitePool, rows: &[Row]) -> sqlx::Result<()> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for (subject, record) in rows {
        let statement = match record {
            Some(Failures { failures, last_failure, locked_until }) => {
                sqlx::query("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)")
                    .bind(subject)
                    .bind(*failures)
                    .bind(*last_failure)
                    .bind(*locked_until)
            }
            None => sqlx::query("DELETE FROM failures WHERE subject = ?").bind(subject),
        };
        statement.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
