//! What a peer may send, how much, how often; and how the door closes.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use protocol::directory::{CreateUser, SetPassword};
use protocol::login::{Answer, Begin, Step};
use protocol::node::Status;

use super::*;
use crate::testing::until;

const STATUS: &[u8] = b"{\"method\":\"org.pody.Node.Status\"}\0";

fn error(reply: &Reply) -> protocol::Error {
    protocol::Error::from_reply(reply.error.as_deref().unwrap(), &reply.parameters)
}

/// The errors, by name, that these calls are answered with.
async fn errors(door: &Door, calls: &str) -> Vec<String> {
    let replies = door.exchange(calls.as_bytes().to_vec()).await;
    replies.into_iter().map(|reply| reply.error.unwrap_or_else(|| "none".into())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_and_the_conversation_goes_on() {
    let door = Door::open().await;
    let calls = "{]\0\0[]\0null\0{\"method\":7}\0{\"method\":\"org.pody.Node.Status\",\"parameters\":{}}\0";
    let invalid = "org.pody.InvalidInput".to_owned();
    let mut expected = vec![invalid; 5];
    expected.push("none".into());
    assert_eq!(errors(&door, calls).await, expected);
    let mut bytes = vec![0xff, 0xfe, 0];
    bytes.extend(STATUS);
    assert_eq!(door.exchange(bytes).await.len(), 2);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_and_fields_of_other_versions_are_named() {
    let door = Door::open().await;
    let replies = door
        .exchange(
            b"{\"method\":\"org.pody.Node.Dance\"}\0\
              {\"method\":\"org.pody.Node.Status\",\"parameters\":{\"verbose\":true}}\0\
              {\"method\":\"org.pody.Directory.DeleteUser\",\"parameters\":{}}\0\
              {\"method\":\"org.pody.Directory.DeleteUser\",\"parameters\":{\"name\":7}}\0"
                .to_vec(),
        )
        .await;
    let errors: Vec<_> = replies.iter().map(error).collect();
    assert!(matches!(&errors[0], protocol::Error::MethodNotFound { message } if message.contains("Dance")));
    assert!(
        matches!(&errors[1], protocol::Error::InvalidInput { message, .. } if message.contains("verbose"))
    );
    assert!(matches!(&errors[2], protocol::Error::InvalidInput { message, .. } if message.contains("name")));
    assert!(matches!(&errors[3], protocol::Error::InvalidInput { .. }));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_one_write_are_answered_in_order_and_one_in_pieces_too() {
    let door = Door::open().await;
    let calls = [STATUS, b"{\"method\":\"org.pody.Node.Dance\"}\0", STATUS].concat();
    let replies = door.exchange(calls).await;
    let answered: Vec<_> = replies.iter().map(|reply| reply.error.is_none()).collect();
    assert_eq!(answered, [true, false, true]);

    let mut stream = door.connect();
    let reply = spawn_blocking(move || {
        for byte in STATUS {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut reply = [0; 16];
        stream.read_exact(&mut reply).unwrap();
        reply
    });
    assert!(reply.await.unwrap().starts_with(b"{\"parameters\":{"));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_too_large_ends_the_conversation() {
    let door = Door::open().await;
    let longest = |bytes: usize| [vec![b' '; bytes], vec![0], STATUS.to_vec()].concat();
    assert_eq!(door.exchange(longest(MAX_FRAME_BYTES)).await.len(), 2);
    assert_eq!(door.exchange(longest(MAX_FRAME_BYTES + 1)).await.len(), 0);
    assert_eq!(door.exchange(vec![b' '; 3 * MAX_FRAME_BYTES]).await.len(), 0);
    assert_eq!(door.exchange(STATUS.to_vec()).await.len(), 1, "others are not concerned");
    door.close().await;
}

#[test]
fn a_reply_that_no_peer_would_take_is_told_in_words() {
    let reply = |bytes: usize| Reply { error: None, parameters: Value::String("x".repeat(bytes)) };
    let frame = frame_of(&reply(1000)).unwrap();
    assert_eq!(serde_json::from_slice::<Reply>(&frame[..frame.len() - 1]).unwrap().error, None);
    let frame = frame_of(&reply(MAX_FRAME_BYTES)).unwrap();
    let told: Reply = serde_json::from_slice(&frame[..frame.len() - 1]).unwrap();
    assert!(matches!(error(&told), protocol::Error::Failed { message } if message.contains("fewer records")));
}

#[test]
fn places_are_limited_for_each_uid_and_kept_free_for_root() {
    let places = Places::default();
    let mut taken: Vec<Place> = (0..MAX_CONNECTIONS_PER_UID).map(|_| places.take(1000).unwrap()).collect();
    assert!(places.take(1000).is_none());
    taken.pop();
    taken.push(places.take(1000).expect("a place that was given back"));
    for uid in 1001.. {
        let Some(place) = places.take(uid) else { break };
        taken.push(place);
        taken.extend((1..MAX_CONNECTIONS_PER_UID).map_while(|_| places.take(uid)));
    }
    assert_eq!(taken.len(), MAX_CONNECTIONS);
    let root: Vec<Place> = (0..MAX_CONNECTIONS).map_while(|_| places.take(0)).collect();
    assert_eq!(root.len(), MAX_CONNECTIONS);
    assert!(places.take(0).is_none());
    drop((taken, root));
    assert!(places.0.lock().unwrap().is_empty(), "nobody is remembered");
}

#[tokio::test]
async fn one_uid_has_one_turn_and_logins_and_root_wait_for_none() {
    let places = Places::default();
    let of_others = Arc::new(Semaphore::new(MAX_READS_OF_OTHERS));
    let turns = |uid| {
        let place = places.take(uid).unwrap();
        let turns = Turns { own: Arc::clone(&place.turn), of_others: Arc::clone(&of_others) };
        (place, Peer { uid, pid: 1 }, turns)
    };
    let all: Vec<_> = [1000, 1000, 1001, 1002, 0].map(turns).into();
    let is_free = async |(_, peer, turns): &(Place, Peer, Turns), method: &str| {
        timeout(Duration::from_millis(20), turns.wait(*peer, method)).await.is_ok()
    };
    let read = "org.pody.Directory.GetGroup";
    let mine = all[0].2.wait(all[0].1, read).await;
    assert!(!is_free(&all[1], read).await, "another connection of the same uid");
    assert!(is_free(&all[1], "org.pody.Login.Begin").await);
    let yours = all[2].2.wait(all[2].1, read).await;
    assert!(!is_free(&all[3], read).await, "no more than two");
    assert!(is_free(&all[4], read).await, "root");
    drop((mine, yours));
    assert!(is_free(&all[1], read).await && is_free(&all[3], read).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_gives_its_place_back() {
    let door = Door::open().await;
    for _ in 0..2 * MAX_CONNECTIONS {
        drop(door.connect());
    }
    let replies = async || door.exchange(STATUS.to_vec()).await.len();
    until("somebody is answered again", async || replies().await == 1).await;
    door.close().await;
}

/// Begins a login of ada with a wrong password, whose answer takes half a second.
async fn slow_call(door: &Door) -> impl Future<Output = Step> + use<> {
    let ada = CreateUser { name: "ada".into(), ..CreateUser::default() };
    door.call(ada).await.unwrap();
    let new = Some(protocol::directory::Secret("correct horse".into()));
    door.call(SetPassword { name: "ada".into(), old: None, new }).await.unwrap();
    let begin = Begin { user: "ada".into(), service: "sshd".into(), ..Begin::default() };
    let Step::Ask { login, .. } = door.call(begin).await.unwrap() else { panic!("a password is asked for") };
    let mut client = Client::new(door.connect(), PATIENCE);
    let answer = Answer { login, answer: protocol::directory::Secret("wrong horse".into()) };
    let answered = spawn_blocking(move || client.call(&answer).unwrap());
    let counted = async || door.node.service.node.failures(&["user:ada".to_owned()])[0].is_some();
    until("the password has been checked", counted).await;
    async { answered.await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_call_holds_nobody_else_up() {
    let door = Door::open().await;
    let slow = tokio::spawn(slow_call(&door).await);
    let began = Instant::now();
    while !slow.is_finished() && began.elapsed() < Duration::from_millis(200) {
        door.call(Status {}).await.unwrap();
    }
    assert!(!slow.is_finished(), "others were answered meanwhile");
    assert!(matches!(slow.await.unwrap(), Step::Done { .. }));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_under_way_finish_when_the_door_closes() {
    let door = Door::open().await;
    let slow = slow_call(&door).await;
    let mut idle = Client::new(door.connect(), PATIENCE);
    let mut idle = spawn_blocking(move || idle.call(&Status {}).map(|_| idle)).await.unwrap().unwrap();
    let socket = door.socket.clone();
    let node = door.close().await;
    assert!(matches!(slow.await, Step::Done { verdict: protocol::login::Verdict::Denied, .. }));
    let hung_up = spawn_blocking(move || idle.call(&Status {})).await.unwrap();
    assert!(matches!(hung_up, Err(ClientError::Away(_))), "who says nothing is hung up on");
    assert!(BlockingStream::connect(socket).is_err());
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_everybodys_and_takes_the_place_of_an_old_one() {
    let folder = crate::testing::Folder::new();
    let socket = folder.join("varlink");
    let old = listen(&socket).unwrap();
    let new = listen(&socket).unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o666);
    drop(old);
    let connected = BlockingStream::connect(&socket);
    assert!(connected.is_ok() && timeout(PATIENCE, new.accept()).await.unwrap().is_ok());
}
