//! What is said on this node of how much users and groups may use, and of whom limits were set here.

use std::collections::HashMap;

use super::NodeStore;
use crate::directory::{Error, Result};
use crate::quota::{Disk, Field, Limit, Policy};
use crate::store::sql::database_error;

/// Of whom a policy is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyOwner {
    /// Which user or group, by identity.
    pub uuid: String,
    /// Whether it is a group.
    pub is_group: bool,
    /// The uid or gid.
    pub id: u32,
}

/// Something that is said, or nothing any more, of a field: of that filesystem, where it is about one.
pub type Statement = (Option<Disk>, Field, Option<Limit>);

/// A user whose limits were set here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Which user, by identity.
    pub uuid: String,
    /// What the slice was limited to, as it was asked for; none: nothing was asked for.
    pub slice: Option<String>,
}

impl NodeStore {
    /// Every policy.
    pub async fn policies(&self) -> Result<HashMap<PolicyOwner, Policy>> {
        let statement = "SELECT owner, of, id, filesystem, field, at FROM quota_policies";
        let rows: Vec<(String, String, i64, String, String, Option<i64>)> =
            sqlx::query_as(statement).fetch_all(&self.pool).await.map_err(database_error)?;
        let mut policies: HashMap<PolicyOwner, Policy> = HashMap::new();
        for (uuid, of, id, filesystem, field, at) in rows {
            // A later version may have others.
            let (Ok(id), Ok(field)) = (u32::try_from(id), field.parse::<Field>()) else { continue };
            let limit = at.map_or(Limit::Unlimited, |at| Limit::At(at.unsigned_abs()));
            let owner = PolicyOwner { uuid, is_group: of == "group", id };
            let filesystem = (!filesystem.is_empty()).then(|| filesystem.parse().ok()).flatten();
            policies.entry(owner).or_default().set(field, filesystem.as_ref(), Some(limit));
        }
        Ok(policies)
    }

    /// Says something, all of it or nothing; with `only`, whatever else was said is forgotten.
    pub async fn state_policy(
        &self,
        owner: &PolicyOwner,
        statements: &[Statement],
        only: bool,
    ) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(database_error)?;
        if only {
            sqlx::query("DELETE FROM quota_policies WHERE owner = ?")
                .bind(&owner.uuid)
                .execute(&mut *transaction)
                .await
                .map_err(database_error)?;
        }
        for (filesystem, field, limit) in statements {
            let filesystem = filesystem.as_ref().map(ToString::to_string).unwrap_or_default();
            let statement = match limit {
                Some(limit) => {
                    let at = limit.number().map(i64::try_from).transpose();
                    let at = at.map_err(|_| Error::Failed("no limit is that high".into()))?;
                    sqlx::query("INSERT OR REPLACE INTO quota_policies VALUES (?, ?, ?, ?, ?, ?)")
                        .bind(&owner.uuid)
                        .bind(if owner.is_group { "group" } else { "user" })
                        .bind(owner.id)
                        .bind(filesystem)
                        .bind(field.as_str())
                        .bind(at)
                }
                None => {
                    sqlx::query("DELETE FROM quota_policies WHERE owner = ? AND filesystem = ? AND field = ?")
                        .bind(&owner.uuid)
                        .bind(filesystem)
                        .bind(field.as_str())
                }
            };
            statement.execute(&mut *transaction).await.map_err(database_error)?;
        }
        transaction.commit().await.map_err(database_error)
    }

    /// The users whose limits were set here, by uid.
    pub async fn held(&self) -> Result<HashMap<u32, Held>> {
        let rows: Vec<(u32, String, Option<String>)> =
            sqlx::query_as("SELECT uid, owner, slice FROM quota_held")
                .fetch_all(&self.pool)
                .await
                .map_err(database_error)?;
        Ok(rows.into_iter().map(|(uid, uuid, slice)| (uid, Held { uuid, slice })).collect())
    }

    /// Notes of whom limits are set, and of whom they are no more.
    pub async fn note_held(&self, notes: &[(u32, Option<Held>)]) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(database_error)?;
        for (uid, held) in notes {
            let statement = match held {
                Some(Held { uuid, slice }) => {
                    sqlx::query("INSERT OR REPLACE INTO quota_held VALUES (?, ?, ?)")
                        .bind(uid)
                        .bind(uuid)
                        .bind(slice)
                }
                None => sqlx::query("DELETE FROM quota_held WHERE uid = ?").bind(uid),
            };
            statement.execute(&mut *transaction).await.map_err(database_error)?;
        }
        transaction.commit().await.map_err(database_error)
    }
}
