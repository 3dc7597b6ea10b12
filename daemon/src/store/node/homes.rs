//! Whose homes were made or found on this node, so that they can be put away when their owners are deleted.

use super::NodeStore;
use crate::directory::Result;
use crate::store::sql::database_error;

/// A home on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Its owner's name.
    pub name: String,
    /// The owner.
    pub uid: u32,
    /// Where it is.
    pub home: String,
}

impl NodeStore {
    /// Notes where somebody's home is, beside others that they had. What is known already is not written again.
    pub async fn note_home(&self, uuid: &str, home: &Home) -> Result<()> {
        let statement = "INSERT INTO homes (user_uuid, name, uid, home) VALUES (?1, ?2, ?3, ?4) \
                         ON CONFLICT (user_uuid, home) DO UPDATE SET name = ?2, uid = ?3 \
                         WHERE (name, uid) IS NOT (?2, ?3)";
        sqlx::query(statement)
            .bind(uuid)
            .bind(&home.name)
            .bind(home.uid)
            .bind(&home.home)
            .execute(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(())
    }

    /// Homes after this one of this owner, by identity, at most `limit`.
    pub async fn homes(&self, (uuid, home): (&str, &str), limit: u32) -> Result<Vec<(String, Home)>> {
        let statement = "SELECT user_uuid, name, uid, home FROM homes WHERE (user_uuid, home) > (?, ?) \
                         ORDER BY user_uuid, home LIMIT ?";
        let rows: Vec<(String, String, u32, String)> = sqlx::query_as(statement)
            .bind(uuid)
            .bind(home)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(rows.into_iter().map(|(uuid, name, uid, home)| (uuid, Home { name, uid, home })).collect())
    }

    /// Forgets one.
    pub async fn forget_home(&self, uuid: &str, home: &str) -> Result<()> {
        let statement = "DELETE FROM homes WHERE user_uuid = ? AND home = ?";
        sqlx::query(statement).bind(uuid).bind(home).execute(&self.pool).await.map_err(database_error)?;
        Ok(())
    }
}
