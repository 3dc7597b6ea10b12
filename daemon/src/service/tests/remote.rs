//! A node that has its directory from another one over HTTP: logins, passwords, changes and tokens.

use std::sync::Arc;
use std::time::Duration;

use identity::State;
use tokio::time::Instant;

use super::{PASSWORD, WRONG, create, log_in, login, password, verdict};
use crate::config::{ProfileService, Secret};
use crate::directory::{Directory, Error, Networks, Result, Scope, TokenLookup, UserChange};
use crate::service::{Caller, Decision, NewAccount, PasswordChange, TokenRequest, Verdict};
use crate::store::{RemoteDirectory, Replicated};
use crate::testing::{SHARED_TOKEN, ServedNode, TestNode, add_user, consumer, name, until};

type Consumer = TestNode<Replicated<RemoteDirectory>>;

/// A service with ada and her password, and a node that consumes it and knows her.
async fn service_and_consumer() -> (ServedNode, Consumer) {
    let service = ServedNode::start().await;
    create(&service.node, "ada", NewAccount { password: password(PASSWORD), ..NewAccount::default() }).await;
    let node = consumer(&service.url("")).await;
    until("ada is known here", async || shows(&node, "ada")).await;
    (service, node)
}

fn shows(node: &Consumer, user: &str) -> bool {
    node.publishing.look().is_ok() && node.publishing.shows(user)
}

/// Logs ada in, and waits until that is remembered.
async fn ada_logs_in(node: &Consumer) {
    assert_eq!(verdict(node, "ada", PASSWORD).await, Verdict::Granted);
    let ada = crate::testing::find_user(node.directory(), "ada").await.unwrap();
    let uuid = ada.user.uuid;
    until("it is remembered", async || node.service.node.remembered(&uuid).await.unwrap().is_some()).await;
}

async fn service_leaves(service: ServedNode, node: &Consumer) -> TestNode {
    let left = service.close().await;
    until("it is missed", async || node.directory().contact().unwrap().trouble.is_some()).await;
    left
}

/// What somebody with the right password is told when that cannot be decided.
async fn undecided(node: &Consumer, user: &str) -> String {
    let Decision { verdict, message } = log_in(node, login(user), PASSWORD).await;
    assert_eq!(verdict, Verdict::Unavailable);
    message.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_judges_and_this_node_remembers_what_was_right() {
    let (service, node) = service_and_consumer().await;
    add_user(service.node.directory(), "bob").await;
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    assert_eq!(verdict(&node, "nobody-here", PASSWORD).await, Verdict::Unknown);
    ada_logs_in(&node).await;
    until("bob is known here", async || shows(&node, "bob")).await;

    service_leaves(service, &node).await;
    let began = Instant::now();
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    let words = undecided(&node, "bob").await;
    let told =
        "could not be checked: the account service at 127.0.0.1 cannot be reached. Please try again later.";
    assert!(words.contains(told), "{words}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    node.clock.advance(7 * 24 * 60 * 60);
    undecided(&node, "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_count_here_and_there() {
    let (service, node) = service_and_consumer().await;
    for _ in 0..4 {
        verdict(&node, "ada", WRONG).await;
    }
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::LockedOut);
    assert_eq!(verdict(&service.node, "ada", PASSWORD).await, Verdict::LockedOut);
    let other = consumer(&service.url("")).await;
    until("ada is known there", async || shows(&other, "ada")).await;
    let decision = log_in(&other, login("ada"), PASSWORD).await;
    assert_eq!(decision.verdict, Verdict::LockedOut, "although nobody has failed there");
    assert!(decision.message.is_some_and(|words| words.contains("Try again in")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_at_the_service_is_forgotten_here() {
    let (service, node) = service_and_consumer().await;
    ada_logs_in(&node).await;
    let change = PasswordChange { old: None, new: password("another horse") };
    service.node.service.set_password(&Caller::Root, name("ada"), change).await.unwrap();
    at_the_same_position(node.directory(), service.node.directory()).await;
    service_leaves(service, &node).await;
    undecided(&node, "ada").await;
}

async fn at_the_same_position(node: &impl Directory, service: &impl Directory) {
    let position = service.position().await.unwrap();
    until("it is known here", async || node.position().await.is_ok_and(|here| here == position)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_locked_meanwhile_is_not_remembered() {
    let (service, node) = service_and_consumer().await;
    ada_logs_in(&node).await;
    for state in [State::Locked, State::Active] {
        let change = UserChange { state: Some(state), ..UserChange::default() };
        service.node.service.update_user(&Caller::Root, name("ada"), change).await.unwrap();
        at_the_same_position(node.directory(), service.node.directory()).await;
    }
    service_leaves(service, &node).await;
    undecided(&node, "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_accepted_any_more_is_told_of_and_ends_no_login_that_an_outage_does_not() {
    let (service, node) = service_and_consumer().await;
    add_user(service.node.directory(), "bob").await;
    ada_logs_in(&node).await;
    until("bob is known here", async || shows(&node, "bob")).await;
    service.set(|service| service.access_token = Secret::from("another token".to_owned()));
    let contact = || node.directory().contact().unwrap();
    // Nobody is told of it who waits for news, but by the next question.
    until("the follower knows", async || {
        let _ = node.directory().delete_user(name("bob"), None).await;
        contact().trouble.is_some_and(|why| why.contains("does not accept this node's token"))
    })
    .await;
    assert!(!contact().is_away, "it answers");
    let bob = undecided(&node, "bob").await;
    assert!(bob.contains("cannot be used by this machine"), "{bob}");
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    node.clock.advance(7 * 24 * 60 * 60);
    undecided(&node, "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_too_busy_is_no_lost_login() {
    let (service, node) = service_and_consumer().await;
    ada_logs_in(&node).await;
    let (address, url) = (service.address, service.url("/metrics"));
    let left = service_leaves(service, &node).await;
    let busy = |settings: &mut ProfileService| {
        settings.listen = address;
        settings.max_requests_per_second = 1;
    };
    let service = ServedNode::start_with(left, busy).await;
    // Another node with the same token takes whatever there is.
    let others = tokio::spawn(async move {
        let client = reqwest::Client::new();
        loop {
            let _ = client.get(&url).bearer_auth(SHARED_TOKEN).send().await;
        }
    });
    until("it says so", async || {
        node.directory().contact().unwrap().trouble.is_some_and(|why| why.contains("is asked too often"))
    })
    .await;
    for _ in 0..5 {
        assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
    }
    others.abort();
    service.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_remembers_is_not_remembered_anew_by_the_next() {
    let (top, middle) = service_and_consumer().await;
    ada_logs_in(&middle).await;
    let middle = ServedNode::start_with(middle, |_| ()).await;
    let leaf = consumer(&middle.url("")).await;
    until("ada is known here", async || shows(&leaf, "ada")).await;
    service_leaves(top, &middle.node).await;
    assert_eq!(verdict(&leaf, "ada", PASSWORD).await, Verdict::Granted, "the middle remembers");
    middle.close().await;
    undecided(&leaf, "ada").await;
}

async fn change_own(node: &Consumer, new: &str) -> Result<Verdict> {
    let change = PasswordChange { old: password(PASSWORD), new: password(new) };
    Ok(node.service.change_password(&Caller::Root, "ada", change).await?.verdict)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_change_their_own_password_where_the_service_lets_them_and_read_where_to_go_elsewhere() {
    let (service, node) = service_and_consumer().await;
    let allow = |own_passwords| {
        service.node.publishing.settings.send_modify(|settings| {
            let settings = &mut Arc::make_mut(settings).service;
            (settings.readonly, settings.own_passwords) = (true, own_passwords);
        });
    };
    allow(false);
    let refused = change_own(&node, "another horse").await;
    assert!(matches!(&refused, Err(Error::ReadOnly(why)) if why.contains(&service.url(""))), "{refused:?}");
    allow(true);
    assert_eq!(change_own(&node, "another horse").await, Ok(Verdict::Granted));
    assert_eq!(verdict(&node, "ada", "another horse").await, Verdict::Granted);
    assert_eq!(
        change_own(&node, "a third horse").await,
        Ok(Verdict::Denied),
        "the old one is not right any more"
    );
    let by_root = PasswordChange { old: None, new: password("a third horse") };
    let refused = node.service.change_password(&Caller::Root, "ada", by_root).await;
    assert!(matches!(refused, Err(Error::ReadOnly(_) | Error::Refused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_here_is_done_there_and_answered_when_lookups_here_show_it() {
    let (service, node) = service_and_consumer().await;
    create(&node, "bob", NewAccount { password: password(PASSWORD), ..NewAccount::default() }).await;
    assert!(node.publishing.shows("bob"));
    assert_eq!(verdict(&service.node, "bob", PASSWORD).await, Verdict::Granted);
    let rename = UserChange {
        name: Some(name("dan")),
        email: Some(Some("dan@example.org".parse().unwrap())),
        ..Default::default()
    };
    node.service.update_user(&Caller::Root, name("bob"), rename.clone()).await.unwrap();
    assert!(node.publishing.shows("dan") && !node.publishing.shows("bob"));
    let stale = UserChange { if_revision: Some(1), email: Some(None), ..Default::default() };
    let refused = node.service.update_user(&Caller::Root, name("dan"), stale).await;
    assert!(matches!(refused, Err(Error::Changed(_))), "{refused:?}");
    node.service.create_group(&Caller::Root, name("physics"), None, false).await.unwrap();
    node.service.set_members(&Caller::Root, name("physics"), vec![name("dan")], true).await.unwrap();
    node.service.delete_group(&Caller::Root, name("physics"), None).await.unwrap();
    node.service
        .set_password(&Caller::Root, name("dan"), PasswordChange { old: None, new: None })
        .await
        .unwrap();
    node.service.delete_user(&Caller::Root, name("dan"), None).await.unwrap();
    assert!(!node.publishing.shows("dan"));

    let hashes = node.service.export(&Caller::Root, None, 10).await;
    assert!(matches!(&hashes, Err(Error::Refused(why)) if why.contains("stay at the service")), "{hashes:?}");
    let Err(Error::Refused(why)) = node.service.database_health(&Caller::Root).await else { panic!() };
    assert!(why.contains(&service.url("")), "{why}");
    service.node.publishing.settings.send_modify(|settings| Arc::make_mut(settings).service.readonly = true);
    let refused = node.service.delete_user(&Caller::Root, name("ada"), None).await;
    assert!(matches!(&refused, Err(Error::ReadOnly(why)) if why.contains(&service.url(""))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_the_services_and_are_taken_here_too() {
    let (service, node) = service_and_consumer().await;
    let request = TokenRequest {
        owner: Some(name("ada")),
        name: "laptop".parse().unwrap(),
        scopes: "read,write".parse().unwrap(),
        networks: Networks::default(),
        expires_at: None,
    };
    let (token, text) = node.service.create_token(&Caller::Root, request).await.unwrap();
    let source = "192.0.2.7".parse().unwrap();
    for asked in [
        &node.service.check_token(text.expose(), Some(Scope::Write), source).await.unwrap(),
        &service.node.service.check_token(text.expose(), Some(Scope::Write), source).await.unwrap(),
    ] {
        assert!(asked.is_accepted(), "{asked:?}");
    }
    let listed = node.service.tokens(&Caller::Root, None, None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!((&listed.items[0].uuid, listed.items[0].scopes), (&token.uuid, token.scopes));
    let _ = service.node.service.token_uses.take();
    node.service.write_token_uses().await;
    assert_eq!(service.node.service.token_uses.take()[0].source, source, "the service is told of the use");
    node.service.revoke_token(&Caller::Root, Some(name("ada")), token.name).await.unwrap();
    let gone = node.directory().token(&text.hash()).await.unwrap();
    assert!(matches!(gone, TokenLookup::Revoked(_)), "{gone:?}");
    service_leaves(service, &node).await;
    assert!(matches!(node.directory().token(&text.hash()).await, Err(Error::Away(_))));
}
