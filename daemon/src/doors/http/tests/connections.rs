//! What a peer may send, how much, how slowly; and how the door closes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use tokio::task::spawn_blocking;

use super::*;
use crate::limits::MIN_HTTP_CONNECTIONS_PER_ADDRESS;
use crate::testing::{PATIENCE, TestNode, until};

const HEALTH: &str = "GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n";

/// What comes back on a new connection until the other side hangs up.
async fn exchange(door: &ServedNode, sent: String) -> String {
    let address = door.address;
    let exchange = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The other side may hang up in the middle of this.
        let _ = stream.write_all(sent.as_bytes());
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => String::from_utf8_lossy(&answer).into_owned(),
        }
    });
    exchange.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_too_large_is_refused() {
    let door = ServedNode::start().await;
    let huge = format!("GET /v1/health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let answer = exchange(&door, huge).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_come_in_by_one_port() {
    let door = ServedNode::start().await;
    let knows = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answer = knows.get(door.url("/v1/health")).send().await.unwrap();
    assert_eq!((answer.version(), answer.status()), (reqwest::Version::HTTP_2, StatusCode::OK));
    let answer = door.anonymous(Method::GET, "/v1/health").send().await.unwrap();
    assert_eq!((answer.version(), answer.status()), (reqwest::Version::HTTP_11, StatusCode::OK));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_has_more_than_its_share_of_connections() {
    let door = ServedNode::start_with(TestNode::start().await, |service| service.max_connections = 16).await;
    let mut open = Vec::new();
    for _ in 0..MIN_HTTP_CONNECTIONS_PER_ADDRESS {
        let mut stream = TcpStream::connect(door.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(HEALTH.as_bytes()).unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        open.push(stream);
    }
    assert_eq!(exchange(&door, HEALTH.into()).await, "", "it is closed without a word");
    open.pop();
    let one_more = async || door.anonymous(Method::GET, "/v1/health").send().await.is_ok();
    until("there is a place again", one_more).await;
    drop(open);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_end_with_the_door() {
    let door = ServedNode::start().await;
    door.anonymous(Method::GET, "/v1/health").send().await.unwrap();
    let mut silent = TcpStream::connect(door.address).unwrap();
    let began = std::time::Instant::now();
    let (address, node) = (door.address, door.close().await);
    assert!(began.elapsed() < crate::limits::DRAIN_DEADLINE / 2, "nobody was waited for");
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    assert!(TcpStream::connect(address).is_err());
    drop(node);
}
