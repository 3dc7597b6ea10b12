//! Bearer tokens: who gets which, and which are accepted.

use std::sync::Arc;

use identity::{Day, Name, State};

use super::create;
use crate::clock::day_of;
use crate::directory::{
    Attempt, Directory, Error, LocalAccounts, Objection, Result, Rules, Scope, Token, TokenSecret, UserChange,
};
use crate::service::{Caller, Checked, NewAccount, TokenRequest};
use crate::testing::{NOW, TestNode, add_user, name, rules};

fn request(owner: Option<&str>, scopes: &str) -> TokenRequest {
    TokenRequest {
        owner: owner.map(name),
        name: "backup".parse().unwrap(),
        scopes: scopes.parse().unwrap(),
        networks: "".parse().unwrap(),
        expires_at: None,
    }
}

/// A node on which ada has a token for reading, until in ten days, from one network.
async fn node_with_token() -> (TestNode, TokenSecret) {
    let node = TestNode::start().await;
    create(&node, "ada", NewAccount::default()).await;
    let wanted = TokenRequest {
        networks: "192.0.2.0/24".parse().unwrap(),
        expires_at: Some(Day(day_of(NOW).0 + 10)),
        ..request(Some("ada"), "read")
    };
    let (_, secret) = node.service.create_token(&Caller::Root, wanted).await.unwrap();
    (node, secret)
}

async fn check(node: &TestNode, secret: &TokenSecret) -> Checked {
    let source = "192.0.2.7".parse().unwrap();
    node.service.check_token(secret.expose(), Some(Scope::Read), source).await.unwrap()
}

async fn objection(node: &TestNode, secret: &TokenSecret) -> Objection {
    let checked = check(node, secret).await;
    assert!(!checked.is_accepted());
    <[_; 1]>::try_from(checked.objections).unwrap()[0].clone()
}

async fn change(node: &TestNode, change: UserChange) {
    node.service.update_user(&Caller::Root, name("ada"), change).await.unwrap();
}

async fn first_token(node: &TestNode) -> Token {
    node.directory().tokens(None, None, 1).await.unwrap().items.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_accepted_for_what_it_was_made_for_and_nothing_else() {
    let (node, secret) = node_with_token().await;
    let checked = check(&node, &secret).await;
    assert!(checked.is_accepted() && checked.token.unwrap().owner.name == name("ada"));
    let ask = async |scope, source: &str| {
        node.service
            .check_token(secret.expose(), Some(scope), source.parse().unwrap())
            .await
            .unwrap()
            .objections
    };
    assert!(matches!(ask(Scope::Write, "192.0.2.7").await[..], [Objection::Scope(Scope::Write, _)]));
    assert!(matches!(ask(Scope::Read, "198.51.100.7").await[..], [Objection::Source(..)]));
    assert!(matches!(ask(Scope::Read, "::1").await[..], [Objection::Source(..)]));
    let text = secret.expose();
    for wrong in ["", &text[..62], &text.to_uppercase()] {
        let checked =
            node.service.check_token(wrong, Some(Scope::Read), "192.0.2.7".parse().unwrap()).await.unwrap();
        assert!(matches!(checked.objections[..], [Objection::Malformed(_)]) && !checked.is_accepted());
    }
    assert_eq!(objection(&node, &TokenSecret::from_random(&[7; 32])).await, Objection::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_time_its_owner_and_by_hand() {
    let (node, secret) = node_with_token().await;
    node.clock.advance(10 * 86_400 - 1 - NOW % 86_400);
    assert!(check(&node, &secret).await.is_accepted());
    node.clock.advance(1);
    assert_eq!(objection(&node, &secret).await, Objection::Expired(Day(day_of(NOW).0 + 10)));

    let (node, secret) = node_with_token().await;
    let today = day_of(NOW);
    change(&node, UserChange { expires_at: Some(Some(today)), ..UserChange::default() }).await;
    assert_eq!(objection(&node, &secret).await, Objection::OwnerExpired(name("ada"), today));
    change(&node, UserChange { expires_at: Some(None), ..UserChange::default() }).await;
    let local = LocalAccounts::parse("ada:x:1000:1000::/:/bin/sh", "");
    node.publishing.rules.send_replace(Arc::new(Rules { local, ..rules() }));
    assert!(matches!(objection(&node, &secret).await, Objection::OwnerHidden(..)));
    node.publishing.rules.send_replace(Arc::new(rules()));
    assert!(check(&node, &secret).await.is_accepted());
    change(&node, UserChange { state: Some(State::Locked), ..UserChange::default() }).await;
    assert!(matches!(objection(&node, &secret).await, Objection::Revoked(_)));

    let (node, secret) = node_with_token().await;
    node.service.delete_user(&Caller::Root, name("ada"), None).await.unwrap();
    let words = objection(&node, &secret).await.to_string();
    assert!(words.starts_with("it was revoked in revision") && words.ends_with("ada's backup"), "{words}");

    let (node, secret) = node_with_token().await;
    node.service.revoke_token(&Caller::Root, Some(name("ada")), "backup".parse().unwrap()).await.unwrap();
    assert!(matches!(objection(&node, &secret).await, Objection::Revoked(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_have_tokens_of_their_own_for_reading() {
    let node = TestNode::start().await;
    create(&node, "eve", NewAccount { is_admin: true, ..NewAccount::default() }).await;
    for user in ["ada", "bob"] {
        add_user(node.directory(), user).await;
    }
    let [ada, bob] = ["ada", "bob"].map(|user| Caller::User(name(user)));
    let (eve, stranger) = (Caller::Admin(name("eve")), Caller::Other(1000));
    let create = async |caller: &Caller, owner, scopes| {
        node.service.create_token(caller, request(owner, scopes)).await.map(|(token, _)| token.owner.name)
    };
    let is_refused = |outcome: Result<Name>| matches!(outcome, Err(Error::Refused(_)));
    assert_eq!(create(&ada, None, "read").await, Ok(name("ada")));
    assert_eq!(create(&eve, None, "read,authenticate,write").await, Ok(name("eve")));
    for scopes in ["write", "authenticate", "read,write"] {
        assert!(is_refused(create(&bob, None, scopes).await), "{scopes}");
    }
    assert!(is_refused(create(&ada, Some("bob"), "read").await));
    assert!(is_refused(create(&stranger, Some("bob"), "read").await));
    for caller in [&Caller::Root, &stranger] {
        let outcome = create(caller, None, "read").await;
        assert!(matches!(outcome, Err(Error::InvalidInput { field: "owner", .. })), "{outcome:?}");
    }
    assert_eq!(create(&eve, Some("bob"), "authenticate").await, Ok(name("bob")));

    let list = async |caller: &Caller, owner: Option<&str>| {
        let page = node.service.tokens(caller, owner.map(name), None, 10).await?;
        Ok::<_, Error>(page.items.iter().map(|token| token.owner.name.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(list(&eve, None).await.unwrap(), ["ada", "bob", "eve"]);
    assert_eq!(list(&Caller::Root, Some("bob")).await.unwrap(), ["bob"]);
    assert_eq!(list(&ada, None).await.unwrap(), ["ada"]);
    assert!(list(&ada, Some("bob")).await.is_err() && list(&stranger, None).await.is_err());

    let revoke = async |caller: &Caller, owner: Option<&str>| {
        node.service.revoke_token(caller, owner.map(name), "backup".parse().unwrap()).await
    };
    assert!(revoke(&ada, Some("bob")).await.is_err() && revoke(&stranger, Some("bob")).await.is_err());
    revoke(&bob, None).await.unwrap();
    revoke(&eve, Some("ada")).await.unwrap();
    assert_eq!(list(&Caller::Root, None).await.unwrap(), ["eve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_would_be_expired_is_not_made() {
    let node = TestNode::start().await;
    add_user(node.directory(), "ada").await;
    let wanted = TokenRequest { expires_at: Some(day_of(NOW)), ..request(Some("ada"), "read") };
    let refused = node.service.create_token(&Caller::Root, wanted).await;
    assert!(matches!(refused, Err(Error::InvalidInput { field: "expires_at", .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_learn_what_concerns_their_own_tokens_and_admins_everything() {
    let (node, secret) = node_with_token().await;
    let explain =
        async |caller: &Caller| node.service.explain_token(caller, secret.expose(), Attempt::default()).await;
    let [ada, bob] = ["ada", "bob"].map(|user| Caller::User(name(user)));
    for caller in [&Caller::Root, &Caller::Admin(name("eve")), &ada] {
        assert!(explain(caller).await.unwrap().is_accepted(), "{caller:?}");
    }
    assert_eq!(explain(&bob).await.unwrap(), Checked::refused(Objection::Unknown));
    assert!(explain(&Caller::Other(1000)).await.is_err());
    node.directory().revoke_token(name("ada"), "backup".parse().unwrap()).await.unwrap();
    assert!(matches!(explain(&Caller::Root).await.unwrap().objections[..], [Objection::Revoked(_)]));
    assert_eq!(explain(&bob).await.unwrap(), Checked::refused(Objection::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_written_down_later_and_a_look_is_no_use() {
    let (node, secret) = node_with_token().await;
    node.service.explain_token(&Caller::Root, secret.expose(), Attempt::default()).await.unwrap();
    node.service
        .check_token(secret.expose(), Some(Scope::Write), "192.0.2.7".parse().unwrap())
        .await
        .unwrap();
    node.service.write_token_uses().await;
    assert_eq!(first_token(&node).await.last_use, None, "neither a look nor a refusal is a use");

    check(&node, &secret).await;
    node.clock.advance(5);
    let source = "::ffff:192.0.2.9".parse().unwrap();
    assert!(
        node.service.check_token(secret.expose(), Some(Scope::Read), source).await.unwrap().is_accepted()
    );
    assert_eq!(first_token(&node).await.last_use, None, "not yet");
    let before = node.directory().position().await.unwrap();
    node.service.write_token_uses().await;
    assert_eq!(first_token(&node).await.last_use, Some((NOW + 5, "192.0.2.9".parse().unwrap())));
    assert_eq!(node.directory().position().await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_that_cannot_be_written_wait_and_a_directory_that_is_away_refuses_nobody() {
    let (node, secret) = node_with_token().await;
    check(&node, &secret).await;
    node.directory().close().await;
    node.service.write_token_uses().await;
    assert_eq!(node.service.token_uses.take().len(), 1, "it is still there");
    let away =
        node.service.check_token(secret.expose(), Some(Scope::Read), "192.0.2.7".parse().unwrap()).await;
    assert!(matches!(away, Err(Error::Away(_))), "{away:?}");
}
