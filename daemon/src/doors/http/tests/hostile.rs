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
async fn what_nodes_send_each_other_is_an_object_with_names_too() {
    let door = ServedNode::start().await;
    let uuid = "6f2c1bc4-2f2c-4f0e-9d0c-5f1f4a3c2b1a";
    for (method, path, body) in [
        (Method::POST, "/v1/batch", json!([[], [], [], true, true])),
        (Method::POST, "/v1/batch", json!({"groups": [[0, uuid, "physics", null, false]]})),
        (Method::POST, "/v1/batch", json!({"members": [[0, "physics", "ada"]]})),
        (Method::POST, "/v1/groups/physics/members", json!([["ada"], true])),
        (Method::POST, "/v1/tokens/lookup", json!(["0".repeat(64)])),
        (Method::POST, "/v1/tokens/page", json!([null, null, 10])),
        (Method::POST, "/v1/tokens/uses", json!([[uuid, 0, "192.0.2.7"]])),
        (Method::PUT, "/v1/tokens/ada/laptop", json!([uuid, "0".repeat(64), "read", "", null])),
    ] {
        let answer = send(door.request(method, path).json(&body)).await;
        assert_eq!(answer.problem(), (422, "invalid_input", "body"), "{path}: {}", answer.body);
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_deep_down_is_told_of_in_short() {
    let door = ServedNode::start().await;
    let field = "x".repeat(1000);
    let deep = format!("{}1{}", format!("{{\"{field}\":").repeat(300), "}".repeat(300));
    for path in ["/v1/users", "/v1/batch"] {
        let request = door.request(Method::POST, path).header("content-type", "application/json");
        let answer = send(request.body(deep.clone())).await;
        let detail = answer.body["detail"].as_str().unwrap();
        assert!([400, 422].contains(&answer.status) && detail.len() < 300, "{}", answer.body);
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_takes_away_what_can_be_taken_away_and_is_refused_elsewhere() {
    let door = ServedNode::start().await;
    door.post("/v1/users", json!({"name": "ada", "gecos": "Ada Lovelace"})).await;
    for field in ["new_name", "home", "shell", "state", "is_admin"] {
        let answer = door.patch("/v1/users/ada", json!({"gecos": null, field: null})).await;
        assert_eq!(answer.problem(), (422, "invalid_input", field), "{}", answer.body);
    }
    assert_eq!(door.get("/v1/users/ada").await.body["gecos"], "Ada Lovelace");
    assert_eq!(door.patch("/v1/users/ada", json!({"gecos": null})).await.body["gecos"], "");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_what_has_none_is_not_passed_over() {
    let door = ServedNode::start().await;
    door.post("/v1/groups", json!({"name": "physics"})).await;
    let made = door.post("/v1/users", json!({"name": "ada", "groups": ["physics"]})).await;
    door.post("/v1/tokens", json!({"owner": "ada", "name": "backup"})).await;
    let password = json!({"password": "a long enough password"});
    for (method, path, body) in [
        (Method::PUT, "/v1/users/ada/password", Some(&password)),
        (Method::DELETE, "/v1/users/ada/password", None),
        (Method::PUT, "/v1/groups/physics/members/ada", None),
        (Method::DELETE, "/v1/groups/physics/members/ada", None),
        (Method::DELETE, "/v1/tokens/ada/backup", None),
    ] {
        let request = door.request(method.clone(), path).header("If-Match", made.header("etag"));
        let request = body.map_or(request.try_clone().unwrap(), |body| request.json(body));
        assert_eq!(send(request).await.problem(), (412, "changed", ""), "{method} {path}");
    }
    assert_eq!(door.get("/v1/users/ada").await.header("etag"), made.header("etag"), "nothing was changed");
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
