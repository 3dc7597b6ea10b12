//! Sessions, opened by real processes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use identity::{Day, State};
use protocol::helper::EndSessions;
use protocol::{Call, Method};

use crate::directory::{Directory, Error, UserChange};
use crate::process::Process;
use crate::service::{Caller, Opened, Opening, Peer};
use crate::testing::{NOW, TestNode, add_user, name, rules, until};

/// A process that opens a session, until it is dropped.
struct Leader(Child);

impl Leader {
    fn start() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap())
    }

    fn peer(&self) -> Peer {
        Peer { uid: 0, pid: self.0.id().cast_signed() }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn opening(user: &str, service: &str) -> Opening {
    Opening {
        user: name(user),
        service: service.into(),
        tty: Some("ssh".into()),
        rhost: Some("192.0.2.7".into()),
    }
}

async fn open(node: &TestNode, leader: &Leader, user: &str, service: &str) -> Opened {
    node.service.open_session(&Caller::Root, leader.peer(), opening(user, service)).await.unwrap()
}

/// The users whose sessions this caller sees.
async fn seen(node: &TestNode, caller: &Caller) -> Vec<String> {
    let page = node.service.sessions(caller, None, None, 100).await.unwrap();
    page.items.into_iter().map(|session| session.name.to_string()).collect()
}

#[tokio::test]
async fn a_session_is_listed_from_when_it_opens_until_it_closes() {
    let node = TestNode::start().await;
    let ada = add_user(node.directory(), "ada").await.user;
    let leader = Leader::start();
    assert_eq!(open(&node, &leader, "ada", "sshd").await, Opened::default());
    let page = node.service.sessions(&Caller::Root, None, None, 100).await.unwrap();
    let session = page.items.first().unwrap();
    assert_eq!((session.id, session.name.as_str(), session.uid), (1, "ada", ada.uid.0));
    assert_eq!((session.service.as_str(), session.rhost.as_deref()), ("sshd", Some("192.0.2.7")));
    assert_eq!((session.began_at, session.leader.pid), (NOW, leader.peer().pid));
    let other = Leader::start();
    node.service.close_session(&Caller::Root, other.peer()).await.unwrap();
    assert_eq!(seen(&node, &Caller::Root).await, ["ada"], "that was another process's");
    node.service.close_session(&Caller::Root, leader.peer()).await.unwrap();
    node.service.close_session(&Caller::Root, leader.peer()).await.unwrap();
    assert_eq!(seen(&node, &Caller::Root).await, [""; 0]);
}

#[tokio::test]
async fn a_session_outlives_podyd_and_not_the_process_that_opened_it() {
    let mut node = TestNode::start().await;
    add_user(node.directory(), "ada").await;
    let (stays, goes) = (Leader::start(), Leader::start());
    open(&node, &goes, "ada", "sshd").await;
    open(&node, &stays, "ada", "login").await;
    node.restart_service().await;
    assert_eq!(seen(&node, &Caller::Root).await, ["ada", "ada"]);
    drop(goes);
    assert_eq!(seen(&node, &Caller::Root).await, ["ada"]);
    node.restart_service().await;
    let session = node.service.sessions(&Caller::Root, None, None, 100).await.unwrap().items.remove(0);
    assert_eq!((session.id, session.service.as_str()), (2, "login"));
    // As after a boot: the file has the sessions of another one.
    node.service.node.keep_session("another-boot", &session).await.unwrap();
    node.restart_service().await;
    assert_eq!(seen(&node, &Caller::Root).await, [""; 0]);
}

#[tokio::test]
async fn what_brings_nobody_is_no_session_and_neither_is_what_is_not_ours() {
    let node = TestNode::start().await;
    add_user(node.directory(), "ada").await;
    let leaders: Vec<Leader> = (0..4).map(|_| Leader::start()).collect();
    for (leader, service) in leaders.iter().zip(["cron", "systemd-user", "sudo", "su"]) {
        assert_eq!(open(&node, leader, "ada", service).await, Opened::default());
    }
    assert_eq!(open(&node, &leaders[0], "stranger", "sshd").await, Opened::default());
    let nowhere = Peer { uid: 0, pid: 0 };
    let opened = node.service.open_session(&Caller::Root, nowhere, opening("ada", "sshd")).await;
    assert_eq!(opened.unwrap(), Opened::default(), "a process of another namespace comes in all the same");
    assert_eq!(seen(&node, &Caller::Root).await, [""; 0]);
}

#[tokio::test]
async fn users_see_their_own_sessions_and_only_root_says_that_one_begins() {
    let node = TestNode::start().await;
    for user in ["ada", "bob"] {
        add_user(node.directory(), user).await;
    }
    let (first, second) = (Leader::start(), Leader::start());
    open(&node, &first, "ada", "sshd").await;
    open(&node, &second, "bob", "sshd").await;
    let [ada, eve] = ["ada", "eve"].map(name);
    assert_eq!(seen(&node, &Caller::Admin(eve)).await, ["ada", "bob"]);
    assert_eq!(seen(&node, &Caller::User(ada)).await, ["ada"]);
    let of_bob = async |caller: Caller| node.service.sessions(&caller, Some(name("bob")), None, 100).await;
    assert!(matches!(of_bob(Caller::User(ada)).await, Err(Error::Refused(_))));
    assert!(matches!(of_bob(Caller::Other(1000)).await, Err(Error::Refused(_))));
    assert_eq!(of_bob(Caller::Root).await.unwrap().items.len(), 1);
    for caller in [Caller::User(ada), Caller::Admin(eve), Caller::Other(1000)] {
        let opened = node.service.open_session(&caller, first.peer(), opening("ada", "sshd")).await;
        assert!(matches!(opened, Err(Error::Refused(_))), "{caller:?}");
        assert!(node.service.close_session(&caller, first.peer()).await.is_err(), "{caller:?}");
    }
    assert_eq!(seen(&node, &Caller::Root).await, ["ada", "bob"]);
}

#[tokio::test]
async fn sessions_are_listed_a_page_at_a_time_also_of_whoever_was_deleted() {
    let node = TestNode::start().await;
    add_user(node.directory(), "ada").await;
    let leaders: Vec<Leader> = (0..3).map(|_| Leader::start()).collect();
    for leader in &leaders {
        open(&node, leader, "ada", "sshd").await;
    }
    let list = async |after| {
        let page = node.service.sessions(&Caller::Root, Some(name("ada")), after, 2).await.unwrap();
        (page.items.iter().map(|session| session.id).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(list(None).await, (vec![1, 2], true));
    assert_eq!(list(Some(2)).await, (vec![3], false));
    node.directory().delete_user(name("ada"), None).await.unwrap();
    assert_eq!(list(Some(1)).await, (vec![2, 3], false));
    let nobody = node.service.sessions(&Caller::Root, Some(name("bob")), None, 2).await;
    assert!(matches!(nobody, Err(Error::NotFound(_))));
}

/// A podyd-helper that ends sessions by killing their leaders, and notes what it was asked.
struct HelperOfTests(Arc<Mutex<Vec<EndSessions>>>);

impl HelperOfTests {
    fn listen(node: &TestNode) -> Self {
        let asked: Arc<Mutex<Vec<EndSessions>>> = Arc::default();
        let listener = UnixListener::bind(&node.publishing.settings.borrow().paths.helper).unwrap();
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut frame = Vec::new();
                BufReader::new(&stream).read_until(0, &mut frame).unwrap();
                let call: Call<'_> = serde_json::from_slice(frame.strip_suffix(&[0]).unwrap()).unwrap();
                // Homes are made, too.
                if call.method == EndSessions::NAME {
                    noted.lock().unwrap().push(serde_json::from_value(call.parameters).unwrap());
                }
                stream.write_all(b"{\"parameters\":{\"processes\":2}}\0").unwrap();
            }
        });
        Self(asked)
    }

    fn was_asked(&self) -> Vec<EndSessions> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_end_a_session_ends_it_and_others_do_not_even_see_it() {
    let node = TestNode::start().await;
    let [ada, bob] = ["ada", "bob"].map(name);
    let uid = add_user(node.directory(), "ada").await.user.uid.0;
    add_user(node.directory(), "bob").await;
    let leader = Leader::start();
    open(&node, &leader, "ada", "sshd").await;
    assert!(matches!(node.service.end_session(&Caller::Root, 1).await, Err(Error::Away(_))), "no helper");

    let helper = HelperOfTests::listen(&node);
    let Process { pid, started } = Process::of(leader.peer().pid).unwrap();
    let this_one = EndSessions { uid, leader: Some(protocol::helper::Leader { pid, started }) };
    for caller in [Caller::Root, Caller::Admin(bob), Caller::User(ada)] {
        assert_eq!(node.service.end_session(&caller, 1).await.unwrap(), 2);
        assert_eq!(helper.was_asked(), std::slice::from_ref(&this_one));
        assert_eq!(node.service.end_sessions(&caller, ada).await.unwrap(), 2);
        assert_eq!(helper.was_asked(), [EndSessions { uid, leader: None }]);
    }
    assert!(matches!(node.service.end_session(&Caller::User(bob), 1).await, Err(Error::NotFound(_))));
    assert!(matches!(node.service.end_session(&Caller::Other(1000), 1).await, Err(Error::Refused(_))));
    for caller in [Caller::User(bob), Caller::Other(1000)] {
        assert!(matches!(node.service.end_sessions(&caller, ada).await, Err(Error::Refused(_))));
    }
    assert!(matches!(node.service.end_session(&Caller::Root, 2).await, Err(Error::NotFound(_))));
    assert!(matches!(node.service.end_sessions(&Caller::Root, name("eve")).await, Err(Error::NotFound(_))));
    assert!(helper.was_asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_whoever_is_locked_expired_or_deleted_are_ended_and_no_others() {
    let node = TestNode::start().await;
    let helper = HelperOfTests::listen(&node);
    let people = ["ada", "bob", "eve", "max"];
    let (mut uids, mut last) = (Vec::new(), String::new());
    for user in people {
        let user = add_user(node.directory(), user).await.user;
        uids.push(user.uid.0);
        last = user.uuid;
    }
    let leaders: Vec<Leader> = people.iter().map(|_| Leader::start()).collect();
    for (leader, user) in leaders.iter().zip(people) {
        open(&node, leader, user, "sshd").await;
    }
    node.service.end_sessions_of_those_locked_now().await;
    assert!(helper.was_asked().is_empty());
    let change = async |user: &str, change: UserChange| {
        node.directory().update_user(name(user), change, &rules()).await.unwrap();
    };
    change("ada", UserChange { state: Some(State::Locked), ..UserChange::default() }).await;
    let yesterday = Day(node.clock.today().0 - 1);
    change("bob", UserChange { expires_at: Some(Some(yesterday)), ..UserChange::default() }).await;
    node.directory().delete_user(name("eve"), None).await.unwrap();
    node.service.end_sessions_of_those_locked_now().await;
    let all_of = |uid: &u32| EndSessions { uid: *uid, leader: None };
    let ended = |helper: &HelperOfTests| {
        let mut ended = helper.was_asked();
        ended.sort_by_key(|one| one.uid);
        ended
    };
    assert_eq!(ended(&helper), uids[..3].iter().map(all_of).collect::<Vec<_>>());
    // As when the provider is found to have ended somebody.
    node.service.published.refuse(&last, true);
    node.service.end_sessions_of_those_locked_now().await;
    assert_eq!(ended(&helper), uids.iter().map(all_of).collect::<Vec<_>>(), "the others are still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_ends_them_by_itself_when_it_is_told_to() {
    let node = TestNode::start().await;
    let helper = HelperOfTests::listen(&node);
    let uid = add_user(node.directory(), "ada").await.user.uid.0;
    let leader = Leader::start();
    open(&node, &leader, "ada", "sshd").await;
    node.publishing.settings.send_modify(|settings| {
        Arc::make_mut(settings).sessions.end_when_locked = true;
    });
    let service = Arc::clone(&node.service);
    let looking = tokio::spawn(async move { service.end_sessions_of_the_locked().await });
    let lock = UserChange { state: Some(State::Locked), ..UserChange::default() };
    node.service.update_user(&Caller::Root, name("ada"), lock).await.unwrap();
    // More than once, maybe: this helper ends nothing.
    let all_of_ada = EndSessions { uid, leader: None };
    until("ada's session is ended", async || helper.was_asked().contains(&all_of_ada)).await;
    looking.abort();
}
