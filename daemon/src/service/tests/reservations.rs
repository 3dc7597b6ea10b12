//! What is kept for people who do not exist yet: for whom, how it ends, and what becomes of it when they come.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use super::{Caller, Login, Step, Verdict, login};
use crate::directory::{Arrival, Directory, Error, Identity, Result};
use crate::limits::{RESERVATION_HELD, RESERVATION_KEPT, RESERVATION_SHOWN};
use crate::service::Resolved;
use crate::testing::{
    NOW, TestNode, add_group, add_user, find_user, name, open_to_newcomers, rules, secret, until,
};

/// What a lookup says whose time is over.
const LATE: &str = "has not answered within";

/// A node on which whoever the provider vouches for becomes a user.
async fn open_node() -> TestNode {
    let node = TestNode::start().await;
    node.publishing.settings.send_modify(|settings| {
        *settings = Arc::new(open_to_newcomers((**settings).clone()));
    });
    node.publishing.up_to_date().await;
    node
}

/// What a lookup comes to. One that a busy machine was too late for is made again, as the next login would.
pub(super) async fn resolve<D: Directory>(node: &TestNode<D>, text: &str) -> Resolved {
    let is_late = |answer: &Result<Resolved>| matches!(answer, Err(Error::Busy(why)) if why.contains(LATE));
    for _ in 0..100 {
        let answer = node.service.reserve_for_login(text).await;
        if !is_late(&answer) {
            return answer.unwrap();
        }
    }
    panic!("{text}: the directory never answers in time");
}

async fn names_reserved(node: &TestNode) -> Vec<String> {
    let reservations = node.service.list_reservations(&Caller::Root).await.unwrap();
    reservations.into_iter().map(|reservation| reservation.name.to_string()).collect()
}

fn arrival(node: &TestNode, text: &str) -> Arrival {
    Arrival {
        identity: Identity::new("https://login.example.com", text).unwrap(),
        asked: name(text),
        mapped: Some(name(text)),
        may_create: Ok(()),
        may_stay: Ok(()),
        reserved: node.service.reservations.get(name(text)).map(|reservation| reservation.uuid),
        gecos: None,
        email: None,
        shell: None,
        groups: None,
        first_groups: Default::default(),
        id_token: secret(""),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_may_come_by_a_login_nothing_is_reserved() {
    let node = TestNode::start().await;
    node.publishing.up_to_date().await;
    assert_eq!(resolve(&node, "newcomer").await, Resolved::Absent);
    assert_eq!(names_reserved(&node).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_the_console_reserves_its_name_itself_and_no_other_does() {
    let node = open_node().await;
    add_group(node.directory(), "taken").await;
    let begin = async |caller: Caller, user: &str, service: &str| {
        let login = Login { service: service.into(), ..login(user) };
        node.service.begin_login(&caller, login).await.unwrap()
    };
    let unknown = Step::Done(Verdict::Unknown.into());
    for (caller, user, service) in [
        (Caller::Root, "newcomer", "sshd"),
        (Caller::Root, "newcomer", "su"),
        (Caller::Other(1000), "newcomer", "login"),
        (Caller::Root, "taken", "login"),
        (Caller::Root, "sudo", "login"),
        (Caller::Root, "No Name", "login"),
    ] {
        assert_eq!(begin(caller, user, service).await, unknown, "{user} {service}");
    }
    assert_eq!(names_reserved(&node).await, Vec::<String>::new());
    let step = begin(Caller::Root, "newcomer", "login").await;
    assert!(matches!(step, Step::Wait { .. }), "the provider is asked: {step:?}");
    assert_eq!(names_reserved(&node).await, ["newcomer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_is_shown_before_whoever_asks_is_answered() {
    let node = open_node().await;
    let position = node.directory().position().await.unwrap();
    assert_eq!(resolve(&node, "newcomer").await, Resolved::LookAgain);
    assert!(node.publishing.shows("newcomer"));
    let kept = node.service.reservations.get(name("newcomer")).unwrap();
    assert_eq!((kept.home.as_str(), kept.uid.0), ("/home/newcomer", kept.gid.0));
    assert_eq!(kept.expires_at, NOW + 240);
    assert_eq!(node.directory().position().await.unwrap(), position, "it is no change");
    assert_eq!(resolve(&node, "newcomer").await, Resolved::LookAgain);
    assert_eq!(names_reserved(&node).await, ["newcomer"]);
    assert!(node.service.list_reservations(&Caller::Other(1000)).await.is_err());

    let checked =
        |caller, user| async move { node.service.check_account(&caller, user, "su").await.unwrap().verdict };
    assert_eq!(checked(Caller::Root, "newcomer").await, Verdict::AccountLocked);
}

/// Others in the PAM stack would say yes to whatever lookups show; and what a run of podyd has shown, the next does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_lets_nobody_in_whose_name_a_login_may_make_a_user_of() {
    let node = open_node().await;
    let local = crate::directory::LocalAccounts::parse("lab:x:1000:1000::/:/bin/sh", "");
    node.publishing.rules.send_modify(|rules| {
        *rules = Arc::new(crate::directory::Rules { local, ..(**rules).clone() });
    });
    let node = &node;
    let checked = |user, service| async move {
        node.service.check_account(&Caller::Root, user, service).await.unwrap().verdict
    };
    for service in ["sshd", "login"] {
        assert_eq!(checked("newcomer", service).await, Verdict::AccountLocked, "{service}");
        assert_eq!(checked("lab", service).await, Verdict::Unknown, "{service}");
    }
    assert_eq!(checked("newcomer", "cron").await, Verdict::Unknown, "its lookups show nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nobody_can_come_to_have_are_absent() {
    let node = open_node().await;
    add_group(node.directory(), "physics").await;
    let local = crate::directory::LocalAccounts::parse("lab:x:1000:1000::/:/bin/sh", "cdrom:x:24:");
    node.publishing.rules.send_modify(|rules| {
        *rules = Arc::new(crate::directory::Rules { local, ..(**rules).clone() });
    });
    for text in ["", "No Name", "-x", "1234", "root", "lab", "cdrom", "sudo", "docker", "physics"] {
        assert_eq!(resolve(&node, text).await, Resolved::Absent, "{text}");
    }
    add_user(node.directory(), "gone").await;
    node.directory().delete_user(name("gone"), None).await.unwrap();
    let refused = node.service.reserve_for_login("gone").await;
    assert!(matches!(refused, Err(Error::Conflict(_) | Error::Refused(_))), "{refused:?}");
    assert_eq!(names_reserved(&node).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_has_just_come_is_waited_for_and_not_reserved() {
    let node = open_node().await;
    add_user(node.directory(), "ada").await;
    assert_eq!(resolve(&node, "ada").await, Resolved::LookAgain);
    assert!(node.publishing.shows("ada"));
    assert_eq!(names_reserved(&node).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_lookups_of_one_name_are_one_reservation_and_those_of_many_are_some() {
    let node = open_node().await;
    let asked = join_all((0..50).map(|_| resolve(&node, "newcomer"))).await;
    assert!(asked.iter().all(|answer| *answer == Resolved::LookAgain), "{asked:?}");
    assert_eq!(names_reserved(&node).await.len(), 1);

    let guesses: Vec<String> = (0..100).map(|number| format!("guess{number}")).collect();
    let asked = join_all(guesses.iter().map(|guess| node.service.reserve_for_login(guess))).await;
    let busy = asked.iter().filter(|answer| matches!(answer, Err(Error::Busy(_)))).count();
    assert!(busy >= 80, "{busy}");
    assert_eq!(resolve(&node, "newcomer").await, Resolved::LookAgain, "who was there before still is");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_nothing_goes_out_of_sight_and_back_to_the_directory() {
    let node = open_node().await;
    // For the directory, which has the system's clock, it is over at once.
    node.clock.advance(-NOW);
    assert_eq!(resolve(&node, "newcomer").await, Resolved::LookAgain);
    let kept = node.service.reservations.get(name("newcomer")).unwrap();
    let now = Instant::now();
    node.service.end_reservations_by(now + RESERVATION_SHOWN).await;
    node.service.published.shows_reserved().await;
    assert!(!node.publishing.shows("newcomer"));
    assert!(node.service.reservations.get(name("newcomer")).is_some(), "a login may be under way");
    node.service.end_reservations_by(now + RESERVATION_HELD + Duration::from_secs(1)).await;
    node.service.end_reservations_by(now + RESERVATION_KEPT + Duration::from_secs(1)).await;
    assert_eq!(node.service.reservations.get(name("newcomer")), None);
    assert_eq!(resolve(&node, "other").await, Resolved::LookAgain);
    let other = node.service.reservations.get(name("other")).unwrap();
    assert_eq!(other.uid, kept.uid, "the id was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_has_the_ids_that_were_shown() {
    let node = open_node().await;
    assert_eq!(resolve(&node, "newcomer").await, Resolved::LookAgain);
    let kept = node.service.reservations.get(name("newcomer")).unwrap();
    let (arrived, position) = node.directory().arrive(arrival(&node, "newcomer"), &rules()).await.unwrap();
    assert!(arrived.created);
    node.service.published.reaches(&position, Duration::from_secs(10)).await.unwrap();
    let user = find_user(node.directory(), "newcomer").await.unwrap().user;
    assert_eq!((user.uuid, user.uid, user.gid), (kept.uuid, kept.uid, kept.gid));
    let accounts = node.publishing.look_at_accounts().unwrap();
    let account = accounts.view().account_by_name(b"newcomer").unwrap().unwrap();
    assert_eq!((account.uid, account.locked, account.reserved), (kept.uid, false, false));
    assert_eq!(names_reserved(&node).await, Vec::<String>::new(), "nobody is waited for any more");
    node.service.end_reservations_by(Instant::now() + RESERVATION_KEPT).await;
    assert!(find_user(node.directory(), "newcomer").await.is_some() && node.publishing.shows("newcomer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_slow_is_trouble_and_the_next_try_finds_what_it_said() {
    let node = open_node().await;
    let file = SqliteConnectOptions::new().filename(node.folder.join("directory.sqlite"));
    let mut writer = file.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
    let answer = node.service.reserve_for_login("newcomer").await;
    assert!(matches!(&answer, Err(Error::Busy(why)) if why.contains(LATE)), "{answer:?}");
    sqlx::query("ROLLBACK").execute(&mut writer).await.unwrap();
    writer.close().await.unwrap();
    until("the directory has answered", async || node.service.reservations.get(name("newcomer")).is_some())
        .await;
    assert_eq!(resolve(&node, "newcomer").await, Resolved::LookAgain);
}
