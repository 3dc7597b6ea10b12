//! Sessions on this node, for a podyd that starts again while they are open. Those of an earlier boot are over.

use identity::Name;

use super::NodeStore;
use crate::directory::{Error, Result};
use crate::process::Process;
use crate::store::sql::database_error;

/// A session, from when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which one.
    pub id: u64,
    /// Whose.
    pub uuid: String,
    /// The user's name when it began.
    pub name: Name,
    /// The user id.
    pub uid: u32,
    /// The PAM service.
    pub service: String,
    /// The terminal, as PAM was told.
    pub tty: Option<String>,
    /// The host it was begun from, as PAM was told.
    pub rhost: Option<String>,
    /// When it began, in seconds since 1970.
    pub began_at: i64,
    /// The process that opened it.
    pub leader: Process,
}

type Row = (i64, String, String, u32, String, Option<String>, Option<String>, i64, i32, i64);

impl NodeStore {
    /// The sessions that were kept in this boot, in their order; the others are forgotten.
    pub async fn sessions(&self, boot: &str) -> Result<Vec<Session>> {
        let forget = sqlx::query("DELETE FROM sessions WHERE boot <> ?").bind(boot);
        forget.execute(&self.pool).await.map_err(database_error)?;
        let statement = "SELECT id, user_uuid, name, uid, service, tty, rhost, began_at, pid, started FROM sessions ORDER BY id";
        let rows: Vec<Row> = sqlx::query_as(statement).fetch_all(&self.pool).await.map_err(database_error)?;
        Ok(rows.into_iter().filter_map(session).collect())
    }

    /// Keeps a session of this boot.
    pub async fn keep_session(&self, boot: &str, session: &Session) -> Result<()> {
        let number =
            |number: u64| i64::try_from(number).map_err(|_| Error::Failed("no number is that high".into()));
        sqlx::query("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(number(session.id)?)
            .bind(boot)
            .bind(&session.uuid)
            .bind(session.name.as_str())
            .bind(session.uid)
            .bind(&session.service)
            .bind(&session.tty)
            .bind(&session.rhost)
            .bind(session.began_at)
            .bind(session.leader.pid)
            .bind(number(session.leader.started)?)
            .execute(&self.pool)
            .await
            .map_err(database_error)?;
        Ok(())
    }

    /// Forgets a session.
    pub async fn forget_session(&self, id: u64) -> Result<()> {
        let statement = "DELETE FROM sessions WHERE id = ?";
        sqlx::query(statement).bind(id.cast_signed()).execute(&self.pool).await.map_err(database_error)?;
        Ok(())
    }
}

fn session((id, uuid, name, uid, service, tty, rhost, began_at, pid, started): Row) -> Option<Session> {
    let (id, leader) = (id.cast_unsigned(), Process { pid, started: started.cast_unsigned() });
    Some(Session { id, uuid, name: name.parse().ok()?, uid, service, tty, rhost, began_at, leader })
}
