//! The door over real sockets, from the outside.

mod changes;
mod connections;
mod contract;
mod hostile;
mod login_code;
mod metrics;
mod provision;
mod rates;
mod repeated;
mod rest;
mod slow;
mod tls;
mod tokens;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::bearer::Visitor;
use super::*;
use crate::testing::{ServedNode, until};

/// The code of a problem, which is told in full.
async fn problem(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = body(answer).await;
    assert_eq!(body["status"], status.as_u16(), "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

async fn body(answer: Response) -> Value {
    let text = answer.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_over_podyd_needs_no_token() {
    let door = ServedNode::start().await;
    for path in ["/v1/health", "/v1/ready"] {
        let answer = door.anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[VIA], door.node.service.instance.as_str());
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_told_apart() {
    let door = ServedNode::start().await;
    let nowhere = problem(door.request(Method::GET, "/v2/users")).await;
    assert_eq!(nowhere, (StatusCode::NOT_FOUND, "not_found".into()));
    let answer = door.request(Method::DELETE, "/v1/health").send().await.unwrap();
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(body(answer).await["code"], "method_not_allowed");
    door.close().await;
}

/// Whoever comes from this address, over a line on which others may read along.
fn visitor_from(address: &str) -> Visitor {
    Visitor { address: address.parse().unwrap(), tls: false }
}
