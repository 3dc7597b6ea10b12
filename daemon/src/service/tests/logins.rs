//! Logging in, and what guessing costs.

use std::sync::Arc;

use identity::{Day, State};
use tokio::task::JoinSet;

use super::{PASSWORD, WRONG, create, decided, log_in, login, node_with_ada, password, verdict};
use crate::clock::day_of;
use crate::directory::{Directory, Error, LocalAccounts, NewUser, Rules, UserChange};
use crate::service::{Caller, Login, NewAccount, PasswordChange, Step, Verdict};
use crate::testing::{NOW, TestNode, cheap_hashes, create_user, name, new_user, rules, secret, until};
use crate::verifiers::PasswordHash;
/// openssl passwd -apr1 -salt 12345678 x
const APR1_OF_X: &str = "$apr1$12345678$zbBEMgfXu4mAHPrplrtNt.";

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_is_granted_and_others_are_denied() {
    let node = node_with_ada().await;
    create(&node, "bob", NewAccount::default()).await;
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    assert_eq!(verdict(&node, "bob", PASSWORD).await, Verdict::Denied, "there is no password");
    for stranger in ["eve", "root", "Ada", "ada ", "", "a:b"] {
        assert_eq!(verdict(&node, stranger, PASSWORD).await, Verdict::Unknown, "{stranger:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ends_as_it_begins_is_counted_and_a_strangers_is_not() {
    let node = node_with_ada().await;
    for _ in 0..4 {
        verdict(&node, "ada", WRONG).await;
    }
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::LockedOut);
    assert_eq!(verdict(&node, "eve", PASSWORD).await, Verdict::Unknown);
    let text = node.service.metrics_text(&Caller::Root).await.unwrap();
    let counted: Vec<&str> = text.lines().filter(|line| line.starts_with("pody_logins_total{")).collect();
    assert!(counted.contains(&r#"pody_logins_total{verdict="locked_out"} 1"#), "{counted:?}");
    assert!(!counted.iter().any(|line| line.contains("unknown")), "{counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_or_uid_that_is_local_is_none_of_ours() {
    let node = node_with_ada().await;
    let local = LocalAccounts::parse("ada:x:1000:1000::/:/bin/sh", "");
    node.publishing.rules.send_replace(Arc::new(Rules { local, ..rules() }));
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Unknown);
    let check = node.service.check_account(&Caller::Root, "ada", "su").await.unwrap();
    assert_eq!(check.verdict, Verdict::Unknown);
    let change = PasswordChange { old: None, new: password("another horse") };
    let changed = node.service.change_password(&Caller::Root, "ada", change).await.unwrap();
    assert_eq!(changed.verdict, Verdict::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_lock_the_user_for_a_while_and_no_longer() {
    let node = node_with_ada().await;
    for _ in 0..4 {
        assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    }
    let told = log_in(&node, login("ada"), PASSWORD).await;
    assert_eq!(told.verdict, Verdict::LockedOut);
    assert!(told.message.unwrap().contains("1 seconds"));
    node.clock.advance(1);
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    node.clock.advance(1);
    assert_eq!(
        verdict(&node, "ada", PASSWORD).await,
        Verdict::LockedOut,
        "each further failure costs twice as long"
    );
    node.clock.advance(1);
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted, "a success begins anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_outlives_podyd_and_is_ended_by_an_admin() {
    let mut node = node_with_ada().await;
    for _ in 0..4 {
        verdict(&node, "ada", WRONG).await;
    }
    node.restart_service().await;
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::LockedOut);
    let unlock = UserChange { state: Some(State::Active), ..UserChange::default() };
    node.service.update_user(&Caller::Root, name("ada"), unlock).await.unwrap();
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_guessing_no_cheaper_and_keeps_nobody_out() {
    let mut node = node_with_ada().await;
    node.service.node.disk_is_full(true).await;
    for _ in 0..4 {
        assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    }
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::LockedOut);
    let health = node.service.health(&Caller::Root).await.unwrap();
    assert!(health.warnings[0].contains("counted in memory"), "{:?}", health.warnings);
    node.clock.advance(1);
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied, "a success began anew");

    node.service.node.disk_is_full(false).await;
    node.restart_service().await;
    let failures = node.service.node.failures(&["user:ada".to_owned()]);
    assert_eq!(failures[0].as_ref().map(|record| record.failures), Some(1));
}

/// Whoever sends many guesses at once gets no more of them for free than one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_in_parallel_are_locked_out_the_right_one_too() {
    let node = node_with_ada().await;
    let mut guesses = JoinSet::new();
    let mut logins = Vec::new();
    for _ in 0..60 {
        let Step::AskPassword { login } =
            node.service.begin_login(&Caller::Root, login("ada")).await.unwrap()
        else {
            panic!("nothing has failed yet");
        };
        logins.push(login);
    }
    let last = logins.pop().unwrap();
    for login in logins {
        let service = Arc::clone(&node.service);
        guesses.spawn(async move {
            decided(service.answer_login(&Caller::Root, &login, secret(WRONG)).await.unwrap()).verdict
        });
    }
    until("most guesses are counted", async || {
        let failures = node.service.node.failures(&["user:ada".to_owned()]);
        failures[0].as_ref().is_some_and(|record| record.failures == 4)
    })
    .await;
    let right = decided(node.service.answer_login(&Caller::Root, &last, secret(PASSWORD)).await.unwrap());
    assert_eq!(right.verdict, Verdict::LockedOut);
    let verdicts = guesses.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Denied).count(), 4);
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Denied | Verdict::LockedOut)));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_count_before_anybody_is_told_of_them() {
    let node = node_with_ada().await;
    let Step::AskPassword { login: guess } =
        node.service.begin_login(&Caller::Root, login("ada")).await.unwrap()
    else {
        panic!("nothing has failed yet");
    };
    let service = Arc::clone(&node.service);
    let guess = tokio::spawn(async move { service.answer_login(&Caller::Root, &guess, secret(WRONG)).await });
    until("the failure is counted", async || {
        node.service.node.failures(&["user:ada".to_owned()])[0].is_some()
    })
    .await;
    assert!(!guess.is_finished(), "it is answered in whole steps of half a second");
    assert_eq!(decided(guess.await.unwrap().unwrap()).verdict, Verdict::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_believed_from_root_alone() {
    let node = node_with_ada().await;
    let from = |rhost: &str| Login { rhost: Some(rhost.to_owned()), ..login("ada") };
    log_in(&node, from("192.0.2.7"), WRONG).await;
    let ada = Caller::User(name("ada"));
    let Step::AskPassword { login } = node.service.begin_login(&ada, from("192.0.2.8")).await.unwrap() else {
        panic!("one failure is free");
    };
    decided(node.service.answer_login(&ada, &login, secret(WRONG)).await.unwrap());
    let subjects = ["source:192.0.2.7", "source:192.0.2.8", "local"].map(str::to_owned);
    let counted = node.service.node.failures(&subjects);
    let counted: Vec<_> =
        counted.into_iter().map(|record| record.map_or(0, |record| record.failures)).collect();
    assert_eq!(counted, [1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_hash_is_replaced_by_argon2id_at_the_first_login() {
    let node = TestNode::start().await;
    let imported = NewUser { password: Some(APR1_OF_X.into()), ..new_user("ada") };
    create_user(node.directory(), imported).await.unwrap();
    let stored = async || node.directory().credential(name("ada")).await.unwrap().unwrap().hash.unwrap();
    assert_eq!(verdict(&node, "ada", "y").await, Verdict::Denied);
    assert_eq!(stored().await, APR1_OF_X);
    assert_eq!(verdict(&node, "ada", "x").await, Verdict::Granted);
    let hash = PasswordHash::parse(&stored().await).unwrap();
    assert!(hash.as_str().starts_with("$argon2id$") && !hash.needs_rehash(cheap_hashes()));
    assert_eq!(verdict(&node, "ada", "x").await, Verdict::Granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_answered_once_and_by_whoever_began_it() {
    let node = node_with_ada().await;
    let begin = async || match node.service.begin_login(&Caller::Root, login("ada")).await.unwrap() {
        Step::AskPassword { login } => login,
        step => panic!("{step:?}"),
    };
    let id = begin().await;
    for thief in [Caller::User(name("ada")), Caller::Admin(name("ada")), Caller::Other(1000)] {
        let stolen = node.service.answer_login(&thief, &id, secret(PASSWORD)).await;
        assert!(matches!(stolen, Err(Error::NotFound(_))), "{stolen:?}");
    }
    let mine = decided(node.service.answer_login(&Caller::Root, &id, secret(PASSWORD)).await.unwrap());
    assert_eq!(mine.verdict, Verdict::Granted, "the attempts of others did not end it");
    let again = node.service.answer_login(&Caller::Root, &id, secret(PASSWORD)).await;
    assert!(matches!(again, Err(Error::NotFound(_))));
    assert!(node.service.answer_login(&Caller::Root, "no such login", secret(PASSWORD)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_deleted_in_the_middle_does_not_get_in() {
    let node = node_with_ada().await;
    let Step::AskPassword { login } = node.service.begin_login(&Caller::Root, login("ada")).await.unwrap()
    else {
        panic!("nothing has failed");
    };
    node.service.delete_user(&Caller::Root, name("ada"), None).await.unwrap();
    let decision = decided(node.service.answer_login(&Caller::Root, &login, secret(PASSWORD)).await.unwrap());
    assert_eq!(decision.verdict, Verdict::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_and_dates_are_the_account_phases_matter() {
    let node = node_with_ada().await;
    let today = day_of(NOW);
    let account = async || node.service.check_account(&Caller::Root, "ada", "su").await.unwrap().verdict;
    let table = [
        (State::Active, None, Verdict::Granted),
        (State::Active, Some(Day(today.0 + 1)), Verdict::Granted),
        (State::Active, Some(today), Verdict::AccountExpired),
        (State::Locked, None, Verdict::AccountLocked),
        (State::Locked, Some(today), Verdict::AccountLocked),
    ];
    for (state, day, expected) in table {
        let change = UserChange { state: Some(state), expires_at: Some(day), ..UserChange::default() };
        node.service.update_user(&Caller::Root, name("ada"), change).await.unwrap();
        assert_eq!(account().await, expected, "{state:?} {day:?}");
    }
    let tomorrow = UserChange {
        state: Some(State::Active),
        expires_at: Some(Some(Day(today.0 + 1))),
        ..UserChange::default()
    };
    node.service.update_user(&Caller::Root, name("ada"), tomorrow).await.unwrap();
    node.clock.advance(24 * 60 * 60);
    assert_eq!(account().await, Verdict::AccountExpired, "time alone is enough");
    let nobody = node.service.check_account(&Caller::Root, "eve", "su").await.unwrap().verdict;
    assert_eq!(nobody, Verdict::Unknown);
}
