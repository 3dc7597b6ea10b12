//! What this node has seen of an original Pody that its users come from: whose each uid is, and where its list stood.

use std::collections::HashMap;

use identity::{Name, Uid};
use serde_json::json;

use super::NodeStore;
use crate::directory::{Error, Position, Result};
use crate::limits::MAX_PODY04_UIDS;
use crate::store::sql::database_error;

impl NodeStore {
    /// Has each uid that nobody had be its name's for ever, and says whose they are now; one that is missing found no room.
    pub async fn claim_uids(&self, wanted: &[(Uid, Name)]) -> Result<HashMap<Uid, String>> {
        let wanted: Vec<_> = wanted.iter().map(|(uid, name)| json!([uid.0, name.as_str()])).collect();
        let wanted = json!(wanted).to_string();
        let claim = "INSERT INTO pody04_uids SELECT value ->> 0 AS uid, value ->> 1 FROM json_each(?1) \
                     WHERE uid NOT IN (SELECT uid FROM pody04_uids) \
                     LIMIT (SELECT MAX(0, ?2 - COUNT(*)) FROM pody04_uids)";
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(database_error)?;
        sqlx::query(claim)
            .bind(&wanted)
            .bind(MAX_PODY04_UIDS)
            .execute(&mut *transaction)
            .await
            .map_err(database_error)?;
        let held = "SELECT uid, name FROM pody04_uids WHERE uid IN (SELECT value ->> 0 FROM json_each(?))";
        let rows: Vec<(u32, String)> =
            sqlx::query_as(held).bind(&wanted).fetch_all(&mut *transaction).await.map_err(database_error)?;
        transaction.commit().await.map_err(database_error)?;
        Ok(rows.into_iter().map(|(uid, name)| (Uid(uid), name)).collect())
    }

    /// Where the list of this epoch stood when it was last seen.
    pub async fn pody04_position(&self, epoch: &str) -> Result<Option<Position>> {
        let statement = "SELECT revision, stamp, committed_at FROM pody04_positions WHERE epoch = ?";
        let row: Option<(i64, i64, i64)> =
            sqlx::query_as(statement).bind(epoch).fetch_optional(&self.pool).await.map_err(database_error)?;
        Ok(row.map(|(revision, stamp, committed_at)| Position {
            epoch: epoch.to_owned(),
            revision: revision.unsigned_abs(),
            stamp,
            committed_at,
        }))
    }

    /// Notes where a list stands.
    pub async fn note_pody04_position(&self, position: &Position) -> Result<()> {
        let Position { epoch, revision, stamp, committed_at } = position;
        let revision =
            i64::try_from(*revision).map_err(|_| Error::Failed("no revision is that high".into()))?;
        sqlx::query("INSERT OR REPLACE INTO pody04_positions VALUES (?, ?, ?, ?)")
            .bind(epoch)
            .bind(revision)
            .bind(stamp)
            .bind(committed_at)
            .execute(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(())
    }
}
