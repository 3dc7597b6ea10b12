//! Passwords that were right here, for when the shared directory does not answer.

use super::NodeStore;
use crate::directory::{Error, Result};
use crate::store::sql::database_error;

/// What is known of somebody's password. It has no `Debug`, for the sake of the hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Remembered {
    /// A hash of it, made here.
    pub hash: String,
    /// The directory's revision in which it was set.
    pub password_revision: u64,
    /// When it was last right, in seconds since 1970.
    pub proven_at: i64,
}

impl NodeStore {
    /// What is remembered of a user.
    pub async fn remembered(&self, uuid: &str) -> Result<Option<Remembered>> {
        let statement = "SELECT hash, password_revision, proven_at FROM remembered WHERE user_uuid = ?";
        let row: Option<(String, i64, i64)> =
            sqlx::query_as(statement).bind(uuid).fetch_optional(&self.pool).await.map_err(database_error)?;
        Ok(row.map(|(hash, revision, proven_at)| Remembered {
            hash,
            password_revision: revision.unsigned_abs(),
            proven_at,
        }))
    }

    /// Remembers that a password was right.
    pub async fn remember(&self, uuid: &str, remembered: &Remembered) -> Result<()> {
        let revision = i64::try_from(remembered.password_revision)
            .map_err(|_| Error::Failed("no revision is that high".into()))?;
        sqlx::query("INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?)")
            .bind(uuid)
            .bind(&remembered.hash)
            .bind(revision)
            .bind(remembered.proven_at)
            .execute(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(())
    }

    /// Forgets somebody's password.
    pub async fn forget_password(&self, uuid: &str) -> Result<()> {
        let statement = "DELETE FROM remembered WHERE user_uuid = ?";
        sqlx::query(statement).bind(uuid).execute(&self.pool).await.map_err(database_error)?;
        Ok(())
    }

    /// Forgets passwords that were last right before a time: nobody gets in by them any more.
    pub async fn forget_remembered(&self, before: i64) -> Result<()> {
        let statement = "DELETE FROM remembered WHERE proven_at < ?";
        sqlx::query(statement).bind(before).execute(&self.pool).await.map_err(database_error)?;
        Ok(())
    }
}
