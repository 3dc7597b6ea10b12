//! Servers that are frozen, gone, read-only, full, or killed in the middle of a change.

use std::sync::Arc;
use std::time::Duration;

use servers::{Database, Kind, MariaDb, MySql, Options, Postgres};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::*;
use crate::directory::Error;
use crate::limits::CALL_DEADLINE;
use crate::testing::{add_user, create_user, find_user, name, new_user, until};

/// Writes in the middle of which the server is killed, and how many are under way at a time.
const WRITES: usize = 512;
const WRITERS: usize = 16;

/// After what time at the latest somebody who wants to write is told that the server is gone.
const ABSENCE_TOLD_WITHIN: Duration = Duration::from_secs(7);

/// An absence that nobody who writes is to notice.
const SHORT_ABSENCE: Duration = Duration::from_secs(3);

/// Makes a test of each story on each server.
macro_rules! on_servers {
    ($($story:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story::<_>(super::Postgres::start, super::SqlDirectory::postgres).await;
            })*
        }

        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story::<_>(super::MariaDb::start, super::SqlDirectory::mysql).await;
            })*
        }

        mod mysql {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story::<_>(super::MySql::start, super::SqlDirectory::mysql).await;
            })*
        }
    };
}

on_servers!(
    a_server_that_fails_is_away_in_time_and_a_server_that_is_back_is_used,
    a_write_waits_for_a_server_that_is_being_replaced_and_not_much_longer,
    every_write_that_was_acknowledged_outlives_a_killed_server,
);

async fn a_server_that_fails_is_away_in_time_and_a_server_that_is_back_is_used<K: Kind>(
    start: impl AsyncFn(Options) -> Database<K>,
    open: fn(&str, u32) -> Result<SqlDirectory>,
) {
    let mut server = start(Options::default()).await;
    let url = server.fresh_database().await;
    let directory = open(&url, 4).unwrap();
    directory.migrate().await.unwrap();
    add_user(&directory, "ada").await;

    server.set_read_only(true).await;
    // PostgreSQL's processes are told a moment later.
    until("a write is refused", async || directory.set_password(name("ada"), None).await.is_err()).await;
    match create_user(&directory, new_user("bob")).await {
        Err(Error::Refused(told)) => assert!(told.contains("it is read-only"), "{told}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(directory.counts().await.unwrap().users, 1);
    server.set_read_only(false).await;
    until("a write is taken", async || directory.set_password(name("ada"), None).await.is_ok()).await;

    // Those that were there before count on PostgreSQL, and not on MariaDB.
    server.limit_connections(&url, 3).await;
    let mut taken = Vec::new();
    let refused = loop {
        assert!(taken.len() <= 3);
        let other = open(&url, 1).unwrap();
        match other.database.begin(Purpose::Read).await {
            Ok(session) => taken.push((other, session)),
            Err(error) => break error,
        }
    };
    is_away::<()>(Err(refused));
    is_away(create_user(&open(&url, 4).unwrap(), new_user("bob")).await);
    drop(taken);
    server.limit_connections(&url, 100).await;

    server.freeze();
    let asked = Instant::now();
    let (read, write) = tokio::join!(directory.counts(), create_user(&directory, new_user("bob")));
    is_away(read);
    is_away(write);
    assert!(asked.elapsed() < CALL_DEADLINE, "{:?}", asked.elapsed());
    server.thaw();
    until("it answers again", async || directory.counts().await.is_ok()).await;

    server.stop().await;
    is_away(create_user(&directory, new_user("bob")).await);
    server.start_again().await;
    until("it answers again", async || directory.counts().await.is_ok()).await;
    add_user(&directory, "carol").await;
}

async fn a_write_waits_for_a_server_that_is_being_replaced_and_not_much_longer<K: Kind>(
    start: impl AsyncFn(Options) -> Database<K>,
    open: fn(&str, u32) -> Result<SqlDirectory>,
) {
    let mut server = start(Options::default()).await;
    let directory = open(&server.fresh_database().await, 4).unwrap();
    directory.migrate().await.unwrap();
    server.stop().await;
    let asked = Instant::now();
    is_away(create_user(&directory, new_user("ada")).await);
    assert!(asked.elapsed() < ABSENCE_TOLD_WITHIN, "{:?}", asked.elapsed());
    server.start_again().await;

    // A busy machine may take longer for it than a write waits.
    for attempt in 0..5 {
        server.stop().await;
        let asked = Instant::now();
        let write = async { create_user(&directory, new_user(&format!("bob{attempt}"))).await };
        let back = async {
            server.start_again().await;
            asked.elapsed()
        };
        let (written, absent) = tokio::join!(write, back);
        if absent < SHORT_ABSENCE {
            written.unwrap();
            return;
        }
    }
    panic!("the server never came back within {SHORT_ABSENCE:?}");
}

fn is_away<T: std::fmt::Debug>(outcome: Result<T>) {
    match outcome {
        Err(Error::Away(told)) => assert!(told.contains("the database does not answer"), "{told}"),
        other => panic!("{other:?}"),
    }
}

async fn every_write_that_was_acknowledged_outlives_a_killed_server<K: Kind>(
    start: impl AsyncFn(Options) -> Database<K>,
    open: fn(&str, u32) -> Result<SqlDirectory>,
) {
    let mut server = start(Options { durable: true, ..Options::default() }).await;
    let url = server.fresh_database().await;
    let directory = Arc::new(open(&url, 16).unwrap());
    directory.migrate().await.unwrap();

    let (done, mut seen) = watch::channel(0);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (directory, done) = (Arc::clone(&directory), done.clone());
        writers.spawn(async move {
            let mut outcomes = Vec::new();
            for number in 0..WRITES / WRITERS {
                let user = format!("user{writer}.{number}");
                let outcome = directory.create(one(&user), &crate::testing::rules(), false).await;
                let is_done = outcome.is_ok();
                outcomes.push((user, outcome));
                if !is_done {
                    break;
                }
                done.send_modify(|done| *done += 1);
            }
            outcomes
        });
    }
    seen.wait_for(|done| *done > WRITES / 10).await.unwrap();
    server.kill().await;
    let outcomes = writers.join_all().await;
    server.start_again().await;
    until("it answers again", async || directory.counts().await.is_ok()).await;

    let (mut acknowledged, mut unknown) = (0, 0);
    for (user, outcome) in outcomes.into_iter().flatten() {
        let is_there = find_user(&*directory, &user).await.is_some();
        match outcome {
            Ok(_) => {
                assert!(is_there, "{user} was acknowledged and is lost");
                acknowledged += 1;
            }
            Err(Error::Failed(told)) => {
                assert!(told.contains("could not be confirmed"), "{told}");
                unknown += 1;
            }
            Err(error) => assert!(!is_there, "{user} is there, although: {error}"),
        }
    }
    assert!((WRITES / 10..WRITES).contains(&acknowledged), "{acknowledged}");
    assert!(unknown <= WRITERS, "no more than there are connections: {unknown}");
    let position = directory.position().await.unwrap();
    assert_eq!(position.revision, directory.counts().await.unwrap().users);
}

fn one(user: &str) -> Batch {
    crate::testing::one_user(new_user(user))
}
