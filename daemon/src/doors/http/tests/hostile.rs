//! What nobody sends who means well.

use axum::body::Body;
use axum::http::Request as RawRequest;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::rest::send;
use super::*;
use crate::testing::SHARED_TOKEN;

/// The first line of the answer to these bytes, sent as they are.
async fn raw(door: &ServedNode, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: pody\r\nConnection: close\r\nAuthorization: Bearer {SHARED_TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_none_are_nobodys() {
    let door = ServedNode::start().await;
    door.post("/v1/users", json!({"name": "ada"})).await;
    let long = "a".repeat(8000);
    for name in [
        "%2fetc",
        "ada%2f..",
        "..%2fada",
        "ada%00",
        "%00",
        "%ff%fe",
        "%F0%9F%A6%80",
        "ada%0a",
        "ADA",
        "-ada",
        "%20",
        "ada%2fpassword",
        &long,
    ] {
        for path in [
            format!("/v1/users/{name}"),
            format!("/v1/groups/{name}"),
            format!("/v1/groups/ada/members/{name}"),
        ] {
            let method = if path.contains("members") { "PUT" } else { "GET" };
            let line = raw(&door, &format!("{method} {path}"), "").await;
            let told = ["HTTP/1.1 404 Not Found", "HTTP/1.1 403 Forbidden"].contains(&line.as_str());
            assert!(told, "{method} {}: {line}", &path[..path.len().min(80)]);
        }
    }
    assert_eq!(raw(&door, "GET /v1/users/ada", "").await, "HTTP/1.1 200 OK");
    assert!(raw(&door, "GET /v1/users/\u{1}", "").await.starts_with("HTTP/1.1 400"));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_plain_objects_are_refused() {
    let door = ServedNode::start().await;
    let nested = format!("{{\"name\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let shallow = format!("{{\"name\":{}1{}}}", "[".repeat(50), "]".repeat(50));
    for (body, status, code, field) in [
        ("", 400, "bad_request", ""),
        ("{", 400, "bad_request", ""),
        ("{\"name\":\"ada\"}{", 400, "bad_request", ""),
        ("\u{feff}{\"name\":\"ada\"}", 400, "bad_request", ""),
        (nested.as_str(), 400, "bad_request", ""),
        (shallow.as_str(), 422, "invalid_input", "name"),
        ("null", 422, "invalid_input", "body"),
        ("[{\"name\":\"ada\"}]", 422, "invalid_input", "body"),
        ("{\"name\":\"ada\",\"name\":\"bob\"}", 422, "invalid_input", "body"),
        ("{\"name\":\"ada\",\"Name\":\"bob\"}", 422, "invalid_input", "Name"),
        ("{\"name\":\"ada\",\"is_admin\":\"true\"}", 422, "invalid_input", "is_admin"),
        ("{\"name\":\"ada\\u0000\"}", 422, "invalid_input", "name"),
        ("{\"name\":\"ada\",\"uid\":1e99}", 422, "invalid_input", "uid"),
        ("{\"name\":\"ada\",\"uid\":0}", 403, "refused", ""),
        ("{\"name\":\"ada\",\"home\":\"/home/../root\"}", 422, "invalid_input", "home"),
        ("{\"name\":\"ada\",\"gecos\":\"a:b\\nroot::0:0\"}", 422, "invalid_input", "gecos"),
    ] {
        let request = door.request(Method::POST, "/v1/users").header("content-type", "application/json");
        let answer = send(request.body(body.to_owned())).await;
        let shown = &body[..body.len().min(60)];
        assert_eq!(answer.problem(), (status, code, field), "{shown}: {}", answer.body);
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let request = door.request(Method::POST, "/v1/users").header("content-type", kind);
        let answer = send(request.body("{\"name\":\"ada\"}")).await;
        assert_eq!(answer.problem(), (415, "unsupported_media_type", ""), "{kind}");
    }
    assert_eq!(door.get("/v1/users").await.body["users"], json!([]), "nobody came of it");
    let charset =
        door.request(Method::POST, "/v1/users").header("content-type", "application/json; charset=utf-8");
    assert_eq!(send(charset.body("{\"name\":\"ada\"}")).await.status, 201);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_no_body_and_options_are_not_offered() {
    let door = ServedNode::start().await;
    door.post("/v1/users", json!({"name": "ada"})).await;
    let whole = door.get("/v1/users/ada").await;
    let head = door.request(Method::HEAD, "/v1/users/ada").send().await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["etag"]), (200, &whole.headers["etag"]));
    assert_eq!(head.bytes().await.unwrap().len(), 0);
    for method in [Method::OPTIONS, Method::TRACE, Method::POST] {
        let answer = send(door.request(method, "/v1/users/ada")).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed", ""));
        assert_eq!(answer.header("allow"), "GET,HEAD,PATCH,DELETE");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_an_admin_over_a_line_on_which_others_write() {
    let door = ServedNode::start().await;
    let router = router(Http::new(Arc::clone(&door.node.service), watch::channel(false).1));
    let ask = async |from: Visitor, method: &str, path: &str, body: &str| {
        let request = RawRequest::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {SHARED_TOKEN}"))
            .header("content-type", "application/json")
            .extension(from)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let beyond = || visitor_from("192.0.2.7");
    let refused = (403, "needs_tls".to_owned());
    let admin = "{\"name\":\"eve\",\"is_admin\":true}";
    assert_eq!(ask(beyond(), "POST", "/v1/users", admin).await, refused);
    assert_eq!(ask(beyond(), "POST", "/v1/users", "{\"name\":\"eve\",\"is_admin\":false}").await.0, 201);
    assert_eq!(ask(beyond(), "PATCH", "/v1/users/eve", "{\"is_admin\":true}").await, refused);
    assert_eq!(ask(visitor_from("::1"), "PATCH", "/v1/users/eve", "{\"is_admin\":true}").await.0, 200);
    assert_eq!(ask(beyond(), "PATCH", "/v1/users/eve", "{\"is_admin\":false}").await.0, 200);
    door.close().await;
}
