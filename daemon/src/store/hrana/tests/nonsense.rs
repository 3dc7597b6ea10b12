//! Servers that say what the protocol does not allow: an error, and never rows.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use reqwest::Url;

use super::client_of;
use crate::limits::MAX_HRANA_ANSWER_BYTES;
use crate::store::hrana::{Error, transport};

const CLOSED: &str =
    r#"{"baton":null,"base_url":null,"results":[{"type":"ok","response":{"type":"close"}}]}"#;

/// A server that gives these answers, one to each connection.
fn scripted(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for answer in answers {
            let (mut connection, _) = listener.accept().unwrap();
            read_request(&mut connection);
            // A client that has heard enough hangs up.
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    url
}

/// Reads to the end of the request, so that closing the connection does not take the answer with it.
fn read_request(connection: &mut TcpStream) {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let length = connection.read(&mut part).unwrap();
        request.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= announced.parse().unwrap() {
            return;
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

/// What a client that has met a proper server makes of such an answer to its first statement.
async fn made_of(answer_to_statement: String) -> Error {
    let url = scripted(vec![answer("200 OK", "", CLOSED), answer_to_statement]);
    client_of(&url).execute_once("SELECT 1", &[]).await.unwrap_err()
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors_of_the_protocol() {
    let done = |response: &str| {
        let closed = r#"{"type":"ok","response":{"type":"close"}}"#;
        let results = format!(r#"[{{"type":"ok","response":{response}}},{closed}]"#);
        format!(r#"{{"baton":null,"base_url":null,"results":{results}}}"#)
    };
    let rows = |cols: &str, rows: &str| {
        done(&format!(
            r#"{{"type":"execute","result":{{"cols":{cols},"rows":{rows},"affected_row_count":0}}}}"#
        ))
    };
    for body in [
        String::new(),
        "<html>welcome</html>".into(),
        CLOSED.into(),
        done(r#"{"type":"close"}"#),
        done(r#"{"type":"dance"}"#),
        rows(r#"[{"name":"a"}]"#, r#"[[{"type":"null"},{"type":"null"}]]"#),
        rows(r#"[{"name":"a"}]"#, r#"[[{"type":"integer","value":"9223372036854775808"}]]"#),
        rows(r#"[{"name":"a"}]"#, r#"[[{"type":"blob","base64":"?"}]]"#),
    ] {
        let error = made_of(answer("200 OK", "", &body)).await;
        assert!(matches!(error, Error::Protocol(_)) && error.outcome_unknown(), "{body}: {error:?}");
        assert!(!error.to_string().contains("welcome"), "{error}");
    }
}

#[tokio::test]
async fn nobody_follows_a_redirect() {
    let elsewhere = "Location: http://127.0.0.1:9/v3/pipeline\r\n";
    let error = made_of(answer("307 Temporary Redirect", elsewhere, "")).await;
    assert!(matches!(&error, Error::Refused(said) if said.contains("307")), "{error:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let body = " ".repeat(MAX_HRANA_ANSWER_BYTES + 1);
    let error = made_of(answer("200 OK", "", &body)).await;
    assert!(matches!(&error, Error::Protocol(said) if said.contains("bytes")), "{error:?}");
}

#[tokio::test]
async fn what_a_server_says_is_cut_to_one_line() {
    let body = format!(r#"{{"message":"no\nsuch {}","code":"X"}}"#, "x".repeat(10_000));
    let said = made_of(answer("400 Bad Request", "", &body)).await.to_string();
    assert!(said.contains("nosuch xxx") && said.len() < 400, "{said}");
}

#[test]
fn a_stream_goes_on_at_an_address_that_is_as_safe() {
    let secure = Url::parse("https://db.example").unwrap();
    let plain = Url::parse("http://db.example").unwrap();
    assert!(transport::next_place(&secure, "https://b.example/x").is_ok());
    assert!(transport::next_place(&plain, "http://b.example").is_ok());
    for wish in ["http://b.example", "https://user:secret@b.example", "/v3", "ftp://b.example", ""] {
        assert!(transport::next_place(&secure, wish).is_err(), "{wish}");
    }
}
