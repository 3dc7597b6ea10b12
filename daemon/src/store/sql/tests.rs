//! What the conformance suite does not tell: tables that do not fit, rights, and servers that fail.

#[cfg(all(feature = "backend-libsql", feature = "backend-postgres", feature = "backend-mysql"))]
mod clock;
#[cfg(all(feature = "backend-libsql", feature = "backend-postgres", feature = "backend-mysql"))]
mod copy;
#[cfg(all(feature = "backend-postgres", feature = "backend-mysql"))]
mod failures;
#[cfg(all(feature = "backend-postgres", feature = "backend-mysql"))]
mod rights;
#[cfg(all(feature = "backend-postgres", feature = "backend-mysql"))]
mod schema;
#[cfg(all(feature = "backend-postgres", feature = "backend-mysql"))]
mod tls;
#[cfg(feature = "backend-postgres")]
mod turns;

use super::*;
use crate::testing::{Folder, add_user, rules};

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_sqlite_ended_by_itself_spoils_nothing_after_it() {
    let folder = Folder::new();
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    let mut session = directory.write().await.unwrap();
    // As a full disk does, behind our back.
    session.execute("ROLLBACK", &[]).await.unwrap();
    assert!(session.finish(Ok(())).await.is_err());
    for _ in 0..3 {
        directory.write().await.unwrap().finish(Ok(())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_in_the_middle_of_a_change_leaves_nothing_of_it() {
    let folder = Folder::new();
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    for _ in 0..3 {
        let mut session = directory.write().await.unwrap();
        change::next_revision(&mut session).await.unwrap();
    }
    assert_eq!(directory.position().await.unwrap().revision, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_from_before_there_were_tokens_keeps_its_history() {
    let folder = Folder::new();
    let pool = sqlite_pool(1).connect_with(sqlite_options(&folder.join("old.sqlite"))).await.unwrap();
    let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&pool).await.map(drop);
    for migration in [
        include_str!("../../../migrations/sqlite/0001_directory.sql"),
        include_str!("../../../migrations/sqlite/0002_cursors.sql"),
        "INSERT INTO changes VALUES (1, 1, 'user', 'a', NULL), (7, 2, 'member', 'g', 'a')",
        include_str!("../../../migrations/sqlite/0003_tokens.sql"),
        "INSERT INTO changes (revision, kind, one) VALUES (3, 'token', 't')",
    ] {
        run(migration).await.unwrap();
    }
    let rows: Vec<(i64, i64, String, Option<String>)> =
        sqlx::query_as("SELECT change_id, revision, kind, other FROM changes ORDER BY change_id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let expected = [(1, 1, "user", None), (7, 2, "member", Some("a")), (8, 3, "token", None)];
    let expected = expected.map(|(id, at, kind, other)| (id, at, kind.to_owned(), other.map(str::to_owned)));
    assert_eq!(rows, expected);
    assert!(run("INSERT INTO changes (revision, kind, one) VALUES (4, 'other', 't')").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_forgotten_where_nobody_follows_from_any_more() {
    let folder = Folder::new();
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    add_user(&directory, "ada").await;
    let then = directory.position().await.unwrap();
    let mut session = directory.write().await.unwrap();
    for statement in [
        "UPDATE directory SET revision = 100094",
        "INSERT INTO revisions VALUES (100094, 7, 0)",
        "INSERT INTO changes (revision, kind, one) VALUES (100094, 'user', 'somebody')",
    ] {
        session.execute(statement, &[]).await.unwrap();
    }
    session.finish(Ok(())).await.unwrap();
    let lately = directory.position().await.unwrap();
    add_user(&directory, "bob").await;
    assert!(matches!(directory.changes(&then).await.unwrap(), Feed::Changes { .. }));
    add_user(&directory, "kim").await;
    assert_eq!(directory.changes(&then).await.unwrap(), Feed::StartOver);
    assert!(matches!(directory.changes(&lately).await.unwrap(), Feed::Changes { .. }));
}

/// Gives the newest record of a step another version.
async fn relabel(directory: &SqlDirectory, version: &str) {
    let mut session = directory.database.begin(Purpose::Write).await.unwrap();
    let rows =
        session.query("SELECT version FROM _sqlx_migrations ORDER BY installed_on, version", &[]).await;
    let versions: Vec<i64> = rows.unwrap().iter().map(|row| row.integer("version").unwrap()).collect();
    let newest = super::schema::newest(session.dialect());
    let labelled = versions.iter().find(|version| (**version - newest) % 100 == 0).unwrap();
    let statement = format!("UPDATE _sqlx_migrations SET version = {version} WHERE version = $1");
    session.execute(&statement, &[(*labelled).into()]).await.unwrap();
    session.finish(Ok(())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_kept_for_so_many_people_at_a_time() {
    let folder = Folder::new();
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    let mut session = directory.write().await.unwrap();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO reservations \
         SELECT i, 'u' || i, 1900000000 + i, 1900000000 + i, '/home', '/bin/sh', 9999999999 FROM n",
        crate::limits::MAX_DIRECTORY_RESERVATIONS - 1
    );
    session.execute(&fill, &[]).await.unwrap();
    session.finish(Ok(())).await.unwrap();
    let reserve = async |name: &str| directory.reserve(name.parse().unwrap(), &rules(), i64::MAX).await;
    let last = reserve("ada").await.unwrap();
    assert_eq!(last.uid.0, 1_900_000_000, "the only one between those that are kept");
    let told = reserve("bob").await;
    assert!(matches!(told, Err(Error::Busy(_))), "{told:?}");
    assert_eq!(reserve("ada").await.unwrap(), last, "whoever is kept may come again");
    assert_eq!(add_user(&directory, "eve").await.user.uid.0, 1_900_001_000);
}
