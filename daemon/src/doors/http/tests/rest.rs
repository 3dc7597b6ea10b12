//! Users, groups, passwords and tokens, as a program elsewhere sees them.

use reqwest::header::{ETAG, HeaderMap};
use serde_json::json;

use super::*;

/// An answer that was read to its end.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The status, the code and the field of a problem.
    pub fn problem(&self) -> (u16, &str, &str) {
        (self.status, self.code(), self.body["field"].as_str().unwrap_or_default())
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    let kind = headers.get("content-type").map_or(&b""[..], |kind| kind.as_bytes());
    let is_json = kind.ends_with(b"/json") || kind.ends_with(b"+json");
    let body = if is_json { serde_json::from_str(&text).unwrap() } else { Value::from(text) };
    Answer { status, headers, body }
}

impl ServedNode {
    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_created_changed_and_deleted_elsewhere() {
    let door = ServedNode::start().await;
    door.post("/v1/groups", json!({"name": "physics"})).await;
    let new = json!({"name": "ada", "gecos": "Ada Lovelace", "email": null, "groups": ["physics"]});
    let made = door.post("/v1/users", new).await;
    assert_eq!((made.status, made.header("location")), (201, "/v1/users/ada"), "{}", made.body);
    let record = &made.body;
    assert_eq!((&record["gecos"], &record["groups"]), (&json!("Ada Lovelace"), &json!(["physics"])));
    assert_eq!((&record["home"], &record["has_password"]), (&json!("/home/ada"), &json!(false)));

    let shown = door.get("/v1/users/ada").await;
    assert_eq!((shown.status, &shown.body, shown.header("etag")), (200, record, made.header("etag")));
    let held = door.request(Method::GET, "/v1/users/ada").header("If-None-Match", made.header("etag"));
    let held = send(held).await;
    assert_eq!((held.status, &held.body, held.header("etag")), (304, &json!(""), made.header("etag")));

    let change = json!({"new_name": "countess", "email": "ada@example.org", "expires_at": "2030-01-31"});
    let changed = door.patch("/v1/users/ada", change).await;
    assert_eq!((changed.status, &changed.body["expires_at"]), (200, &json!("2030-01-31")));
    assert_eq!(door.get("/v1/users/ada").await.problem(), (404, "not_found", ""));
    let taken_away = door.patch("/v1/users/countess", json!({"email": null, "expires_at": ""})).await;
    assert!(taken_away.body.get("email").is_none() && taken_away.body.get("expires_at").is_none());

    let stale = door.request(Method::DELETE, "/v1/users/countess").header("If-Match", made.header("etag"));
    assert_eq!(send(stale).await.problem(), (412, "changed", ""));
    let current = taken_away.headers[ETAG].clone();
    let deleted = door.request(Method::DELETE, "/v1/users/countess").header("If-Match", current);
    let deleted = send(deleted).await;
    assert!(deleted.status == 200 && deleted.body["revision"].as_u64() > record["revision"].as_u64());
    assert_eq!(door.post("/v1/users", json!({"name": "ada"})).await.problem(), (409, "conflict", ""));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_come_in_pages_that_say_where_the_next_one_is() {
    let door = ServedNode::start().await;
    for user in ["ada", "bob", "eve"] {
        door.post("/v1/users", json!({"name": user})).await;
    }
    for (group, members) in [("art", 0), ("physics", 3)] {
        door.post("/v1/groups", json!({"name": group})).await;
        for user in ["ada", "bob", "eve"].iter().take(members) {
            let joined = send(door.request(Method::PUT, &format!("/v1/groups/{group}/members/{user}"))).await;
            assert_eq!(joined.status, 200, "{}", joined.body);
        }
    }
    for (path, first, second) in [
        ("/v1/users", "<?after=bob&limit=2>; rel=\"next\"", "eve"),
        ("/v1/groups/physics/members", "<?after=bob&limit=2>; rel=\"next\"", "eve"),
        ("/v1/groups?private=true", "<?after=art&limit=2&private=true>; rel=\"next\"", "bob"),
    ] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = door.get(&format!("{path}{separator}limit=2")).await;
        assert_eq!((page.header("link"), &page.body["more"]), (first, &json!(true)), "{}", page.body);
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let next = first.trim_start_matches('<').split('>').next().unwrap();
        let page = door.get(&format!("{path}{next}")).await;
        assert!(page.body.to_string().contains(second), "{}", page.body);
    }
    let last = door.get("/v1/users?after=bob").await;
    assert_eq!((last.header("link"), &last.body["more"]), ("", &json!(false)));
    let teams = door.get("/v1/groups").await;
    let names: Vec<_> = teams.body["groups"].as_array().unwrap().iter().map(|team| &team["name"]).collect();
    assert_eq!(names, ["art", "physics"], "private groups are not asked for");

    for wrong in ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "after=B", "after=a%00b", "offset=3"]
    {
        let refused = door.get(&format!("/v1/users?{wrong}")).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid_input"), "{wrong}: {}", refused.body);
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_created_joined_left_and_deleted_elsewhere() {
    let door = ServedNode::start().await;
    door.post("/v1/users", json!({"name": "ada"})).await;
    let made = door.post("/v1/groups", json!({"name": "physics", "gid": 1_950_000_000})).await;
    assert_eq!((made.status, &made.body["gid"]), (201, &json!(1_950_000_000)), "{}", made.body);
    assert_eq!(made.header("location"), "/v1/groups/physics");
    let ada = "/v1/groups/physics/members/ada";
    assert_eq!(send(door.request(Method::PUT, ada)).await.status, 200);
    let shown = door.get("/v1/groups/physics").await;
    assert_eq!(shown.body["members"], json!(["ada"]));
    let held = door.request(Method::GET, "/v1/groups/physics").header("If-None-Match", shown.header("etag"));
    assert_eq!(send(held).await.status, 304);
    let of_ada = door.get("/v1/users/ada").await;
    assert_eq!(of_ada.body["groups"], json!(["physics"]));
    assert_eq!(door.delete(ada).await.status, 200);
    assert_eq!(door.delete("/v1/groups/physics/members/nobody-here").await.problem(), (404, "not_found", ""));
    assert_eq!(door.delete("/v1/groups/ada").await.problem(), (403, "refused", ""), "it is ada's own");

    let stale = door.request(Method::DELETE, "/v1/groups/physics").header("If-Match", shown.header("etag"));
    assert_eq!(send(stale).await.problem(), (412, "changed", ""));
    send(door.request(Method::PUT, ada)).await;
    let held = door.get("/v1/users/ada").await;
    assert_eq!(door.delete("/v1/groups/physics").await.status, 200);
    let held = door.request(Method::GET, "/v1/users/ada").header("If-None-Match", held.header("etag"));
    assert_eq!(send(held).await.body["groups"], json!([]), "what is shown has changed, though ada was not");
    assert_eq!(door.get("/v1/groups/physics").await.problem(), (404, "not_found", ""));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_set_judged_and_taken_away() {
    let door = ServedNode::start().await;
    let (password, judge) = ("/v1/users/ada/password", "/v1/users/ada/authenticate");
    let made = door.post("/v1/users", json!({"name": "ada"})).await;
    let set = door.put(password, json!({"password": "correct horse"})).await;
    let revision = set.body["revision"].as_u64().unwrap();
    let right = door.post(judge, json!({"password": "correct horse", "rhost": "192.0.2.7"})).await;
    let granted = json!({"verdict": "granted", "uuid": made.body["uuid"], "password_revision": revision});
    assert_eq!((right.status, right.body), (200, granted));
    for user in ["ada", "nobody-here", "Not%20A%20Name"] {
        let path = format!("/v1/users/{user}/authenticate");
        let wrong = door.post(&path, json!({"password": "wrong horse battery"})).await;
        assert_eq!((wrong.status, wrong.body), (200, json!({"verdict": "denied"})));
    }
    let bcrypt = "$2b$04$abcdefghijklmnopqrstuuJm2Xo8hLzz5Z3rBq9Y0J7v0Qm1y2l2G";
    for (body, field) in [
        (json!({"password": "short"}), "password"),
        (json!({}), "password"),
        (json!({"password": "correct horse", "password_hash": bcrypt}), "password"),
        (json!({"password_hash": "correct horse"}), "password_hash"),
        (json!({"password": 1}), "password"),
        (json!({"pasword": "correct horse"}), "pasword"),
    ] {
        assert_eq!(door.put(password, body).await.problem(), (422, "invalid_input", field));
    }
    assert_eq!(door.put(password, json!({"password_hash": bcrypt})).await.status, 200);
    assert_eq!(door.delete(password).await.status, 200);
    assert_eq!(door.get("/v1/users/ada").await.body["has_password"], json!(false));
    let nobody = door.put("/v1/users/nobody-here/password", json!({"password": "correct horse"})).await;
    assert_eq!(nobody.problem(), (404, "not_found", ""));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_count_against_the_user_and_where_they_come_from() {
    let door = ServedNode::start().await;
    for user in ["ada", "bob"] {
        door.post("/v1/users", json!({"name": user, "password": "correct horse"})).await;
    }
    let judge = async |user: &str, password: &str, rhost: &str| {
        let body = json!({"password": password, "rhost": rhost});
        door.post(&format!("/v1/users/{user}/authenticate"), body).await.body
    };
    for _ in 0..4 {
        judge("ada", "wrong horse battery", "192.0.2.7").await;
    }
    let locked = judge("ada", "correct horse", "198.51.100.1").await;
    assert_eq!(locked["verdict"], "locked_out");
    assert!(locked["seconds"].as_u64().is_some_and(|seconds| seconds > 0), "{locked}");
    let failures = |subject: &str| door.node.service.node.failures(&[subject.to_owned()])[0].clone();
    assert_eq!(failures("source:192.0.2.7").unwrap().failures, 4);
    assert_eq!(failures("source:198.51.100.1"), None);
    assert_eq!(judge("bob", "correct horse", "198.51.100.1").await["verdict"], "granted");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_created_listed_used_and_revoked_elsewhere() {
    let door = ServedNode::start().await;
    door.post("/v1/users", json!({"name": "ada"})).await;
    let new = json!({"owner": "ada", "name": "backup", "scopes": ["read"], "networks": ["127.0.0.0/8"]});
    let made = door.post("/v1/tokens", new.clone()).await;
    assert_eq!((made.status, made.header("location")), (201, "/v1/tokens/ada/backup"), "{}", made.body);
    assert_eq!(door.post("/v1/tokens", new).await.problem(), (409, "conflict", ""));
    let secret = made.body["secret"].as_str().unwrap();
    let own = |method, path| door.anonymous(method, path).bearer_auth(secret);
    assert_eq!(send(own(Method::GET, "/v1/users")).await.status, 200);
    let refused = send(own(Method::DELETE, "/v1/users/ada")).await;
    assert_eq!(refused.problem(), (403, "refused", ""));
    assert!(refused.body["detail"].as_str().unwrap().contains("not write"), "{}", refused.body);
    let more = json!({"owner": "ada", "name": "more", "scopes": ["read", "provision"]});
    assert_eq!(
        door.post("/v1/tokens", more).await.problem(),
        (403, "refused", ""),
        "nobody gives what they lack"
    );

    door.post("/v1/tokens", json!({"owner": "ada", "name": "laptop"})).await;
    let page = door.get("/v1/tokens?limit=1&owner=ada").await;
    assert_eq!(page.header("link"), "<?after=ada/backup&limit=1&owner=ada>; rel=\"next\"");
    assert!(!page.body.to_string().contains(secret));
    let page = door.get("/v1/tokens?after=ada/backup&limit=1&owner=ada").await;
    assert_eq!((&page.body["tokens"][0]["name"], page.header("link")), (&json!("laptop"), ""));
    assert_eq!(door.get("/v1/tokens?after=ada").await.problem(), (422, "invalid_input", "after"));

    assert_eq!(door.delete("/v1/tokens/ada/backup").await.status, 200);
    let revoked = send(own(Method::GET, "/v1/users")).await;
    assert_eq!(revoked.problem(), (403, "wrong_token", ""));
    assert_eq!(door.delete("/v1/tokens/ada/Not%20A%20Name").await.problem(), (404, "not_found", ""));
    door.close().await;
}
