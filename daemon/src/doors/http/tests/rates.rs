//! How often somebody may ask; what large answers look like.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::StreamExt as _;
use reqwest::Client;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::compressed;
use super::*;
use crate::limits::{COMPRESSED_FROM_BYTES, WRONG_TOKENS};
use crate::testing::{PATIENCE, SHARED_TOKEN, TestNode};

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let node = TestNode::start().await;
    let door = ServedNode::start_with(node, |service| service.max_requests_per_second = 1).await;
    let ask = || door.request(Method::GET, "/metrics");
    let mut answer = ask().send().await.unwrap();
    while answer.status() == StatusCode::OK {
        answer = ask().send().await.unwrap();
    }
    assert_eq!(
        (answer.status(), &answer.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
    );
    assert_eq!(body(answer).await["code"], "too_many_requests");
    assert_eq!(
        status(door.anonymous(Method::GET, "/v1/health")).await,
        StatusCode::OK,
        "that is asked of all"
    );
    assert_eq!(
        status(door.anonymous(Method::GET, "/v1/ready")).await,
        StatusCode::OK,
        "others are not concerned"
    );
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_tokens_has_to_wait_and_the_node_beside_does_not() {
    let door = ServedNode::start().await;
    let guess = |token: &str| door.anonymous(Method::GET, "/metrics").bearer_auth(token);
    assert_eq!(status(guess(SHARED_TOKEN)).await, StatusCode::OK);
    for number in 0..WRONG_TOKENS {
        assert_eq!(status(guess(&number.to_string())).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(status(guess("one more")).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status(guess(SHARED_TOKEN)).await, StatusCode::OK);
    door.set(|service| service.access_token = "another".to_owned().into());
    assert_eq!(status(guess("another")).await, StatusCode::TOO_MANY_REQUESTS, "not known there yet");
    door.close().await;
}

/// Serves one path, whose answer comes out of a channel.
async fn stream(lines: mpsc::Receiver<String>) -> String {
    let lines = Arc::new(std::sync::Mutex::new(Some(lines)));
    let body = move || {
        let lines = lines.lock().unwrap().take().unwrap();
        let lines = futures_util::stream::unfold(lines, async |mut lines| Some((lines.recv().await?, lines)));
        std::future::ready(Body::from_stream(lines.map(Ok::<_, std::io::Error>)))
    };
    let router = Router::new().route("/", get(body)).layer(compressed());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        let visitor = Visitor { address: peer.ip(), tls: false };
        super::super::connection::converse(stream, visitor, router, stopped).await;
        drop(stop);
    });
    format!("http://{address}/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_compressed_stream_is_not_held_back_until_there_are_more() {
    let (send, lines) = mpsc::channel(1);
    let url = stream(lines).await;
    send.send("one\n".to_owned()).await.unwrap();
    let raw = Client::builder().no_gzip().build().unwrap().get(&url).header("accept-encoding", "gzip");
    let answer = timeout(PATIENCE, raw.send()).await.unwrap().unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    drop(answer);

    let (send, lines) = mpsc::channel(1);
    let url = stream(lines).await;
    let mut answer = timeout(PATIENCE, Client::new().get(&url).send()).await.unwrap().unwrap();
    for line in ["one\n", "two\n"] {
        send.send(line.to_owned()).await.unwrap();
        let chunk = timeout(PATIENCE, answer.chunk()).await.expect("it is held back").unwrap().unwrap();
        assert_eq!(chunk, line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_compressed_and_small_ones_are_not() {
    let door = ServedNode::start().await;
    let raw = Client::builder().no_gzip().build().unwrap();
    let encoding = async |path| {
        let request = raw.get(door.url(path)).header("accept-encoding", "gzip");
        let answer = request.send().await.unwrap();
        answer.headers().get("content-encoding").cloned()
    };
    let contract =
        door.anonymous(Method::GET, "/v1/openapi.json").send().await.unwrap().text().await.unwrap();
    assert!(contract.len() > usize::from(COMPRESSED_FROM_BYTES));
    assert_eq!(encoding("/v1/openapi.json").await.unwrap(), "gzip");
    assert_eq!(encoding("/v1/health").await, None);
    door.close().await;
}
