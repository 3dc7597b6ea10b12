//! When this node's copy of passwords and tokens was last as its source.

use super::NodeStore;
use crate::directory::Result;
use crate::store::sql::database_error;

impl NodeStore {
    /// When that was, in seconds since 1970, if ever.
    pub async fn copy_current_at(&self) -> Result<Option<i64>> {
        let statement = "SELECT at FROM current_copy";
        sqlx::query_scalar(statement).fetch_optional(&self.pool).await.map_err(database_error)
    }

    /// Notes that it was so at this time.
    pub async fn note_copy_current(&self, at: i64) -> Result<()> {
        let statement = "INSERT OR REPLACE INTO current_copy VALUES (1, ?)";
        sqlx::query(statement).bind(at).execute(&self.pool).await.map_err(database_error)?;
        Ok(())
    }
}
