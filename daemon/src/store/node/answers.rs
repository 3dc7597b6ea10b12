//! Answers to requests that are not to be carried out twice, for whoever did not get them the first time. What a key or a
//! request is, is for others to say: here are digests.

use super::NodeStore;
use crate::directory::Result;
use crate::limits::MAX_KEPT_ANSWERS;
use crate::store::sql::database_error;

/// The SHA-256 of something.
pub type Digest = [u8; 32];

/// How long answers are kept, in seconds: whoever asks again does so within minutes, or on the next day.
const KEPT: i64 = 24 * 60 * 60;

/// An answer. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// To which request.
    pub request: Digest,
    /// The status.
    pub status: u16,
    /// The version of what was changed.
    pub etag: Option<String>,
    /// Where it is.
    pub location: Option<String>,
    /// What it said; none: that was not kept.
    pub body: Option<Vec<u8>>,
}

type Row = (Vec<u8>, u16, Option<String>, Option<String>, Option<Vec<u8>>);

impl NodeStore {
    /// The answer that was given under a key.
    pub async fn answer(&self, key: &Digest, now: i64) -> Result<Option<Answer>> {
        let statement =
            "SELECT request, status, etag, location, body FROM answers WHERE key = ? AND answered_at > ?";
        let row: Option<Row> = sqlx::query_as(statement)
            .bind(key.as_slice())
            .bind(now - KEPT)
            .fetch_optional(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(row.and_then(|(request, status, etag, location, body)| {
            Some(Answer { request: request.try_into().ok()?, status, etag, location, body })
        }))
    }

    /// Keeps an answer for a day, unless that many others come after it.
    pub async fn keep_answer(&self, key: &Digest, answer: &Answer, now: i64) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(database_error)?;
        let keep = sqlx::query("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(key.as_slice())
            .bind(answer.request.as_slice())
            .bind(answer.status)
            .bind(&answer.etag)
            .bind(&answer.location)
            .bind(&answer.body)
            .bind(now);
        let forget = sqlx::query(
            "DELETE FROM answers WHERE answered_at <= ?1 OR key IN \
             (SELECT key FROM answers ORDER BY answered_at DESC LIMIT -1 OFFSET ?2)",
        )
        .bind(now - KEPT)
        .bind(MAX_KEPT_ANSWERS);
        for statement in [keep, forget] {
            statement.execute(&mut *transaction).await.map_err(database_error)?;
        }
        transaction.commit().await.map_err(database_error)
    }
}
