//! What is particular to a directory that is reached by HTTP.

use servers::hrana::{Hrana, Options, Trouble};
use tokio::task::JoinSet;

use crate::directory::{Directory, Error};
use crate::store::SqlDirectory;
use crate::store::hrana::{Client, Endpoint, Value};
use crate::testing::{add_user, create_user, find_user, new_user, until};

fn endpoint(server: &Hrana) -> Endpoint {
    Endpoint { url: server.url(), auth_token: None }
}

async fn directory(server: &Hrana) -> SqlDirectory {
    let directory = SqlDirectory::libsql(&endpoint(server), None).unwrap();
    directory.migrate().await.unwrap();
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_make_the_tables_at_once_and_once() {
    let server = Hrana::start(Options::default());
    let mut nodes = JoinSet::new();
    for _ in 0..10 {
        let directory = SqlDirectory::libsql(&endpoint(&server), None).unwrap();
        nodes.spawn(async move {
            directory.migrate().await.unwrap();
            directory.position().await.unwrap().epoch
        });
    }
    let mut epochs = nodes.join_all().await;
    epochs.dedup();
    assert_eq!(epochs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_podyd_are_left_alone() {
    let server = Hrana::start(Options::default());
    let directory = directory(&server).await;
    let newer = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', 'now', TRUE, x'00', 0)";
    Client::new(&endpoint(&server)).unwrap().execute_once(newer, &[]).await.unwrap();
    let error = directory.migrate().await.unwrap_err();
    assert!(matches!(&error, Error::Refused(said) if said.contains("9999")), "{error:?}");
    assert_eq!(server.open_streams(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_confirmation_was_lost_is_not_called_undone() {
    let server = Hrana::start(Options::default());
    let directory = directory(&server).await;
    server.trouble(Trouble::Cut, "COMMIT");
    let error = create_user(&directory, new_user("ada")).await.unwrap_err();
    assert!(matches!(&error, Error::Failed(said) if said.contains("look before")), "{error:?}");
    server.no_trouble();
    assert!(find_user(&directory, "ada").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_not_committed_leaves_nothing_and_keeps_nobody_out() {
    // The server waits as long for the next request of a stream whose answer was lost on the way.
    let stream_timeout = std::time::Duration::from_millis(200);
    let server = Hrana::start(Options { stream_timeout, ..Options::default() });
    let directory = directory(&server).await;
    for trouble in [Trouble::Cut, Trouble::Status(502)] {
        server.trouble(trouble, "INSERT INTO users");
        let error = create_user(&directory, new_user("ada")).await.unwrap_err();
        assert!(matches!(error, Error::Away(_)), "{error:?}");
    }
    server.no_trouble();
    add_user(&directory, "grace").await;
    assert!(find_user(&directory, "ada").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_not_an_empty_one_and_comes_back() {
    let mut server = Hrana::start(Options::default());
    let directory = directory(&server).await;
    add_user(&directory, "ada").await;
    server.stop();
    until("reading fails", async || matches!(directory.position().await, Err(Error::Away(_)))).await;
    let error = create_user(&directory, new_user("grace")).await.unwrap_err();
    assert!(matches!(error, Error::Away(_)), "{error:?}");
    server.start_again();
    assert!(find_user(&directory, "ada").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_waits_for_that_of_another_node() {
    let busy_timeout = std::time::Duration::ZERO;
    let server = Hrana::start(Options { busy_timeout, ..Options::default() });
    let directory = directory(&server).await;
    let mut other = Client::new(&endpoint(&server)).unwrap().open().await.unwrap();
    other.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    let before = server.requests();
    let waiting = tokio::spawn(async move { create_user(&directory, new_user("ada")).await });
    until("it has asked more than once", async || server.requests() > before + 3).await;
    other.finish("COMMIT", &[]).await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_are_checked() {
    let server = Hrana::start(Options::default());
    let mut session = directory(&server).await.write().await.unwrap();
    let stray = "INSERT INTO members (group_uuid, user_uuid, origin) VALUES ('nobody', 'nobody', 'admin')";
    assert!(matches!(session.execute(stray, &[]).await, Err(Error::Failed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_dropped_undoes_its_transaction() {
    let server = Hrana::start(Options::default());
    let directory = directory(&server).await;
    let mut session = directory.write().await.unwrap();
    session.execute("UPDATE directory SET revision = 7", &[]).await.unwrap();
    drop(session);
    add_user(&directory, "ada").await;
    assert_eq!(directory.position().await.unwrap().revision, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_leaves_nothing_open() {
    let server = Hrana::start(Options::default());
    let directory = directory(&server).await;
    add_user(&directory, "ada").await;
    assert!(find_user(&directory, "ada").await.is_some());
    until("its stream is closed", async || server.open_streams() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_directory_takes_no_more() {
    let server = Hrana::start(Options::default());
    let directory = directory(&server).await;
    directory.close().await;
    assert!(matches!(directory.position().await, Err(Error::Away(_))));
    let rows = Client::new(&endpoint(&server)).unwrap().execute_once("SELECT 1", &[]).await.unwrap();
    assert_eq!(rows.rows, [[Value::Integer(1)]]);
}
