//! `/v1/login-code`: whoever brings an ID token needs no other.

use axum::body::Body;
use axum::http::Request as RawRequest;
use serde_json::json;
use servers::{OidcOptions, OidcProvider};
use tower::ServiceExt as _;

use super::rest::{Answer, send};
use super::*;
use crate::clock::Clock;
use crate::config::{Oidc, parse_str};
use crate::service::{Caller, Login, Step, Verdict};
use crate::testing::{NOW, TestNode, secret};

const REDIRECT: &str = "http://127.0.0.1:4711/";

/// A service where whoever the provider knows gets an account, and an ID token of ada's.
pub struct Exchange {
    pub door: ServedNode,
    _idp: OidcProvider,
    id_token: String,
}

impl Exchange {
    pub async fn start() -> Self {
        let (node, idp) = (TestNode::start().await, OidcProvider::start(OidcOptions::default()).await);
        node.clock.advance(Clock::System.unix_seconds() - NOW);
        let users = parse_str("[oidc.users]\ncreate = true\nallow_everybody = true", &Default::default());
        node.publishing.settings.send_modify(|settings| {
            let settings = Arc::make_mut(settings);
            settings.oidc_users = users.unwrap().oidc_users;
            settings.oidc = Oidc {
                issuer: idp.issuer().parse().unwrap(),
                client_id: "pody".parse().unwrap(),
                scopes: "openid profile".parse().unwrap(),
                ..Oidc::default()
            };
        });
        let provider =
            crate::verifiers::oidc::Provider::new(&node.service.current_settings().oidc, Clock::System);
        let provider = provider.unwrap();
        let login = provider.begin_code(REDIRECT.parse().unwrap()).await.unwrap();
        let back = idp.log_in(login.url.as_str(), "sub-ada").await;
        let signed_in = provider.finish_code(login, back.split_once('?').unwrap().1).await.unwrap();
        let door = ServedNode::start_with(node, |_| ()).await;
        Self { door, _idp: idp, id_token: signed_in.id_token.expose().to_owned() }
    }

    pub async fn exchange(&self) -> Answer {
        let request =
            self.door.anonymous(Method::POST, "/v1/login-code").header("Idempotency-Key", "0123456789abcdef");
        send(request.json(&json!({"id_token": self.id_token}))).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_is_exchanged_for_a_code_that_logs_in_and_is_kept_nowhere() {
    let exchange = Exchange::start().await;
    let given = exchange.exchange().await;
    let (code, seconds) = (given.body["code"].as_str().unwrap().to_owned(), given.body["seconds"].as_u64());
    assert_eq!(
        (given.status, &given.body["name"], seconds),
        (200, &json!("ada"), Some(60)),
        "{}",
        given.body
    );
    assert_eq!(given.header("cache-control"), "no-store");
    let again = exchange.exchange().await;
    assert_eq!(again.problem(), (403, "refused", ""), "its key is no way to the answer");

    let service = &exchange.door.node.service;
    let login = Login { user: "ada".into(), service: "sshd".into(), rhost: None };
    let step = service.begin_login(&Caller::Root, login).await.unwrap();
    let Step::AskCode { login } = step else { panic!("it asks for the code: {step:?}") };
    let step = service.answer_login(&Caller::Root, &login, secret(&code)).await.unwrap();
    assert_eq!(step, Step::Done(Verdict::Granted.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_does_not_come_over_plain_http_from_elsewhere() {
    let node = TestNode::start().await;
    let router = router(Http::new(Arc::clone(&node.service), watch::channel(false).1));
    let request = RawRequest::builder()
        .method(Method::POST)
        .uri("/v1/login-code")
        .header("content-type", "application/json")
        .extension(visitor_from("192.0.2.7"))
        .body(Body::from("{\"id_token\":\"a.b.c\"}"))
        .unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["code"], "needs_tls");
}
