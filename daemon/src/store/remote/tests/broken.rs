//! Services that are cut off, frozen, or something else altogether.

use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::*;
use crate::directory::Counts;
use crate::limits::CREDENTIAL_DEADLINE;
use crate::testing::{add_user, find_user, name, rules, until};
use crate::wire::{encode_begin, encode_position, encode_users};

/// Something that answers every request like this.
async fn answering(answer: impl Fn(&str) -> Response<Body> + Clone + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(async move |request: Request<Body>| answer(request.uri().path()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn response(status: StatusCode, kind: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).header("content-type", kind).body(body.into()).unwrap()
}

/// Something that does this with every connection, which it is told the number and the head of the request of.
async fn connecting<F>(attend: impl Fn(usize, String, TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            tokio::spawn(attend(number, String::from_utf8(head).unwrap(), stream));
        }
    });
    url
}

const POSITION: &str = r#"{"cursor":"e.7.1","committed_at":1,"users":2,"groups":0,"members":0}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_cut_off_changes_nothing() {
    let service = ServedNode::start().await;
    let ada = add_user(service.node.directory(), "ada").await;
    let folder = Folder::new();
    let replica = SqlDirectory::replica(&folder.join("replica.sqlite")).await.unwrap();
    let mut loader = replica.reload().await.unwrap();
    let dumped = remote(&base(&service)).dump(&mut loader).await;
    loader.finish(dumped).await.unwrap();
    let before = replica.position().await.unwrap();

    let position = Position { epoch: "e".into(), revision: 7, stamp: 1, committed_at: 1 };
    let counts = Counts { users: 2, ..Counts::default() };
    let bob = Member { user: identity::User { name: name("bob"), ..ada.user.clone() }, ..ada };
    let whole = [encode_begin(&position, counts), encode_users(&[bob]), encode_position(&position)].concat();
    // In the middle of a line, between two lines, and with less than was announced.
    for end in [whole.len() / 2, whole.len() - encode_position(&position).len(), whole.len()] {
        let cut = whole[..end].to_vec();
        let url = answering(move |path| match path {
            "/v1/changes" => response(StatusCode::OK, "application/x-ndjson", cut.clone()),
            _ => response(StatusCode::OK, "application/json", POSITION),
        })
        .await;
        let mut loader = replica.reload().await.unwrap();
        let dumped = remote(&url).dump(&mut loader).await;
        assert!(dumped.is_err());
        assert!(loader.finish(dumped).await.is_err());
        assert_eq!(replica.position().await.unwrap(), before);
        assert!(find_user(&replica, "ada").await.is_some() && find_user(&replica, "bob").await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_service_is_waited_for_no_longer_than_it_may_take() {
    let url = connecting(async |_, _, stream| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let mut provider = provider(&url);
    provider.timeout = Duration::from_millis(200);
    let remote = RemoteDirectory::new(&provider, "test".into()).unwrap();
    let began = Instant::now();
    let attempted = Attempted { name: name("ada"), password: "correct horse", rhost: None };
    for why in [remote.position().await.map(drop), remote.authenticate(attempted).await.map(drop)] {
        assert!(matches!(&why, Err(Error::Away(why)) if why.contains("within 0.2 s")), "{why:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens() {
    let why = remote("http://127.0.0.1:1").position().await.unwrap_err();
    assert!(matches!(&why, Error::Away(why) if why.contains("cannot be reached")), "{why:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_service_of_pody_is_not_believed_nor_quoted() {
    const PAGE: &str = "<h1>\u{1b}[2Jhunter2</h1>";
    let kinds = [
        (StatusCode::OK, "text/html", PAGE),
        (StatusCode::OK, "application/json", "{\"hunter2\": 1}"),
        (StatusCode::FORBIDDEN, "text/html", PAGE),
        (StatusCode::NOT_FOUND, "text/html", PAGE),
        (StatusCode::GONE, "text/html", PAGE),
        (StatusCode::INTERNAL_SERVER_ERROR, "application/problem+json", PAGE),
        (StatusCode::MOVED_PERMANENTLY, "text/html", PAGE),
        (StatusCode::BAD_GATEWAY, "text/html", PAGE),
    ];
    for (status, kind, body) in kinds {
        let url = answering(move |_| response(status, kind, body)).await;
        let remote = remote(&url);
        let why = remote.position().await.unwrap_err();
        let is_away = matches!(why, Error::Away(_));
        assert_eq!(is_away, status == StatusCode::BAD_GATEWAY, "{why:?}");
        assert!(is_away || matches!(why, Error::Failed(_)), "{why:?}");
        let position = Position { epoch: "e".into(), ..Position::default() };
        let feed = remote.changes(&position).await;
        assert!(matches!(feed, Err(_) | Ok(Feed::StartOver)), "{feed:?}");
        assert!(!format!("{why} {feed:?}").contains("hunter2"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_a_service_come_on_one_line() {
    let body = r#"{"code":"conflict","detail":"taken\u001b[31m\nroot logged in","status":409}"#;
    let url = answering(move |path| match path {
        "/v1/position" => response(StatusCode::OK, "application/json", POSITION),
        _ => response(StatusCode::CONFLICT, "application/problem+json", body),
    })
    .await;
    let why = remote(&url).delete_user(name("ada"), None).await;
    assert_eq!(why, Err(Error::Conflict("taken[31mroot logged in".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_profiles_is_not_taken_for_one_without_a_user() {
    for kind in ["application/problem+json", "text/html"] {
        let body = r#"{"code":"not_found","detail":"there is nothing at this path","status":404}"#;
        let url = answering(move |_| response(StatusCode::NOT_FOUND, kind, body)).await;
        let why = remote(&url).position().await.unwrap_err();
        let says = "not as a Pody profile service does (/v1/position gave 404): check remote_user_profile.provider.endpoint";
        assert!(matches!(&why, Error::Failed(why) if why.contains(says) && why.contains(&url)), "{why:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_answers_is_waited_for_although_it_cannot_be_followed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(async |request: Request<Body>| {
        if !request.uri().path().ends_with("/authenticate") {
            let body = r#"{"code":"failed","detail":"it is broken","status":500}"#;
            return response(StatusCode::INTERNAL_SERVER_ERROR, "application/problem+json", body);
        }
        // It takes its time, as one does that computes many hashes.
        let _ = timeout(CREDENTIAL_DEADLINE / 3, std::future::pending::<()>()).await;
        response(StatusCode::OK, "application/json", r#"{"verdict":"denied"}"#)
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = Folder::new();
    let directory = following(remote(&url), &folder).await;
    until("it is found out", async || directory.contact().unwrap().trouble.is_some()).await;
    let attempted = Attempted { name: name("ada"), password: "correct horse", rhost: None };
    assert_eq!(directory.authenticate(attempted).await, Ok(Some(Judged::Wrong)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_given_up() {
    let url = answering(|path| match path {
        "/v1/changes" => {
            let endless = futures_util::stream::repeat_with(|| {
                Ok::<_, std::io::Error>(axum::body::Bytes::from_static(&[b'x'; 65_536]))
            });
            response(StatusCode::OK, "application/x-ndjson", Body::from_stream(endless))
        }
        _ => response(StatusCode::OK, "application/json", vec![b' '; 5 * 1024 * 1024]),
    })
    .await;
    let remote = remote(&url);
    let why = remote.position().await.unwrap_err();
    assert!(matches!(&why, Error::Failed(why) if why.contains("more than")), "{why:?}");
    let why = remote.changes(&Position { epoch: "e".into(), ..Position::default() }).await.unwrap_err();
    assert!(matches!(&why, Error::Failed(why) if why.contains("a line of more than")), "{why:?}");
}

/// A service that hangs up on the first change, and does this with the second.
async fn hanging_up(second: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&keys);
    let url = connecting(move |_, head, mut stream| {
        let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned));
        let answer = match key {
            None => format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{POSITION}",
                POSITION.len()
            ),
            Some(key) => {
                let mut seen = seen.lock().unwrap();
                seen.push(key);
                if seen.len() == 1 { String::new() } else { second.to_owned() }
            }
        };
        async move { drop(stream.write_all(answer.as_bytes()).await) }
    })
    .await;
    (url, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_was_lost_is_asked_for_once_more_under_the_same_key() {
    let (url, keys) =
        hanging_up("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 14\r\n\r\n{\"revision\":7}")
            .await;
    let position = remote(&url).delete_user(name("ada"), None).await.unwrap();
    assert_eq!(position.revision, 7);
    let keys = keys.lock().unwrap();
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_confirmed_is_not_said_to_have_failed() {
    let (url, keys) = hanging_up("").await;
    let why = remote(&url).delete_user(name("ada"), None).await.unwrap_err();
    assert!(matches!(&why, Error::Failed(why) if why.contains("look before repeating it")), "{why:?}");
    assert_eq!(keys.lock().unwrap().len(), 2);
    let created = remote("http://127.0.0.1:1").create(Batch::default(), &rules(), false).await;
    assert!(matches!(created, Err(Error::Away(_))), "nothing was sent: {created:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_comes_back_is_followed_again_at_once() {
    let service = ServedNode::start().await;
    add_user(service.node.directory(), "ada").await;
    let address = service.address;
    let consumer = consumer(&base(&service)).await;
    let shows = async |user: &str| {
        consumer.directory().user(Key::Name(name(user))).await.is_ok_and(|user| user.is_some())
    };
    until("ada is there", async || shows("ada").await).await;
    let node = service.close().await;
    until("it is missed", async || consumer.directory().contact().unwrap().trouble.is_some()).await;
    assert!(shows("ada").await, "lookups go on");
    add_user(node.directory(), "bob").await;
    let began = Instant::now();
    let _service = ServedNode::start_with(node, |settings| settings.listen = address).await;
    until("bob is there", async || shows("bob").await).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
