//! The feed from the outside: what it says, when it answers, and what it costs.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::testing::{SHARED_TOKEN, add_user, until};

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

#[tokio::test(flavor = "multi_thread")]
async fn no_more_copies_are_made_at_a_time_than_there_is_room_for() {
    let door = ServedNode::start().await;
    let batch = crate::directory::Batch {
        users: (0..2000).map(|number| crate::testing::new_user(&format!("user{number}"))).collect(),
        ..Default::default()
    };
    door.node.directory().create(batch, &crate::testing::rules(), false).await.unwrap();
    // They read the beginning, and no more: without compression, the rest does not fit into what the kernel holds for them.
    let mut reading = Vec::new();
    for _ in 0..MAX_DUMPS {
        let stream = tokio::net::TcpSocket::new_v4().unwrap();
        stream.set_recv_buffer_size(4096).unwrap();
        let mut stream = stream.connect(door.address).await.unwrap();
        let request =
            format!("GET /v1/changes HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {SHARED_TOKEN}\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let mut status = [0; 15];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200 OK");
        reading.push(stream);
    }
    let answer = door.request(Method::GET, "/v1/changes").send().await.unwrap();
    let may_come_back = answer.headers().contains_key("retry-after");
    if answer.status() == StatusCode::OK {
        // The kernel took all of it; then there is nothing to see here.
        return;
    }
    assert_eq!((answer.status(), may_come_back), (StatusCode::SERVICE_UNAVAILABLE, true));
    drop(reading);
    until("there is room again", async || {
        door.request(Method::GET, "/v1/changes").send().await.unwrap().status() == StatusCode::OK
    })
    .await;
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
