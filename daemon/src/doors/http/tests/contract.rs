//! `openapi.json` is what others build on: everything that it says may be answered is answered here, from the outside, by each
//! operation. How a status comes about is the same for most of them, so that an operation that is new is asked for all of
//! its own.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request as RawRequest;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tower::ServiceExt as _;

use super::login_code::Exchange;
use super::provision::provisioned;
use super::rest::{Answer, send};
use super::*;
use crate::directory::{Networks, Scope, Scopes};
use crate::service::{Caller, NewAccount, TokenRequest};
use crate::testing::{SHARED_TOKEN, TestNode, name, secret};

/// A key that requests are done once with.
const KEY: &str = "0123456789abcdef";

/// An OpenID provider that does not answer.
const NO_PROVIDER: &str = "http://127.0.0.1:9";

/// Something that the contract names.
#[derive(Clone)]
struct Operation {
    id: String,
    method: Method,
    /// With the examples of what stands in it.
    path: String,
    body: Option<Value>,
    /// Each status with what the contract says about it.
    statuses: Vec<(u16, String)>,
    takes_token: bool,
}

impl Operation {
    fn is_change(&self) -> bool {
        self.statuses.iter().any(|(status, _)| *status == 423)
    }

    /// How large a body may be.
    fn limit(&self) -> usize {
        if self.id == "createBatch" { MAX_BATCH_BYTES } else { MAX_HTTP_BODY_BYTES }
    }

    /// With the token and the body that belong to it.
    fn request(&self, door: &ServedNode, token: &str) -> RequestBuilder {
        let request = door.anonymous(self.method.clone(), &self.path);
        let request = if self.takes_token { request.bearer_auth(token) } else { request };
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// The same with another body, as it is.
    fn with_body(&self, (door, token): (&ServedNode, &str), kind: &str, body: &str) -> RequestBuilder {
        let request = door.anonymous(self.method.clone(), &self.path).bearer_auth(token);
        request.header("content-type", kind).body(body.to_owned())
    }
}

fn contract() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).unwrap()
}

/// What `$ref` leads to.
fn resolved<'a>(contract: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(link) => contract.pointer(link.trim_start_matches('#')).unwrap_or_else(|| panic!("{link}")),
        None => value,
    }
}

fn operations(contract: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (template, item) in contract["paths"].as_object().unwrap() {
        let mut path = template.clone();
        for parameter in item["parameters"].as_array().into_iter().flatten() {
            let parameter = resolved(contract, parameter);
            let (name, example) =
                (parameter["name"].as_str().unwrap(), parameter["example"].as_str().unwrap());
            path = path.replace(&format!("{{{name}}}"), example);
        }
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            let statuses = operation["responses"].as_object().unwrap().iter().map(|(status, answer)| {
                let words = resolved(contract, answer)["description"].as_str().unwrap();
                (status.parse().unwrap(), words.to_owned())
            });
            let id = operation["operationId"].as_str().unwrap().to_owned();
            // There is a token of that name already.
            let path = if id == "keepToken" { path.replace("backup", "laptop") } else { path.clone() };
            operations.push(Operation {
                id,
                method: method.to_uppercase().parse().unwrap(),
                path,
                body: operation["requestBody"]["content"]
                    .as_object()
                    .and_then(|kinds| kinds.values().next())
                    .map(|content| content["example"].clone()),
                statuses: statuses.collect(),
                takes_token: operation.get("security").is_none(),
            });
        }
    }
    operations
}

/// The doors that the operations are asked at.
struct Doors {
    open: ServedNode,
    /// A token for everything, and one for nothing but one's own password.
    tokens: [String; 2],
    read_only: ServedNode,
    away: ServedNode,
    /// A token for everything.
    of_away: String,
    slow: ServedNode,
}

/// A node with everybody whom the examples speak of, and a token for everything.
pub(super) async fn example_node() -> (TestNode, String) {
    let node = TestNode::start().await;
    let (root, service) = (&Caller::Root, &node.service);
    service.create_group(root, name("physics"), None, false).await.unwrap();
    for user in ["ada", "bob"] {
        let password = Some(secret("a long enough password"));
        let account = NewAccount { groups: vec![name("physics")], password, ..NewAccount::default() };
        service.create_user(root, name(user), account).await.unwrap();
    }
    let mut last = String::new();
    for (owner, token) in [("ada", "backup"), ("bob", "everything")] {
        let all = [Scope::Read, Scope::Authenticate, Scope::Write, Scope::Password, Scope::Provision];
        let request = TokenRequest {
            owner: Some(name(owner)),
            name: token.parse().unwrap(),
            scopes: Scopes::new(all).unwrap(),
            networks: Networks::default(),
            expires_at: None,
        };
        last = service.create_token(root, request).await.unwrap().1.expose().to_owned();
    }
    (node, last)
}

async fn example_door() -> (ServedNode, String) {
    let (node, token) = example_node().await;
    let door = ServedNode::start_with(node, |service| service.max_requests_per_second = 10_000).await;
    door.creates_at_logins(NO_PROVIDER);
    (door, token)
}

impl Doors {
    async fn open() -> Self {
        let (open, token) = example_door().await;
        let own = json!({"owner": "bob", "name": "own", "scopes": ["password"]});
        let own = open.post("/v1/tokens", own).await.body["secret"].as_str().unwrap().to_owned();
        let (node, _) = example_node().await;
        let read_only = ServedNode::start_with(node, |service| service.readonly = true).await;
        let (away, of_away) = example_door().await;
        away.node.directory().close().await;
        let (node, _) = example_node().await;
        let slow = ServedNode::start_with(node, |service| service.max_requests_per_second = 1).await;
        Self { open, tokens: [token, own], read_only, away, of_away, slow }
    }

    /// Has an operation answer with a status.
    async fn produce(&self, operation: &Operation, status: u16) -> Answer {
        let Self { open, tokens: [token, own], read_only, away, of_away, slow } = self;
        let request = || operation.request(open, token);
        send(match status {
            200 if operation.id == "provision" => return provisioned("grace").await,
            409 if operation.id == "provision" => return provisioned("ada").await,
            // This takes a token that a provider signs.
            200 if operation.id == "exchangeToken" => return Exchange::start().await.exchange().await,
            // Each of these begins with the directory of the examples.
            200 | 201 | 204 => {
                let (door, token) = example_door().await;
                return send(operation.request(&door, &token)).await;
            }
            304 => request().header("If-None-Match", "*"),
            400 => operation.with_body((open, token), "application/json", "}"),
            401 => open.anonymous(operation.method.clone(), &operation.path),
            // Nobody vouches for anybody there.
            403 if operation.id == "exchangeToken" => operation.request(read_only, SHARED_TOKEN),
            403 => operation.request(open, own),
            404 if operation.id == "createUser" => open
                .request(Method::POST, "/v1/users")
                .json(&json!({"name": "eve", "groups": ["no-such-group"]})),
            404 if operation.id == "createToken" => open
                .request(Method::POST, "/v1/tokens")
                .json(&json!({"owner": "nobody-here", "name": "laptop"})),
            404 => {
                let path = operation.path.replace("ada", "nobody-here").replace("physics", "no-such-group");
                let nobody = Operation { path, ..operation.clone() };
                nobody.request(open, token)
            }
            409 => {
                let (door, token) = example_door().await;
                let request = || operation.request(&door, &token).header("Idempotency-Key", KEY);
                assert!(request().send().await.unwrap().status().is_success());
                forget_what_was_answered(&door.node).await;
                return send(request()).await;
            }
            412 => request().header("If-Match", "\"0\""),
            410 => open.request(Method::GET, &format!("{}?since=another.1.1", operation.path)),
            413 => {
                let large = " ".repeat(operation.limit() + 1);
                operation.with_body((open, token), "application/json", &large)
            }
            415 => operation.with_body((open, token), "text/plain", "{}"),
            422 if operation.body.is_some() => {
                operation.with_body((open, token), "application/json", "{\"no_such_field\":1}")
            }
            422 if operation.is_change() => request().header("Idempotency-Key", "short"),
            422 => open.request(Method::GET, &format!("{}?limit=0&since=x&counts=x", operation.path)),
            423 => operation.request(read_only, SHARED_TOKEN),
            429 => {
                let requests = (0..4).map(|_| send(operation.request(slow, SHARED_TOKEN)));
                let mut answers = join_all(requests).await.into_iter();
                return answers.find(|answer| answer.status == 429).expect("one a second is answered");
            }
            501 => {
                let (node, token) = example_node().await;
                let door = ServedNode::start_with(node, |_| ()).await;
                return send(operation.request(&door, &token)).await;
            }
            508 => request().header(VIA, &open.node.service.instance),
            503 => operation.request(away, of_away),
            other => panic!("{}: how does {other} come about?", operation.id),
        })
        .await
    }
}

/// As with an answer that was too long to be kept.
async fn forget_what_was_answered(node: &TestNode) {
    let file = SqliteConnectOptions::new().filename(node.folder.join("node.sqlite"));
    let mut connection = file.connect().await.unwrap();
    sqlx::query("UPDATE answers SET body = NULL").execute(&mut connection).await.unwrap();
}

/// What the contract says, that nobody has brought about in [`Doors::produce`], comes about in tests of its own.
const ELSEWHERE: &[u16] = &[408];

#[tokio::test(flavor = "multi_thread")]
async fn every_status_of_the_contract_comes_about() {
    let (contract, doors, mut codes) = (contract(), Doors::open().await, BTreeSet::new());
    for operation in operations(&contract) {
        for (status, words) in operation.statuses.iter().filter(|(status, _)| !ELSEWHERE.contains(status)) {
            let answer = doors.produce(&operation, *status).await;
            assert_eq!(answer.status, *status, "{} {}: {}", operation.method, operation.path, answer.body);
            if *status >= 400 {
                let code = answer.body["code"].as_str().unwrap_or_default();
                assert!(words.contains(&format!("`{code}`")), "{}: {status} with {code}", operation.id);
                codes.insert(code.to_owned());
            }
        }
    }
    for code in Code::ALL.iter().map(|code| code.as_str()) {
        let comes_about_elsewhere = ELSEWHERE_TOLD.iter().any(|(told, _)| *told == code);
        assert!(codes.contains(code) || comes_about_elsewhere, "no test brings about {code}");
    }
    every_test_that_is_named_is_there();
}

/// Codes that come about under conditions of their own, and the tests in which they do.
const ELSEWHERE_TOLD: &[(&str, &str)] = &[
    ("wrong_token", include_str!("tokens.rs")),
    ("unwelcome", include_str!("provision.rs")),
    ("conflict", include_str!("rest.rs")),
    ("needs_tls", include_str!("hostile.rs")),
    ("method_not_allowed", include_str!("hostile.rs")),
    ("in_progress", include_str!("repeated.rs")),
    ("key_reused", include_str!("repeated.rs")),
    ("request_timeout", include_str!("contract.rs")),
    ("failed", include_str!("contract.rs")),
    ("busy", include_str!("contract.rs")),
];

fn every_test_that_is_named_is_there() {
    for (code, tests) in ELSEWHERE_TOLD {
        assert!(tests.contains(&format!("\"{code}\"")), "{code} comes about nowhere");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_holds_what_it_cannot_hold_is_broken_and_one_that_ends_is_busy() {
    let (node, _) = example_node().await;
    let file = SqliteConnectOptions::new().filename(node.folder.join("directory.sqlite"));
    let mut connection = file.connect().await.unwrap();
    sqlx::query("UPDATE users SET shell = 'none'").execute(&mut connection).await.unwrap();
    let door = ServedNode::start_with(node, |_| ()).await;
    assert_eq!(door.get("/v1/users/ada").await.problem(), (500, "failed", ""));

    let router = router(Http::new(Arc::clone(&door.node.service), watch::channel(true).1));
    let ready =
        RawRequest::builder().uri("/v1/ready").extension(visitor_from("192.0.2.7")).body(Body::empty());
    let answer = router.oneshot(ready.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["code"], "busy");
    door.close().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let node = TestNode::start().await;
    node.publishing.settings.send_modify(|settings| {
        Arc::make_mut(settings).service.access_token = SHARED_TOKEN.to_owned().into();
    });
    let router = router(Http::new(Arc::clone(&node.service), watch::channel(false).1));
    tokio::time::pause();
    for operation in operations(&contract()).iter().filter(|operation| operation.body.is_some()) {
        assert!(operation.statuses.iter().any(|(status, _)| *status == 408), "{}", operation.id);
        let never = Body::from_stream(stream::pending::<std::io::Result<Vec<u8>>>());
        let request = RawRequest::builder()
            .method(operation.method.clone())
            .uri(&operation.path)
            .header("authorization", format!("Bearer {SHARED_TOKEN}"))
            .header("content-type", "application/json")
            .extension(visitor_from("192.0.2.7"))
            .body(never)
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT, "{}", operation.id);
        let told = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&told).unwrap()["code"], "request_timeout");
    }
}

#[test]
fn every_code_is_in_the_contract_and_no_other() {
    let contract = contract();
    let listed = contract.pointer("/components/schemas/Problem/properties/code/enum").unwrap();
    let listed: BTreeSet<_> = listed.as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(listed, Code::ALL.iter().map(|code| code.as_str()).collect());
}
