//! The users of the original Pody, out of its `users.db`: a SQLite file with the one table
//! `users(id, username, credential, is_admin)`, in which a credential is the SHA-256 of `username:password`.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::directory::{Error, Result};

/// More rows than this are not the users of one small cluster.
const MAX_USERS: i64 = 100_000;

/// How many times SQLite may go through [`STEPS`] of its instructions: 200 million, seconds at the most, where a
/// hundred thousand users take three million. A file may hold a view by the name of the table that never ends.
const MAX_ROUNDS: u32 = 2_000;
const STEPS: i32 = 100_000;

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
    // Whoever asked may have gone by the time this ends.
    let file = Borrowed(&path);
    tokio::fs::write(&path, content)
        .await
        .map_err(|error| Error::Failed(format!("{}: {error}", path.display())))?;
    let users = rows(&path).await;
    drop(file);
    users
}

/// A file that is removed when this is dropped.
struct Borrowed<'a>(&'a Path);

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a file with password hashes stays: remove it");
        }
    }
}

/// The rows of a table of plain columns: views and generated columns compute whatever they like. Texts are cut off where
/// no name or credential is that long: many rows of a broken file may share one that fills it.
async fn plain_rows(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(i64, String, String, bool)>> {
    let is_plain: Option<bool> = sqlx::query_scalar(
        "SELECT (SELECT type FROM pragma_table_list('users') WHERE schema = 'main') = 'table' \
         AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo('users') WHERE hidden <> 0)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if is_plain != Some(true) {
        return Err(sqlx::Error::Protocol("it has no table 'users' of plain columns".into()));
    }
    sqlx::query_as(
        "SELECT id, substr(username, 1, 100), substr(credential, 1, 100), is_admin FROM users ORDER BY id LIMIT ?",
    )
    .bind(MAX_USERS)
    .fetch_all(connection)
    .await
}

async fn rows(path: &Path) -> Result<Vec<PodyUser>> {
    let wrong = |error: sqlx::Error| {
        Error::invalid("content", format!("this is not the users.db of a Pody server: {error}"))
    };
    // Immutable: whatever journal the file speaks of, nothing beside it is read or written.
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let mut connection: SqliteConnection = options.connect().await.map_err(wrong)?;
    let mut rounds = 0;
    connection.lock_handle().await.map_err(wrong)?.set_progress_handler(STEPS, move || {
        rounds += 1;
        rounds < MAX_ROUNDS
    });
    let rows = plain_rows(&mut connection).await;
    connection.close().await.map_err(wrong)?;
    let users = rows.map_err(wrong)?.into_iter().map(|(id, name, credential, is_admin)| PodyUser {
        id: id.unsigned_abs(),
        name,
        password_hash: format!("sha256:{credential}"),
        is_admin,
    });
    Ok(users.collect())
}
