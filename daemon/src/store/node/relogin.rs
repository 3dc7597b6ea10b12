//! Codes by which people come back who were approved at the OpenID provider, by their digests. How long one is good, and for
//! whom, is decided elsewhere.

use super::{Digest, NodeStore};
use crate::directory::{Error, Result};
use crate::limits::MAX_RELOGIN_CODES_PER_USER;
use crate::store::sql::database_error;

/// What is known of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloginCode {
    /// Of the user and the code.
    pub digest: Digest,
    /// Whose it is.
    pub user_uuid: String,
    /// The revision that the user was at.
    pub user_revision: u64,
    /// When it was given, in seconds since 1970.
    pub issued_at: i64,
    /// The provider at which the user was approved, and the client there.
    pub provider: String,
}

impl NodeStore {
    /// Keeps a code. Of each user's, the oldest make room.
    pub async fn keep_relogin_code(&self, code: &ReloginCode) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(database_error)?;
        let keep = sqlx::query("INSERT INTO relogin_codes VALUES (?, ?, ?, ?, ?)")
            .bind(code.digest.as_slice())
            .bind(&code.user_uuid)
            .bind(stored(code.user_revision)?)
            .bind(code.issued_at)
            .bind(&code.provider);
        let make_room = sqlx::query(
            "DELETE FROM relogin_codes WHERE digest IN (SELECT digest FROM relogin_codes WHERE user_uuid = ? \
             ORDER BY issued_at DESC LIMIT -1 OFFSET ?)",
        )
        .bind(&code.user_uuid)
        .bind(MAX_RELOGIN_CODES_PER_USER);
        for statement in [keep, make_room] {
            statement.execute(&mut *transaction).await.map_err(database_error)?;
        }
        transaction.commit().await.map_err(database_error)
    }

    /// The codes of a user.
    pub async fn relogin_codes(&self, user_uuid: &str) -> Result<Vec<ReloginCode>> {
        let statement =
            "SELECT digest, user_revision, issued_at, provider FROM relogin_codes WHERE user_uuid = ?";
        let rows: Vec<(Vec<u8>, i64, i64, String)> =
            sqlx::query_as(statement).bind(user_uuid).fetch_all(&self.pool).await.map_err(database_error)?;
        let code = |(digest, revision, issued_at, provider): (Vec<u8>, i64, i64, String)| {
            let (digest, user_uuid) = (digest.try_into().ok()?, user_uuid.to_owned());
            Some(ReloginCode {
                digest,
                user_uuid,
                user_revision: revision.unsigned_abs(),
                issued_at,
                provider,
            })
        };
        Ok(rows.into_iter().filter_map(code).collect())
    }

    /// Lets the codes of a user, who was changed without ending them, go with the user's new revision.
    pub async fn follow_relogin_codes(&self, user_uuid: &str, from: u64, to: u64) -> Result<()> {
        let statement =
            "UPDATE relogin_codes SET user_revision = ? WHERE user_uuid = ? AND user_revision = ?";
        let update = sqlx::query(statement).bind(stored(to)?).bind(user_uuid).bind(stored(from)?);
        update.execute(&self.pool).await.map_err(database_error)?;
        Ok(())
    }

    /// Forgets the codes of a user, and says how many there were.
    pub async fn forget_relogin_codes(&self, user_uuid: &str) -> Result<u64> {
        let statement = "DELETE FROM relogin_codes WHERE user_uuid = ?";
        let forgotten =
            sqlx::query(statement).bind(user_uuid).execute(&self.pool).await.map_err(database_error)?;
        Ok(forgotten.rows_affected())
    }

    /// Forgets the codes that were given until then, or by the word of another provider than this.
    pub async fn forget_old_relogin_codes(&self, until: i64, provider: &str) -> Result<()> {
        let statement = "DELETE FROM relogin_codes WHERE issued_at <= ? OR provider <> ?";
        sqlx::query(statement)
            .bind(until)
            .bind(provider)
            .execute(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(())
    }
}

fn stored(revision: u64) -> Result<i64> {
    i64::try_from(revision).map_err(|_| Error::Failed("no revision is that high".into()))
}
