//! Requests that are sent again since their answers were lost.

use std::time::Duration;

use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::rest::{Answer, send};
use super::*;
use crate::testing::find_user;

const KEY: &str = "3f1c1b9e-0c53-4f6a-9d1c-5b8c1f0f2a77";

async fn create(door: &ServedNode, key: &str, body: Value) -> Answer {
    send(door.request(Method::POST, "/v1/users").header("Idempotency-Key", key).json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_again_and_not_done_again() {
    let door = ServedNode::start().await;
    let ada = json!({"name": "ada", "password": "correct horse"});
    let first = create(&door, KEY, ada.clone()).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    let revision = door.node.directory().position().await.unwrap().revision;
    let again = create(&door, KEY, ada.clone()).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!((&again.body, again.header("location")), (&first.body, first.header("location")));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(door.node.directory().position().await.unwrap().revision, revision);

    let reused = create(&door, KEY, json!({"name": "ada", "password": "another horse"})).await;
    assert_eq!(reused.problem(), (422, "key_reused", "Idempotency-Key"));
    let elsewhere = door.request(Method::DELETE, "/v1/users/ada").header("Idempotency-Key", KEY);
    assert_eq!(send(elsewhere).await.problem(), (422, "key_reused", "Idempotency-Key"));
    door.node.clock.advance(24 * 60 * 60);
    assert_eq!(create(&door, KEY, ada).await.problem(), (409, "conflict", ""), "it is a new request by now");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_may_be_tried_again() {
    let door = ServedNode::start().await;
    let refused = create(&door, KEY, json!({"name": "ada", "groups": ["physics"]})).await;
    assert_eq!(refused.problem(), (404, "not_found", ""));
    door.post("/v1/groups", json!({"name": "physics"})).await;
    assert_eq!(create(&door, KEY, json!({"name": "ada", "groups": ["physics"]})).await.status, 201);
    for wrong in ["short", "a key with blanks in it", &"x".repeat(129)] {
        let refused = create(&door, wrong, json!({"name": "bob"})).await;
        assert_eq!(refused.problem(), (422, "invalid_input", "Idempotency-Key"), "{wrong}");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_a_tokens_own() {
    let door = ServedNode::start().await;
    create(&door, KEY, json!({"name": "ada"})).await;
    let new = json!({"owner": "ada", "name": "tool", "scopes": ["read", "write"]});
    let token = door.post("/v1/tokens", new).await.body["secret"].as_str().unwrap().to_owned();
    let other = door.anonymous(Method::POST, "/v1/users").bearer_auth(token).header("Idempotency-Key", KEY);
    assert_eq!(send(other.json(&json!({"name": "bob"}))).await.status, 201);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_token_is_not_kept_for_the_second_time() {
    let door = ServedNode::start().await;
    door.post("/v1/users", json!({"name": "ada"})).await;
    let create = async || {
        let request = door.request(Method::POST, "/v1/tokens").header("Idempotency-Key", KEY);
        send(request.json(&json!({"owner": "ada", "name": "backup"}))).await
    };
    let made = create().await;
    assert_eq!(create().await.problem(), (409, "answer_not_kept", ""));
    let secret = made.body["secret"].as_str().unwrap();
    let node = door.close().await;
    node.service.node.close().await;
    for suffix in ["", "-wal"] {
        let kept = std::fs::read(node.folder.join(format!("node.sqlite{suffix}"))).unwrap_or_default();
        for canary in [secret, KEY] {
            assert!(!kept.windows(canary.len()).any(|part| part == canary.as_bytes()), "{canary}");
        }
    }
}

/// A change that waits for the database goes on when its caller has gone, and whoever asks meanwhile is told so.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_again_too_early_is_told_and_a_caller_who_hung_up_is_served_all_the_same() {
    let door = ServedNode::start().await;
    let file = SqliteConnectOptions::new().filename(door.node.folder.join("directory.sqlite"));
    let mut other = file.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let request = door.request(Method::POST, "/v1/users").header("Idempotency-Key", KEY);
    let hangs_up = request.json(&json!({"name": "ada"})).timeout(Duration::from_millis(500)).send().await;
    assert!(hangs_up.unwrap_err().is_timeout());
    let early = create(&door, KEY, json!({"name": "ada"})).await;
    assert_eq!(early.problem(), (409, "in_progress", ""));
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let mut answer = early;
    until("the change has been made", async || {
        answer = create(&door, KEY, json!({"name": "ada"})).await;
        answer.status != 409
    })
    .await;
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, "true"));
    assert!(find_user(door.node.directory(), "ada").await.is_some());
    door.close().await;
}
