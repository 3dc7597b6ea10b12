//! Refresh tokens of people who logged in at the OpenID provider, sealed, and who was refused there since. What becomes of them
//! is decided elsewhere.

use std::collections::HashSet;

use super::NodeStore;
use crate::directory::{Identity, Result};
use crate::store::sql::database_error;

/// A refresh token and whose it is. It has no `Debug`.
#[derive(Clone)]
pub struct RefreshToken {
    /// Whose it is here.
    pub user_uuid: String,
    /// Whose it is at the provider.
    pub identity: Identity,
    /// The token, sealed.
    pub sealed: Vec<u8>,
    /// When it is used next, in seconds since 1970.
    pub next_check: i64,
    /// Whether the answer to its last use was lost, so that it may be used up.
    pub answer_is_lost: bool,
}

impl NodeStore {
    /// Keeps a token in the place of whatever the user had.
    pub async fn keep_refresh_token(&self, token: &RefreshToken) -> Result<()> {
        sqlx::query("INSERT OR REPLACE INTO refresh_tokens VALUES (?, ?, ?, ?, ?, ?)")
            .bind(&token.user_uuid)
            .bind(token.identity.issuer())
            .bind(token.identity.subject())
            .bind(&token.sealed)
            .bind(token.next_check)
            .bind(token.answer_is_lost)
            .execute(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(())
    }

    /// The tokens that are to be used by now, those that wait the longest first.
    pub async fn due_refresh_tokens(&self, now: i64, limit: u32) -> Result<Vec<RefreshToken>> {
        let statement = "SELECT user_uuid, issuer, subject, sealed, next_check, answer_is_lost FROM refresh_tokens \
                         WHERE next_check <= ? ORDER BY next_check LIMIT ?";
        let rows: Vec<(String, String, String, Vec<u8>, i64, bool)> = sqlx::query_as(statement)
            .bind(now)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(database_error)?;
        let token = |(user_uuid, issuer, subject, sealed, next_check, answer_is_lost): (
            String,
            String,
            String,
            _,
            _,
            _,
        )| {
            let identity = Identity::new(&issuer, &subject)?;
            Ok(RefreshToken { user_uuid, identity, sealed, next_check, answer_is_lost })
        };
        rows.into_iter().map(token).collect()
    }

    /// Puts a token in the place of another, unless somebody else has done so meanwhile; says whether it did.
    pub async fn renew_refresh_token(&self, old: &RefreshToken, new: &RefreshToken) -> Result<bool> {
        let statement = "UPDATE refresh_tokens SET sealed = ?, next_check = ?, answer_is_lost = ? \
                         WHERE user_uuid = ? AND sealed = ?";
        let renewed = sqlx::query(statement)
            .bind(&new.sealed)
            .bind(new.next_check)
            .bind(new.answer_is_lost)
            .bind(&old.user_uuid)
            .bind(&old.sealed)
            .execute(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(renewed.rows_affected() > 0)
    }

    /// Forgets a token, unless there is another in its place; says whether it did.
    pub async fn forget_refresh_token(&self, token: &RefreshToken) -> Result<bool> {
        let statement = "DELETE FROM refresh_tokens WHERE user_uuid = ? AND sealed = ?";
        let forgotten = sqlx::query(statement)
            .bind(&token.user_uuid)
            .bind(&token.sealed)
            .execute(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(forgotten.rows_affected() > 0)
    }

    /// Whose tokens these are.
    pub async fn users_with_refresh_tokens(&self) -> Result<HashSet<String>> {
        let rows: Vec<(String,)> = sqlx::query_as("SELECT user_uuid FROM refresh_tokens")
            .fetch_all(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(rows.into_iter().map(|(uuid,)| uuid).collect())
    }

    /// Forgets all tokens; says how many there were.
    pub async fn forget_refresh_tokens(&self) -> Result<u64> {
        let forgotten =
            sqlx::query("DELETE FROM refresh_tokens").execute(&self.pool).await.map_err(database_error)?;
        Ok(forgotten.rows_affected())
    }

    /// Has the owner of a token refused from now on, over restarts, unless there is another in its place; says whether it did.
    /// The token goes with that, and so do the codes of the same login: a node that stops halfway has neither forgotten whom it
    /// was to ask about, nor refused somebody who has just been approved.
    pub async fn refuse(&self, token: &RefreshToken, now: i64) -> Result<bool> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(database_error)?;
        let forget = sqlx::query("DELETE FROM refresh_tokens WHERE user_uuid = ? AND sealed = ?")
            .bind(&token.user_uuid)
            .bind(&token.sealed);
        let forgotten = forget.execute(&mut *transaction).await.map_err(database_error)?;
        if forgotten.rows_affected() == 0 {
            return Ok(false);
        }
        let refuse =
            sqlx::query("INSERT OR IGNORE INTO refused VALUES (?, ?)").bind(&token.user_uuid).bind(now);
        let end_codes = sqlx::query("DELETE FROM relogin_codes WHERE user_uuid = ?").bind(&token.user_uuid);
        for statement in [refuse, end_codes] {
            statement.execute(&mut *transaction).await.map_err(database_error)?;
        }
        transaction.commit().await.map_err(database_error)?;
        Ok(true)
    }

    /// Has a user refused no more.
    pub async fn readmit(&self, user_uuid: &str) -> Result<()> {
        let statement = "DELETE FROM refused WHERE user_uuid = ?";
        sqlx::query(statement).bind(user_uuid).execute(&self.pool).await.map_err(database_error)?;
        Ok(())
    }

    /// Who is refused, and since when.
    pub async fn refused(&self) -> Result<Vec<(String, i64)>> {
        let statement = "SELECT user_uuid, since FROM refused ORDER BY since";
        sqlx::query_as(statement).fetch_all(&self.pool).await.map_err(database_error)
    }
}
