//! The users of the original Pody, out of its `users.db`: a SQLite file with the one table
//! `users(id, username, credential, is_admin)`, in which a credential is the SHA-256 of `username:password`.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::directory::{Error, Result};

/// More rows than this are not the users of one small cluster.
const MAX_USERS: i64 = 100_000;

/// One user of the original. `Debug` does not show the hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PodyUser {
    /// The row's id.
    pub id: u64,
    /// The name, as it is.
    pub name: String,
    /// `sha256:` and the credential.
    pub password_hash: String,
    /// Whether the user could administer the original.
    pub is_admin: bool,
}

impl std::fmt::Debug for PodyUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PodyUser").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads a database that somebody gave us, by way of a file of ours, and leaves nothing behind.
pub async fn read(content: &[u8], state: &Path) -> Result<Vec<PodyUser>> {
    let path = state.join(format!("import-{}.db", uuid::Uuid::new_v4()));
    let away = |error: std::io::Error| Error::Failed(format!("{}: {error}", path.display()));
    tokio::fs::write(&path, content).await.map_err(away)?;
    let users = rows(&path).await;
    tokio::fs::remove_file(&path).await.map_err(away)?;
    users
}

async fn rows(path: &Path) -> Result<Vec<PodyUser>> {
    let wrong = |error: sqlx::Error| {
        Error::invalid("content", format!("this is not the users.db of a Pody server: {error}"))
    };
    // Immutable: whatever journal the file speaks of, nothing beside it is read or written.
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(wrong)?;
    let rows: std::result::Result<Vec<(i64, String, String, bool)>, _> =
        sqlx::query_as("SELECT id, username, credential, is_admin FROM users ORDER BY id LIMIT ?")
            .bind(MAX_USERS)
            .fetch_all(&pool)
            .await;
    pool.close().await;
    let users = rows.map_err(wrong)?.into_iter().map(|(id, name, credential, is_admin)| PodyUser {
        id: id.unsigned_abs(),
        name,
        password_hash: format!("sha256:{credential}"),
        is_admin,
    });
    Ok(users.collect())
}
