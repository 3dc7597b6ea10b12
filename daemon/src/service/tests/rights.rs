//! Who may do what, from the uid that the kernel gives to the answer.

use std::sync::Arc;

use identity::{Day, State};

use super::{PASSWORD, WRONG, change_own_password, create, login, node_with_ada, password, verdict};
use crate::clock::day_of;
use crate::directory::{Batch, Directory, Error, Key, LocalAccounts, Rules, UserChange};
use crate::service::{Caller, NewAccount, PasswordChange, Verdict};
use crate::testing::{NOW, TestNode, add_user, find_user, name, peer, rules, secret};

#[tokio::test(flavor = "multi_thread")]
async fn a_uid_becomes_what_the_directory_says_of_it() {
    let node = node_with_ada().await;
    create(&node, "eve", NewAccount { is_admin: true, ..NewAccount::default() }).await;
    let caller = async |uid| node.service.caller(peer(uid)).await.unwrap();
    let uid = async |user| find_user(node.directory(), user).await.unwrap().user.uid.0;
    let (ada, eve) = (uid("ada").await, uid("eve").await);
    assert_eq!(caller(0).await, Caller::Root);
    assert_eq!(caller(ada).await, Caller::User(name("ada")));
    assert_eq!(caller(eve).await, Caller::Admin(name("eve")));
    assert_eq!(caller(1000).await, Caller::Other(1000));

    let local = LocalAccounts::parse(&format!("stranger:x:{eve}:1000::/:/bin/sh"), "");
    node.publishing.rules.send_replace(Arc::new(Rules { local, ..rules() }));
    assert_eq!(caller(eve).await, Caller::Other(eve), "a uid of a local account is never one of ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_is_locked_expired_or_gone_is_one_no_more() {
    let node = TestNode::start().await;
    create(&node, "eve", NewAccount { is_admin: true, ..NewAccount::default() }).await;
    let uid = find_user(node.directory(), "eve").await.unwrap().user.uid.0;
    let caller = async || node.service.caller(peer(uid)).await.unwrap();
    let change = async |change| node.directory().update_user(name("eve"), change, &rules()).await.unwrap();
    change(UserChange { state: Some(State::Locked), ..UserChange::default() }).await;
    assert_eq!(caller().await, Caller::Other(uid));
    let tomorrow = Some(Some(Day(day_of(NOW).0 + 1)));
    change(UserChange { state: Some(State::Active), expires_at: tomorrow, ..UserChange::default() }).await;
    assert_eq!(caller().await, Caller::Admin(name("eve")));
    node.clock.advance(24 * 60 * 60);
    assert_eq!(caller().await, Caller::Other(uid));
    change(UserChange { expires_at: Some(None), is_admin: Some(false), ..UserChange::default() }).await;
    assert_eq!(caller().await, Caller::User(name("eve")));
    node.directory().delete_user(name("eve"), None).await.unwrap();
    assert_eq!(caller().await, Caller::Other(uid));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_root_logs_somebody_else_in() {
    let node = node_with_ada().await;
    add_user(node.directory(), "bob").await;
    for caller in [Caller::User(name("bob")), Caller::Admin(name("bob")), Caller::Other(1000)] {
        let begun = node.service.begin_login(&caller, login("ada")).await;
        assert!(matches!(begun, Err(Error::Refused(_))), "{caller:?}: {begun:?}");
        let change = PasswordChange { old: password(PASSWORD), new: password("another horse") };
        let changed = node.service.change_password(&caller, "ada", change).await;
        assert!(matches!(changed, Err(Error::Refused(_))), "{caller:?}: {changed:?}");
    }
    assert!(node.service.begin_login(&Caller::User(name("ada")), login("ada")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_password_is_changed_by_whoever_knows_the_old_one() {
    let node = node_with_ada().await;
    let refused = change_own_password(&node, None, Some("another horse")).await;
    assert!(matches!(refused, Err(Error::Refused(words)) if words.contains("old password")));
    let refused = change_own_password(&node, Some(WRONG), Some("another horse")).await;
    assert!(matches!(refused, Err(Error::Refused(words)) if words.contains("wrong")));
    let refused = change_own_password(&node, Some(PASSWORD), None).await;
    assert!(matches!(refused, Err(Error::Refused(words)) if words.contains("take a password away")));
    let refused = change_own_password(&node, Some(PASSWORD), Some("short")).await;
    assert!(matches!(refused, Err(Error::InvalidInput { field: "password", .. })));
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted, "nothing has changed so far");

    change_own_password(&node, Some(PASSWORD), Some("another horse")).await.unwrap();
    assert_eq!(verdict(&node, "ada", "another horse").await, Verdict::Granted);
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Denied);
    let others = PasswordChange { old: password(PASSWORD), new: password("another horse") };
    add_user(node.directory(), "bob").await;
    let refused = node.service.set_password(&Caller::User(name("ada")), name("bob"), others).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_the_old_password_is_guessing() {
    let node = node_with_ada().await;
    for _ in 0..4 {
        change_own_password(&node, Some(WRONG), Some("another horse")).await.unwrap_err();
    }
    let refused = change_own_password(&node, Some(PASSWORD), Some("another horse")).await;
    assert!(matches!(refused, Err(Error::Refused(words)) if words.contains("too many")));
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::LockedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_checks_the_old_password_first_and_changes_it_then() {
    let node = node_with_ada().await;
    let change = async |caller: &Caller, old: Option<&str>, new: Option<&str>| {
        let change = PasswordChange { old: old.map(secret), new: new.map(secret) };
        node.service.change_password(caller, "ada", change).await.map(|decision| decision.verdict)
    };
    let ada = Caller::User(name("ada"));
    assert_eq!(change(&Caller::Root, Some(PASSWORD), None).await, Ok(Verdict::Granted));
    assert_eq!(change(&Caller::Root, Some(WRONG), None).await, Ok(Verdict::Denied));
    assert_eq!(change(&ada, Some(WRONG), Some("another horse")).await, Ok(Verdict::Denied));
    assert!(change(&ada, None, Some("another horse")).await.is_err());
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted, "nothing has changed so far");
    assert_eq!(change(&ada, Some(PASSWORD), Some("another horse")).await, Ok(Verdict::Granted));
    assert_eq!(change(&Caller::Root, None, Some("root's own choice")).await, Ok(Verdict::Granted));
    assert_eq!(verdict(&node, "ada", "root's own choice").await, Verdict::Granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_change_nothing_of_the_directory() {
    let node = node_with_ada().await;
    let before = node.directory().position().await.unwrap();
    for caller in [Caller::User(name("ada")), Caller::Other(1000)] {
        let (service, ada) = (&node.service, name("ada"));
        let change = UserChange { is_admin: Some(true), ..UserChange::default() };
        assert!(service.create_user(&caller, name("eve"), NewAccount::default()).await.is_err());
        assert!(service.update_user(&caller, ada, change).await.is_err());
        assert!(service.delete_user(&caller, ada, None).await.is_err());
        assert!(service.create_group(&caller, name("art"), None, false).await.is_err());
        assert!(service.delete_group(&caller, name("art"), None).await.is_err());
        assert!(service.set_members(&caller, name("art"), vec![ada], true).await.is_err());
        assert!(service.import(&caller, Batch::default(), true, true).await.is_err());
        assert!(service.export(&caller, None, 10).await.is_err());
        assert!(service.users(&caller, None, 10).await.is_err());
        assert!(service.read_pody_database(&caller, "").await.is_err());
        let sees_ada = caller == Caller::User(ada);
        assert_eq!(service.user(&caller, Key::Name(ada)).await.is_ok(), sees_ada);
        assert!(
            service.groups(&caller, None, 10, false).await.is_ok() && service.health(&caller).await.is_ok()
        );
    }
    assert!(
        node.service.export(&Caller::Admin(name("ada")), None, 10).await.is_err(),
        "hashes are for root alone"
    );
    assert_eq!(node.directory().position().await.unwrap(), before);
}
