//! The feed from the outside: what it says, when it answers, and what it costs.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use super::*;
use crate::directory::Batch;
use crate::testing::{SHARED_TOKEN, add_user, new_user, rules, until};

/// So many users are more than what the kernel and podyd hold of an answer that nobody reads.
const MANY: usize = 20_000;

/// The lines of an answer.
async fn lines(request: RequestBuilder) -> Vec<Value> {
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"application/x-ndjson".parse().unwrap())
    );
    let text = answer.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where the lines end.
fn cursor(lines: &[Value]) -> String {
    lines.last().unwrap()["position"]["cursor"].as_str().unwrap().to_owned()
}

async fn everything(door: &ServedNode) -> Vec<Value> {
    lines(door.request(Method::GET, "/v1/changes")).await
}

fn since(door: &ServedNode, cursor: &str, wait: u64) -> RequestBuilder {
    door.request(Method::GET, &format!("/v1/changes?since={cursor}&wait={wait}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_first_and_ends_with_the_position() {
    let door = ServedNode::start().await;
    add_user(door.node.directory(), "ada").await;
    let all = everything(&door).await;
    let kinds: Vec<_> =
        all.iter().map(|line| line.as_object().unwrap().keys().next().unwrap().as_str()).collect();
    assert_eq!(kinds, ["begin", "user", "group", "position"]);
    assert_eq!((&all[0]["begin"]["users"], &all[1]["user"]["name"]), (&1.into(), &"ada".into()));
    let position = body(door.request(Method::GET, "/v1/position?counts=true").send().await.unwrap()).await;
    assert_eq!((position["cursor"].as_str(), &position["users"]), (Some(cursor(&all).as_str()), &1.into()));
    assert_eq!(lines(since(&door, &cursor(&all), 0)).await.len(), 1, "nothing has changed since");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_of_a_change_at_once() {
    let door = ServedNode::start().await;
    let before = cursor(&everything(&door).await);
    door.node.publishing.up_to_date().await;
    let waiting = tokio::spawn(lines(since(&door, &before, 30)));
    let account = crate::service::NewAccount::default();
    let caller = crate::service::Caller::Root;
    door.node.service.create_user(&caller, "ada".parse().unwrap(), account).await.unwrap();
    let began = Instant::now();
    let told = waiting.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(told.iter().any(|line| line["user"]["name"] == "ada"), "{told:?}");
    assert_ne!(cursor(&told), before);

    let in_vain = Instant::now();
    let nothing = lines(since(&door, &cursor(&told), 1)).await;
    assert_eq!((nothing.len(), cursor(&nothing)), (1, cursor(&told)));
    assert!(in_vain.elapsed() >= Duration::from_secs(1));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_of_elsewhere_are_gone_and_nonsense_is_wrong() {
    let door = ServedNode::start().await;
    let now = cursor(&everything(&door).await);
    let gone = (StatusCode::GONE, "start_over".into());
    assert_eq!(problem(since(&door, "another-epoch.1.2", 30)).await, gone);
    let (seen, _) = now.rsplit_once('.').unwrap();
    assert_eq!(problem(since(&door, &format!("{seen}.1"), 30)).await, gone, "another stamp");
    let wrong = (StatusCode::UNPROCESSABLE_ENTITY, "invalid_input".into());
    assert_eq!(problem(since(&door, "tomorrow", 0)).await, wrong);
    assert_eq!(problem(door.request(Method::GET, "/v1/changes?since=a.1.1&wait=soon")).await, wrong);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_when_podyd_ends_is_told_to_come_back() {
    let door = ServedNode::start().await;
    add_user(door.node.directory(), "ada").await;
    door.node.publishing.up_to_date().await;
    let now = cursor(&everything(&door).await);
    let waiting = tokio::spawn(since(&door, &now, 50).send());
    // Whoever has been answered since shows that the other one is being waited for, more or less.
    problem(since(&door, "a.1.1", 0)).await;
    let began = Instant::now();
    door.close().await;
    let told = waiting.await.unwrap();
    assert!(told.is_err() || told.unwrap().status() == StatusCode::SERVICE_UNAVAILABLE);
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// Begins to read everything, and stops: without compression, and as little as is taken, most of it does not leave podyd.
async fn read_the_beginning(door: &ServedNode) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(door.address).await.unwrap();
    let request =
        format!("GET /v1/changes HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {SHARED_TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_copies_are_made_at_a_time_than_leave_room_for_others() {
    let door = ServedNode::start().await;
    for thousands in 0..MANY / 1000 {
        let users = (0..1000).map(|number| new_user(&format!("user{}", 1000 * thousands + number)));
        let batch = Batch { users: users.collect(), ..Batch::default() };
        door.node.directory().create(batch, &rules(), false).await.unwrap();
    }
    let reading = join_all((0..MAX_DUMPS).map(|_| read_the_beginning(&door))).await;
    let answer = door.request(Method::GET, "/v1/changes").send().await.unwrap();
    let may_come_back = answer.headers().contains_key("retry-after");
    assert_eq!((answer.status(), may_come_back), (StatusCode::SERVICE_UNAVAILABLE, true));

    let others = (0..16).map(|_| door.request(Method::GET, "/v1/users/user7").send());
    let answers = timeout(Duration::from_secs(5), join_all(others)).await.expect("copies hold up nobody");
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status() == StatusCode::OK));
    drop(reading);
    until("there is room again", async || {
        door.request(Method::GET, "/v1/changes").send().await.unwrap().status() == StatusCode::OK
    })
    .await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_kept_is_for_those_alone_who_may_read() {
    let door = ServedNode::start().await;
    door.post("/v1/users", json!({"name": "ada"})).await;
    let token = json!({"owner": "ada", "name": "checks", "scopes": ["authenticate"]});
    let token = door.post("/v1/tokens", token).await.body["secret"].as_str().unwrap().to_owned();
    let before = cursor(&everything(&door).await);
    door.post("/v1/users", json!({"name": "bob"})).await;
    assert!(lines(since(&door, &before, 0)).await.len() > 1, "this answer is kept");
    let path = format!("/v1/changes?since={before}");
    let refused = problem(door.anonymous(Method::GET, &path).bearer_auth(token)).await;
    assert_eq!(refused, (StatusCode::FORBIDDEN, "refused".into()));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_what_is_their_own_is_refused() {
    let door = ServedNode::start().await;
    let own = door.node.service.instance.clone();
    let asked = problem(door.request(Method::GET, "/v1/changes").header(VIA, own)).await;
    assert_eq!(asked, (StatusCode::LOOP_DETECTED, "loop".into()));
    let answer = door.request(Method::GET, "/v1/position").header(VIA, "somebody-else").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    door.close().await;
}
