//! Tables that are missing, older, newer, being made by many at once, or left half made.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::*;
use super::relabel;
use crate::directory::Error;
use crate::testing::{add_user, until};

/// How a directory is opened.
type Open = fn(&str, u32) -> Result<SqlDirectory>;

/// Makes a test of each story on each server.
macro_rules! on_servers {
    ($($story:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let url = servers::postgres().await.fresh_database().await;
                super::$story(super::SqlDirectory::postgres, &url).await;
            })*
        }

        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let url = servers::mariadb().await.fresh_database().await;
                super::$story(super::SqlDirectory::mysql, &url).await;
            })*
        }

        mod mysql {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let url = servers::mysql().await.fresh_database().await;
                super::$story(super::SqlDirectory::mysql, &url).await;
            })*
        }
    };
}

on_servers!(
    a_database_without_tables_is_told_of,
    tables_of_another_version_are_used_for_nothing,
    ten_nodes_make_the_tables_at_once,
    whoever_comes_second_does_not_wait_for_ever,
    a_connection_that_is_killed_while_it_waits_leaves_no_lock,
);

async fn a_database_without_tables_is_told_of(open: Open, url: &str) {
    let directory = open(url, 2).unwrap();
    assert_eq!(directory.schema().await.unwrap(), Schema::Missing);
    let words = "the database has no tables of Pody's yet: run podyctl db migrate on one node";
    assert_eq!(directory.position().await, Err(Error::Away(words.into())));
    assert_eq!(directory.delete_user("ada".parse().unwrap(), None).await, Err(Error::Away(words.into())));

    let migrated = directory.migrate().await.unwrap();
    assert_eq!(migrated.before, Schema::Missing);
    assert!(migrated.steps[0].starts_with("1 (directory"), "{:?}", migrated.steps);
    add_user(&directory, "ada").await;
    assert!(directory.migrate().await.unwrap().steps.is_empty());
}

async fn tables_of_another_version_are_used_for_nothing(open: Open, url: &str) {
    let directory = open(url, 2).unwrap();
    directory.migrate().await.unwrap();
    let Schema::Current(newest) = directory.schema().await.unwrap() else { panic!("it was just made") };
    add_user(&directory, "ada").await;

    let another = open(url, 2).unwrap();
    relabel(&directory, "version + 100").await;
    let words = format!(
        "the database has schema {}, this podyd knows {newest}: install the newer podyd on this node",
        newest + 100
    );
    assert_eq!(another.counts().await, Err(Error::Away(words.clone())));
    assert_eq!(another.migrate().await, Err(Error::Refused(words)));

    relabel(&directory, "version - 200").await;
    let Schema::Older { wants, .. } = another.schema().await.unwrap() else {
        panic!("it lacks the last step")
    };
    let told = another.counts().await.unwrap_err().to_string();
    assert!(
        told.ends_with(&format!("this podyd needs {wants}: run podyctl db migrate on one node")),
        "{told}"
    );

    relabel(&directory, "version + 100").await;
    assert_eq!(another.counts().await.unwrap().users, 1, "whoever was told so once looks again");
}

async fn ten_nodes_make_the_tables_at_once(open: Open, url: &str) {
    let mut nodes = JoinSet::new();
    for _ in 0..10 {
        let directory = open(url, 2).unwrap();
        nodes.spawn(async move { directory.migrate().await });
    }
    let outcomes = nodes.join_all().await;
    let working = outcomes.iter().filter(|outcome| !outcome.as_ref().unwrap().steps.is_empty()).count();
    assert_eq!(working, 1);
    add_user(&open(url, 2).unwrap(), "ada").await;
}

async fn whoever_comes_second_does_not_wait_for_ever(open: Open, url: &str) {
    let directory = open(url, 2).unwrap();
    let first = directory.database.begin(Purpose::Migrate).await.unwrap();
    let told = directory.migrate().await;
    assert!(matches!(told, Err(Error::Busy(_))), "{told:?}");
    drop(first);
    until("the lock is free", async || directory.migrate().await.is_ok()).await;
}

async fn a_connection_that_is_killed_while_it_waits_leaves_no_lock(open: Open, url: &str) {
    let directory = Arc::new(open(url, 4).unwrap());
    let mut first = directory.database.begin(Purpose::Migrate).await.unwrap();
    let holder = id_of(&mut first).await;
    let second = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.migrate().await }
    });
    until("the second was killed", async || {
        kill_those_that_wait(&directory, holder).await;
        second.is_finished()
    })
    .await;
    let told = second.await.unwrap();
    assert!(matches!(told, Err(Error::Away(_))), "{told:?}");
    drop(first);
    until("the lock is free", async || directory.migrate().await.is_ok()).await;
}

/// The connection of a session, as its server calls it.
async fn id_of(session: &mut Session) -> i64 {
    let id = match session.dialect() {
        dialect::Dialect::Postgres => "SELECT pg_backend_pid()::bigint AS id",
        _ => "SELECT CONNECTION_ID() AS id",
    };
    session.query(id, &[]).await.unwrap().one().unwrap().integer("id").unwrap()
}

/// Kills the connections to this database that wait for a lock, which the holder does not: it may seem busy for a moment.
async fn kill_those_that_wait(directory: &SqlDirectory, holder: i64) {
    let mut session = directory.database.begin(Purpose::Read).await.unwrap();
    let waiting = match session.dialect() {
        dialect::Dialect::Postgres => {
            "SELECT pid AS id FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
             AND pid <> $1"
        }
        _ => {
            "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND command <> 'Sleep' \
             AND id NOT IN (CONNECTION_ID(), $1)"
        }
    };
    let waiting = session.query(waiting, &[holder.into()]).await.unwrap();
    let kill = match session.dialect() {
        dialect::Dialect::Postgres => "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ",
        _ => "KILL ",
    };
    for row in waiting.iter() {
        let statement = format!("{kill}{}", row.integer("id").unwrap());
        // It may have ended by itself.
        let _ = session.script(sqlx::AssertSqlSafe(statement)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_died_half_way_on_mariadb_is_carried_out_again() {
    a_step_that_died_half_way_is_carried_out_again(&servers::mariadb().await.fresh_database().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_died_half_way_on_mysql_is_carried_out_again() {
    a_step_that_died_half_way_is_carried_out_again(&servers::mysql().await.fresh_database().await).await;
}

/// As sqlx left it when it died between the two: the step was carried out, and is marked as begun.
async fn a_step_that_died_half_way_is_carried_out_again(url: &str) {
    let directory = Arc::new(SqlDirectory::mysql(url, 4).unwrap());
    directory.migrate().await.unwrap();
    add_user(&*directory, "ada").await;
    let mut session = directory.database.begin(Purpose::Write).await.unwrap();
    for statement in [
        "DELETE FROM _sqlx_migrations WHERE version > 2",
        "UPDATE _sqlx_migrations SET success = false WHERE version = 2",
    ] {
        session.execute(statement, &[]).await.unwrap();
    }
    session.finish(Ok(())).await.unwrap();
    assert!(matches!(directory.schema().await.unwrap(), Schema::Older { has: 1, .. }));

    // Another node's write holds the row that the second step wants; the connection that waits for it is killed.
    let mut write = directory.database.begin(Purpose::Write).await.unwrap();
    let holder = id_of(&mut write).await;
    let migrating = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.migrate().await }
    });
    until("it was killed", async || {
        kill_those_that_wait(&directory, holder).await;
        migrating.is_finished()
    })
    .await;
    assert!(migrating.await.unwrap().is_err());
    write.roll_back().await;

    until("it is done", async || directory.migrate().await.is_ok()).await;
    assert!(matches!(directory.schema().await.unwrap(), Schema::Current(_)));
    assert_eq!(directory.counts().await.unwrap().users, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_newer_podyd_is_not_opened() {
    let folder = crate::testing::Folder::new();
    let path = folder.join("directory.sqlite");
    let directory = SqlDirectory::sqlite(&path).await.unwrap();
    relabel(&directory, "version + 100").await;
    directory.close().await;
    let told = SqlDirectory::sqlite(&path).await.unwrap_err().to_string();
    assert!(told.contains("directory.sqlite: the database has schema 10"), "{told}");
    assert!(told.contains("install the newer podyd"), "{told}");
}
