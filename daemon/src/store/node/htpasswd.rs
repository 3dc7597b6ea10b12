//! What was taken from the htpasswd file that this node follows. Losing it costs little: passwords are taken once more, and
//! whom the file had locked stays locked until an admin says otherwise.

use std::collections::HashMap;

use super::NodeStore;
use crate::directory::{Error, Result};
use crate::store::sql::database_error;

/// What was taken of one user's line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The SHA-256 of the line's hash; empty: no line was.
    pub digest: Vec<u8>,
    /// The directory's revision in which that became the password.
    pub password_revision: u64,
    /// Whether it was the file that locked the user.
    pub locked: bool,
}

impl NodeStore {
    /// What was taken, by user.
    pub async fn taken(&self) -> Result<HashMap<String, Taken>> {
        let statement = "SELECT user_uuid, digest, password_revision, locked FROM htpasswd";
        let rows: Vec<(String, Vec<u8>, i64, bool)> =
            sqlx::query_as(statement).fetch_all(&self.pool).await.map_err(database_error)?;
        let taken = |(uuid, digest, revision, locked): (_, _, i64, _)| {
            (uuid, Taken { digest, password_revision: revision.unsigned_abs(), locked })
        };
        Ok(rows.into_iter().map(taken).collect())
    }

    /// Notes what was taken; none: the user is there no more.
    pub async fn note_taken(&self, notes: &[(String, Option<Taken>)]) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(database_error)?;
        for (uuid, taken) in notes {
            let statement = match taken {
                Some(Taken { digest, password_revision, locked }) => {
                    let revision = i64::try_from(*password_revision)
                        .map_err(|_| Error::Failed("no revision is that high".into()))?;
                    sqlx::query("INSERT OR REPLACE INTO htpasswd VALUES (?, ?, ?, ?)")
                        .bind(uuid)
                        .bind(digest)
                        .bind(revision)
                        .bind(locked)
                }
                None => sqlx::query("DELETE FROM htpasswd WHERE user_uuid = ?").bind(uuid),
            };
            statement.execute(&mut *transaction).await.map_err(database_error)?;
        }
        transaction.commit().await.map_err(database_error)
    }
}
