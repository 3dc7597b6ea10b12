//! What goes in one request: single statements, and batches.

use servers::hrana::{Hrana, Options};

use super::{ADD, books, client_of, shelf, text};
use crate::store::hrana::{Condition, Outcome, Statement, Step, Value};

#[tokio::test]
async fn values_come_back_as_they_went() {
    let server = Hrana::start(Options::default());
    let values = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Integer(9_007_199_254_740_993),
        Value::Real(-0.5),
        text(""),
        text("naïve 🦀 \"quoted\" \\ \n NUL: \0."),
        Value::Blob(Vec::new()),
        Value::Blob((0..=255).collect()),
    ];
    let rows = client_of(&server.url())
        .execute_once("SELECT ?1 AS one, ?2, ?3, ?4, ?5, ?6, ?7, ?8 AS eight", &values)
        .await
        .unwrap();
    assert_eq!(rows.rows, [values.to_vec()]);
    assert_eq!((rows.columns[0].as_str(), rows.columns[7].as_str()), ("one", "eight"));
}

#[tokio::test]
async fn a_statement_says_how_many_rows_it_changed() {
    let (_server, client) = shelf(Options::default()).await;
    for title in ["Emma", "Persuasion"] {
        assert_eq!(client.execute_once(ADD, &[text(title)]).await.unwrap().affected, 1);
    }
    assert_eq!(client.execute_once("UPDATE books SET title = title || '!'", &[]).await.unwrap().affected, 2);
    assert_eq!(client.execute_once("DELETE FROM books WHERE id > 9", &[]).await.unwrap().affected, 0);
}

#[tokio::test]
async fn a_statement_by_itself_is_one_request_and_leaves_no_stream() {
    let (server, client) = shelf(Options::default()).await;
    let before = server.requests();
    client.execute_once(ADD, &[text("Emma")]).await.unwrap();
    assert_eq!((server.requests() - before, server.open_streams()), (1, 0));
}

#[tokio::test]
async fn an_empty_result_has_columns() {
    let (_server, client) = shelf(Options::default()).await;
    let rows = client.execute_once("SELECT id, title FROM books", &[]).await.unwrap();
    assert_eq!(rows.columns, ["id", "title"]);
    assert!(rows.rows.is_empty());
}

#[tokio::test]
async fn a_server_that_speaks_version_2_alone_is_spoken_to_in_it() {
    let (_server, client) = shelf(Options { version_3: false, ..Options::default() }).await;
    client.execute_once(ADD, &[text("Emma")]).await.unwrap();
    assert_eq!(books(&client).await, 1);
}

#[tokio::test]
async fn a_statement_that_is_refused_says_why() {
    let (_server, client) = shelf(Options::default()).await;
    let error = client.execute_once("SELEC", &[]).await.unwrap_err();
    assert!(error.to_string().contains("syntax error"), "{error}");
    let add = "INSERT INTO books (id) VALUES (7)";
    client.execute_once(add, &[]).await.unwrap();
    let error = client.execute_once(add, &[]).await.unwrap_err();
    assert!(error.is_unique_violation() && !error.is_busy() && !error.outcome_unknown(), "{error:?}");
    client.execute_once(ADD, &[]).await.unwrap_err();
}

#[tokio::test]
async fn an_atomic_batch_happens_as_a_whole() {
    let (server, client) = shelf(Options::default()).await;
    let titles = [[text("Emma")], [text("Persuasion")]];
    let [emma, persuasion] = titles.each_ref().map(|args| Statement { sql: ADD, args });
    let count = Statement { sql: "SELECT count(*) FROM books", args: &[] };
    let before = server.requests();
    let all = client.atomic(&[emma, count, persuasion, count]).await.unwrap();
    assert_eq!(server.requests() - before, 1);
    assert_eq!(all.len(), 4);
    assert_eq!(all[1].rows, [[Value::Integer(1)]]);
    assert_eq!(all[3].rows, [[Value::Integer(2)]]);
    assert_eq!(client.atomic(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn an_atomic_batch_of_which_one_part_fails_never_happened() {
    let (_server, client) = shelf(Options::default()).await;
    let title = [text("Emma")];
    let add = Statement { sql: ADD, args: &title };
    let twice = Statement { sql: "INSERT INTO books (id) VALUES (1), (1)", args: &[] };
    let error = client.atomic(&[add, twice, add]).await.unwrap_err();
    assert!(error.is_unique_violation(), "{error:?}");
    assert_eq!(books(&client).await, 0);
    client.atomic(&[add]).await.unwrap();
    assert_eq!(books(&client).await, 1);
}

#[tokio::test]
async fn a_batch_carries_out_what_its_conditions_allow() {
    let (_server, client) = shelf(Options::default()).await;
    let ok = |step| Condition::Ok { step };
    let not = |condition| Condition::Not { cond: Box::new(condition) };
    let failed = Condition::Error { step: 1 };
    let steps = [
        (None, "SELECT 1"),
        (None, "SELEC"),
        (Some(ok(0)), "SELECT 1"),
        (Some(ok(1)), "SELECT 1"),
        (Some(failed.clone()), "SELECT 1"),
        (Some(not(ok(1))), "SELECT 1"),
        (Some(Condition::And { conds: vec![ok(0), ok(1)] }), "SELECT 1"),
        (Some(Condition::Or { conds: vec![ok(1), failed] }), "SELECT 1"),
        (Some(not(ok(0))), "SELECT 1"),
    ]
    .map(|(condition, sql)| Step { condition, statement: Statement { sql, args: &[] } });
    let mut stream = client.open().await.unwrap();
    let outcomes = stream.batch(&steps).await.unwrap();
    let told: String = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Done(_) => 'd',
            Outcome::Failed(_) => 'f',
            Outcome::Skipped => 's',
        })
        .collect();
    assert_eq!(told, "dfdsddsds");
    stream.close().await.unwrap();
}
