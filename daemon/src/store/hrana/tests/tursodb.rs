//! A server that is not of our making and speaks but a part of the protocol: single statements and batches, no streams.

use servers::TursoDb;

use super::{ADD, books, client_of, text};
use crate::store::hrana::{Error, Statement, Value};

const SHELF: &str = "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT UNIQUE)";

#[tokio::test]
async fn tursodb_carries_out_single_statements() {
    let server = TursoDb::start().await;
    let client = client_of(server.url());
    client.execute_once(SHELF, &[]).await.unwrap();
    let values = [
        text("naïve 🦀"),
        Value::Integer(i64::MIN),
        Value::Blob(vec![0, 255]),
        Value::Null,
        Value::Real(0.5),
    ];
    let rows = client.execute_once("SELECT ?1, ?2, ?3, ?4, ?5", &values).await.unwrap();
    assert_eq!(rows.rows, [values.to_vec()]);
    client.execute_once(ADD, &[text("Emma")]).await.unwrap();
    let error = client.execute_once(ADD, &[text("Emma")]).await.unwrap_err();
    assert!(error.is_unique_violation() && !error.outcome_unknown(), "{error:?}");
}

#[tokio::test]
async fn tursodb_carries_out_atomic_batches() {
    let server = TursoDb::start().await;
    let client = client_of(server.url());
    client.execute_once(SHELF, &[]).await.unwrap();
    let titles = ["Emma", "Persuasion", "Emma"].map(|title| [text(title)]);
    let adds = titles.each_ref().map(|args| Statement { sql: ADD, args });
    let error = client.atomic(&adds).await.unwrap_err();
    assert!(error.is_unique_violation(), "{error:?}");
    assert_eq!(books(&client).await, 0);
    client.atomic(&adds[..2]).await.unwrap();
    assert_eq!(books(&client).await, 2);
}

/// It would carry out BEGIN on the one connection that all its clients share.
#[tokio::test]
async fn on_tursodb_no_transaction_is_begun() {
    let server = TursoDb::start().await;
    let error = client_of(server.url()).open().await.unwrap_err();
    assert!(matches!(&error, Error::Refused(said) if said.contains("sqld")), "{error:?}");
}
