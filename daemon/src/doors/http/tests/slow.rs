//! Peers that take their time, on a clock that runs as fast as nothing happens; and those who are under way when the door
//! closes.

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};

use super::super::connection::converse;
use super::*;
use crate::limits::{DRAIN_DEADLINE, HTTP_BODY_DEADLINE, HTTP_FIRST_REQUEST, HTTP_IDLE};

const ASK: &str = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection to a door with three paths: one answers at once, one when it is told to, one wants a body.
struct Line {
    peer: DuplexStream,
    asked: Arc<Notify>,
    answer_now: Arc<Notify>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Line {
    fn open() -> Self {
        let (peer, stream) = duplex(64 * 1024);
        let [asked, answer_now] = [(); 2].map(|()| Arc::new(Notify::new()));
        let (begun, told) = (Arc::clone(&asked), Arc::clone(&answer_now));
        let later = async move || {
            begun.notify_one();
            told.notified().await;
            "later"
        };
        let router = Router::new()
            .route("/now", get(async || "now"))
            .route("/later", get(later))
            .route("/body", post(async |_: Sent<Value>| "taken"));
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(converse(stream, visitor_from("192.0.2.7"), router, stopped));
        Self { peer, asked, answer_now, stop, serving }
    }

    async fn send(&mut self, text: &str) {
        self.peer.write_all(text.as_bytes()).await.unwrap();
    }

    /// What comes next, up to these words.
    async fn receive(&mut self, last: &str) -> String {
        let mut received = String::new();
        while !received.ends_with(last) {
            let byte = self.peer.read_u8().await.unwrap_or_else(|error| panic!("{error}: {received}"));
            received.push(byte.into());
        }
        received
    }

    /// How long it takes until the other side hangs up, and what it says before.
    async fn until_closed(mut self) -> (std::time::Duration, String) {
        let (began, mut rest) = (Instant::now(), String::new());
        self.peer.read_to_string(&mut rest).await.unwrap();
        self.serving.await.unwrap();
        (began.elapsed(), rest)
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_get_to_the_point_is_hung_up_on() {
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM", "GET /now HT", "GET /now HTTP/1.1\r\nHost: a\r\n"]
    {
        let mut line = Line::open();
        line.send(beginning).await;
        let (took, _) = line.until_closed().await;
        assert!(took >= HTTP_FIRST_REQUEST && took < 2 * HTTP_FIRST_REQUEST, "{beginning:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_too_slowly_is_given_up() {
    let mut line = Line::open();
    line.send(
        "POST /body HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    )
    .await;
    let began = Instant::now();
    let answer = line.receive("request_timeout").await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && began.elapsed() >= HTTP_BODY_DEADLINE, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_rest_between_two_requests_and_not_for_ever() {
    let mut line = Line::open();
    for _ in 0..3 {
        line.send(ASK).await;
        line.receive("now").await;
        advance(HTTP_IDLE / 2).await;
    }
    line.send(ASK).await;
    line.receive("now").await;
    let (took, _) = line.until_closed().await;
    assert!(took >= HTTP_IDLE && took < 2 * HTTP_IDLE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_its_time_and_the_door_closes_after_it() {
    let mut line = Line::open();
    line.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n").await;
    line.asked.notified().await;
    advance(2 * HTTP_IDLE).await;
    assert!(!line.serving.is_finished(), "nobody is idle who waits for an answer");
    line.stop.send_replace(true);
    advance(DRAIN_DEADLINE / 2).await;
    line.answer_now.notify_one();
    let (_, answer) = line.until_closed().await;
    assert!(answer.contains("connection: close") && answer.ends_with("later"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_not_waited_for_when_the_door_closes() {
    let mut line = Line::open();
    line.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n").await;
    line.asked.notified().await;
    line.stop.send_replace(true);
    let (took, answer) = line.until_closed().await;
    assert!(took >= DRAIN_DEADLINE && took < 2 * DRAIN_DEADLINE && answer.is_empty(), "{took:?} {answer}");
}
