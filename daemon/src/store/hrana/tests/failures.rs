//! A server that is away, turns us away, or fails: what we say, and whether a write may have happened.

use servers::hrana::{Hrana, Options, Trouble};

use super::{ADD, books, client_of, client_with, shelf, text};
use crate::store::hrana::{Client, Endpoint, Error};
use crate::testing::until;

#[tokio::test]
async fn a_server_that_is_away_is_unreachable() {
    let mut server = Hrana::start(Options::default());
    let client = client_of(&server.url());
    server.stop();
    let error = client.execute_once("SELECT 1", &[]).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable(_)) && !error.outcome_unknown(), "{error:?}");
    let said = error.to_string();
    assert!(said.contains(&server.url()) && said.contains("refused"), "{said}");
}

#[tokio::test]
async fn without_the_token_nothing_is_answered_and_the_token_is_never_shown() {
    let token = Some("correct-horse".to_owned());
    let server = Hrana::start(Options { auth_token: token, ..Options::default() });
    let wrong = client_with(&server.url(), "battery-staple");
    for client in [&wrong, &client_of(&server.url())] {
        let error = client.execute_once("SELECT 1", &[]).await.unwrap_err();
        assert!(matches!(&error, Error::Unauthorized(_)) && !error.outcome_unknown(), "{error:?}");
        assert!(!format!("{error} {error:?} {client:?}").contains("battery"));
    }
    client_with(&server.url(), "correct-horse").execute_once("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_the_outcome_unknown() {
    let (server, client) = shelf(Options::default()).await;
    let mut stream = client.open().await.unwrap();
    stream.execute("BEGIN IMMEDIATE", &[]).await.unwrap();
    stream.execute(ADD, &[text("Emma")]).await.unwrap();
    server.trouble(Trouble::Cut, "COMMIT");
    let error = stream.finish("COMMIT", &[]).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted(_)) && error.outcome_unknown(), "{error:?}");
    assert_eq!(books(&client).await, 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let (server, client) = shelf(Options::default()).await;
    server.trouble(Trouble::Ignore, "INSERT");
    // From here on, time passes as soon as nothing else happens.
    tokio::time::pause();
    let error = client.execute_once(ADD, &[text("Emma")]).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)) && error.outcome_unknown(), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_answers_for_the_server_is_told_by_its_status_alone() {
    let (server, client) = shelf(Options::default()).await;
    for (status, unknown) in [(502, true), (503, true), (404, false), (429, false)] {
        server.trouble(Trouble::Status(status), "INSERT");
        let error = client.execute_once(ADD, &[text("Emma")]).await.unwrap_err();
        assert_eq!(error.outcome_unknown(), unknown, "{error:?}");
        let said = error.to_string();
        assert!(said.contains(&status.to_string()) && !said.contains("html"), "{said}");
    }
    assert_eq!(books(&client).await, 0);
}

#[tokio::test]
async fn a_server_of_another_version_may_take_the_place_of_one_that_was_known() {
    let (mut server, client) = shelf(Options::default()).await;
    let port: u16 = server.url().rsplit(':').next().unwrap().parse().unwrap();
    server.stop();
    let older = Hrana::start(Options { version_3: false, port: Some(port), ..Options::default() });
    until("they understand each other", async || client.execute_once("SELECT 1", &[]).await.is_ok()).await;
    assert!(older.requests() > 0);
}

#[test]
fn an_address_that_cannot_be_used_is_refused_in_words_and_never_repeated() {
    for (url, word) in [
        ("db.example", "understood"),
        ("ftp://db.example", "must begin"),
        ("postgres://db.example", "must begin"),
        ("libsql://", "understood"),
        ("libsql://pody:battery-staple@db.example", "authToken"),
        ("https://db.example/?authToken=battery-staple", "authToken"),
        ("https://db.example/#battery-staple", "must end"),
    ] {
        let endpoint = Endpoint { url: url.into(), auth_token: None };
        let error = Client::new(&endpoint).unwrap_err();
        assert!(matches!(error, Error::Misconfigured(_)), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(!format!("{error:?} {endpoint:?}").contains("battery"));
    }
    let token = Some("battery\nstaple".to_owned().into());
    let error = Client::new(&Endpoint { url: "http://db.example".into(), auth_token: token }).unwrap_err();
    assert!(!error.to_string().contains("battery"), "{error}");
}

#[test]
fn libsql_means_https() {
    for (given, meant) in [
        ("libsql://db.example", "https://db.example/"),
        ("libsql://db.example:8443/pody/", "https://db.example:8443/pody/"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
    ] {
        assert_eq!(client_of(given).url(), meant);
    }
}
