//! What takes several requests: transactions, and how they end.

use std::time::Duration;

use servers::hrana::{Options, Trouble};

use super::{ADD, books, shelf, text};
use crate::store::hrana::{Error, Value};
use crate::testing::until;

#[tokio::test]
async fn a_transaction_is_seen_by_nobody_else_before_its_end() {
    let (server, client) = shelf(Options::default()).await;
    let mut stream = client.open().await.unwrap();
    stream.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    stream.execute(ADD, &[text("Emma")]).await.unwrap();
    let within = stream.execute("SELECT count(*) FROM books", &[]).await.unwrap();
    assert_eq!(within.rows, [[Value::Integer(1)]]);
    assert_eq!(books(&client).await, 0);
    stream.finish("COMMIT", &[]).await.unwrap();
    assert_eq!((books(&client).await, server.open_streams()), (1, 0));
}

#[tokio::test]
async fn a_stream_that_is_closed_undoes_what_was_not_committed() {
    let (server, client) = shelf(Options::default()).await;
    let mut stream = client.open().await.unwrap();
    stream.execute("BEGIN", &[]).await.unwrap();
    stream.execute(ADD, &[text("Emma")]).await.unwrap();
    stream.close().await.unwrap();
    assert_eq!((books(&client).await, server.open_streams()), (0, 0));
    client.open().await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_dropped_keeps_nobody_out() {
    let (server, client) = shelf(Options::default()).await;
    let mut stream = client.open().await.unwrap();
    stream.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    stream.execute(ADD, &[text("Emma")]).await.unwrap();
    assert_eq!(server.open_streams(), 1);
    drop(stream);
    until("the stream is closed", async || server.open_streams() == 0).await;
    client.execute_once(ADD, &[text("Persuasion")]).await.unwrap();
    assert_eq!(books(&client).await, 1);
}

#[tokio::test]
async fn a_stream_whose_answer_was_not_waited_for_is_closed_by_the_server() {
    let (server, client) =
        shelf(Options { stream_timeout: Duration::from_millis(50), ..Options::default() }).await;
    let mut stream = client.open().await.unwrap();
    stream.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    server.trouble(Trouble::Mute, "INSERT");
    let given_up = tokio::time::timeout(Duration::from_millis(1), stream.execute(ADD, &[text("Emma")])).await;
    assert!(given_up.is_err());
    drop(stream);
    server.no_trouble();
    until("a writer gets in", async || client.execute_once(ADD, &[text("Persuasion")]).await.is_ok()).await;
    assert_eq!(books(&client).await, 1);
}

#[tokio::test]
async fn a_stream_that_waited_too_long_is_lost_and_its_transaction_undone() {
    let (server, client) =
        shelf(Options { stream_timeout: Duration::from_millis(50), ..Options::default() }).await;
    let mut stream = client.open().await.unwrap();
    stream.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    stream.execute(ADD, &[text("Emma")]).await.unwrap();
    until("the stream has expired", async || server.open_streams() == 0).await;
    let error = stream.finish("COMMIT", &[]).await.unwrap_err();
    assert!(matches!(error, Error::StreamLost(_)) && !error.outcome_unknown(), "{error:?}");
    assert_eq!(books(&client).await, 0);
}

#[tokio::test]
async fn a_stream_is_over_after_a_restart_of_the_server_and_the_client_is_not() {
    let (mut server, client) = shelf(Options::default()).await;
    client.execute_once(ADD, &[text("Emma")]).await.unwrap();
    let mut stream = client.open().await.unwrap();
    stream.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    stream.execute(ADD, &[text("Persuasion")]).await.unwrap();
    server.stop();
    until("it is gone", async || {
        matches!(client.execute_once(ADD, &[text("Sanditon")]).await, Err(Error::Unreachable(_)))
    })
    .await;
    server.start_again();
    let error = stream.execute("SELECT 1", &[]).await.unwrap_err();
    assert!(matches!(error, Error::StreamLost(_)), "{error:?}");
    assert_eq!(books(&client).await, 1);
}

#[tokio::test]
async fn a_stream_goes_on_where_the_server_wishes() {
    let (server, client) = shelf(Options { sticky: true, ..Options::default() }).await;
    let mut stream = client.open().await.unwrap();
    for statement in ["BEGIN", "INSERT INTO books (title) VALUES ('Emma')"] {
        stream.execute(statement, &[]).await.unwrap();
    }
    stream.finish("COMMIT", &[]).await.unwrap();
    let mut dropped = client.open().await.unwrap();
    dropped.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    drop(dropped);
    until("the stream is closed", async || server.open_streams() == 0).await;
    assert_eq!(books(&client).await, 1);
}

#[tokio::test]
async fn who_finds_another_writer_is_told_that_the_database_is_busy() {
    let (_server, client) =
        shelf(Options { busy_timeout: Duration::from_millis(20), ..Options::default() }).await;
    let mut writer = client.open().await.unwrap();
    writer.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    let error = client.execute_once(ADD, &[text("Emma")]).await.unwrap_err();
    assert!(error.is_busy() && !error.outcome_unknown(), "{error:?}");
    writer.close().await.unwrap();
    client.execute_once(ADD, &[text("Emma")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_many_at_once_lose_nothing() {
    let (_server, client) = shelf(Options::default()).await;
    client.execute_once("INSERT INTO books VALUES (1, '0')", &[]).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        writers.spawn(async move {
            for _ in 0..5 {
                let mut stream = client.open().await.unwrap();
                stream.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
                let read = stream.execute("SELECT title FROM books", &[]).await.unwrap();
                let Value::Text(count) = &read.rows[0][0] else { panic!("{read:?}") };
                let next = text(&(count.parse::<u32>().unwrap() + 1).to_string());
                stream.execute("UPDATE books SET title = ?1", &[next]).await.unwrap();
                stream.finish("COMMIT", &[]).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let rows = client.execute_once("SELECT title FROM books", &[]).await.unwrap();
    assert_eq!(rows.rows, [[text("50")]]);
}

#[tokio::test]
async fn a_text_of_several_statements_ends_with_the_first_that_fails() {
    let (_server, client) = shelf(Options::default()).await;
    let mut stream = client.open().await.unwrap();
    stream.sequence("CREATE TABLE a (x); CREATE TABLE b (x);").await.unwrap();
    let error = stream.sequence("INSERT INTO a VALUES (1); SELEC; INSERT INTO b VALUES (1);").await;
    assert!(matches!(error, Err(Error::Sql { .. })), "{error:?}");
    let counts =
        stream.execute("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)", &[]).await.unwrap();
    assert_eq!(counts.rows, [[Value::Integer(1), Value::Integer(0)]]);
}
