//! One-time codes for a certified provider's word: for ID tokens that somebody brings, and for browsers on this machine.

use std::sync::Arc;

use identity::State;
use serde_json::json;
use servers::{OidcOptions, OidcProvider};
use zeroize::Zeroizing;

use super::{create, decided, log_in, login, verdict};
use crate::clock::Clock;
use crate::config::{Oidc, Settings, parse_str};
use crate::directory::{Directory, Error, Result, UserChange};
use crate::service::{BreakGlass, Caller, Login, LoginCode, NewAccount, Step, Verdict};
use crate::testing::{NOW, TestNode, name, peer, secret};

pub(super) const REDIRECT: &str = "http://127.0.0.1:4711/";
const HERE: &str = "uid 1000";

/// A node where everybody whom this provider knows gets an account.
async fn node_of(idp: &OidcProvider) -> TestNode {
    let node = TestNode::start().await;
    // Tokens say what time it is.
    node.clock.advance(Clock::System.unix_seconds() - NOW);
    let oidc = Oidc {
        issuer: idp.issuer().parse().unwrap(),
        client_id: "pody".parse().unwrap(),
        scopes: "openid profile email groups".parse().unwrap(),
        ..Oidc::default()
    };
    let users = parse_str("[oidc.users]\ncreate = true\nallow_everybody = true", &Default::default());
    let settings = Settings {
        oidc,
        oidc_users: users.unwrap().oidc_users,
        ..Settings::clone(&node.publishing.settings.borrow())
    };
    node.publishing.settings.send_replace(Arc::new(settings));
    node
}

async fn start() -> (OidcProvider, TestNode) {
    // Tokens that live for longer than they are taken.
    let mut options = OidcOptions::default();
    options.lifetimes["IdToken"] = json!(3600);
    let idp = OidcProvider::start(options).await;
    let node = node_of(&idp).await;
    (idp, node)
}

/// A token that somebody got from the provider by other means.
pub(super) async fn id_token(idp: &OidcProvider, node: &TestNode, subject: &str) -> Zeroizing<String> {
    let provider = node.service.known_provider().unwrap();
    let login = provider.begin_code(REDIRECT.parse().unwrap()).await.unwrap();
    let back = idp.log_in(login.url.as_str(), subject).await;
    let signed_in = provider.finish_code(login, back.split_once('?').unwrap().1).await.unwrap();
    secret(signed_in.id_token.expose())
}

fn refused<T: std::fmt::Debug>(outcome: Result<T>, words: &str) {
    assert!(matches!(&outcome, Err(Error::Refused(why)) if why.contains(words)), "{words}: {outcome:?}");
}

fn code_of((user, code): (identity::Name, LoginCode), expected: &str) -> String {
    assert_eq!(user, name(expected));
    code.expose().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_one_code_for_whom_it_names() {
    let (idp, node) = start().await;
    let token = id_token(&idp, &node, "sub-ada").await;
    let exchange = async |asked: Option<&str>, token: &str| {
        node.service.exchange_token(HERE, asked.map(name), secret(token)).await
    };
    refused(exchange(Some("bob"), &token).await, "");
    let code = code_of(exchange(None, &token).await.unwrap(), "ada");
    for asked in [None, Some("ada")] {
        refused(exchange(asked, &token).await, "already");
    }
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Denied, "once");

    let token = id_token(&idp, &node, "sub-ada").await;
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = head.split_once('.').unwrap();
    let turned: String = claims.chars().rev().collect();
    for forged in
        ["", "a.b.c", &format!("{head}."), &format!("{header}.{turned}.{signature}"), &"x".repeat(40_000)]
    {
        refused(exchange(None, forged).await, "ID token");
    }
    node.clock.advance(660);
    refused(exchange(None, &token).await, "older than 10 minutes");
    node.clock.advance(-160);
    code_of(exchange(Some("ada"), &token).await.unwrap(), "ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_come_in_gets_no_code() {
    let (idp, node) = start().await;
    let exchange = async |token: Zeroizing<String>| node.service.exchange_token(HERE, None, token).await;
    exchange(id_token(&idp, &node, "sub-bob").await).await.unwrap();
    let lock = UserChange { state: Some(State::Locked), ..UserChange::default() };
    node.service.update_user(&Caller::Root, name("bob"), lock).await.unwrap();
    refused(exchange(id_token(&idp, &node, "sub-bob").await).await, "locked");
    refused(exchange(id_token(&idp, &node, "sub-eve").await).await, "preferred_username");

    let mut settings = Settings::clone(&node.publishing.settings.borrow());
    settings.oidc_users.create = false;
    node.publishing.settings.send_replace(Arc::new(settings.clone()));
    refused(exchange(id_token(&idp, &node, "sub-ada").await).await, "");
    let ada = node.service.directory.user(crate::directory::Key::Name(name("ada"))).await.unwrap();
    assert!(ada.is_none(), "nobody was created");
    let token = id_token(&idp, &node, "sub-ada").await;
    settings.oidc = Oidc::default();
    node.publishing.settings.send_replace(Arc::new(settings));
    refused(exchange(token).await, "no OpenID provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_somebody_in_once_and_for_whoever_sent_it() {
    let (idp, node) = start().await;
    let (me, other) = (Caller::Other(1000), Caller::Other(1001));
    let begin = async || node.service.begin_browser_login(&me, REDIRECT).await.unwrap();
    let browse = async |url: &url::Url| {
        let back = idp.log_in(url.as_str(), "sub-ada").await;
        back.strip_prefix(REDIRECT).unwrap().trim_start_matches('?').to_owned()
    };
    let finish = async |caller: &Caller, id: &str, query: &str| {
        node.service.finish_browser_login(caller, id, query, None).await
    };
    let (id, url) = begin().await;
    let query = browse(&url).await;
    let stolen = finish(&other, &id, &query).await;
    assert!(matches!(stolen, Err(Error::NotFound(_))), "{stolen:?}");
    let code = code_of(finish(&me, &id, &query).await.unwrap(), "ada");
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);
    assert!(matches!(finish(&me, &id, &query).await, Err(Error::NotFound(_))), "once");

    let (id, _) = begin().await;
    refused(finish(&me, &id, &query).await, "no answer to this login");
    let (id, url) = begin().await;
    let state = url.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    refused(finish(&me, &id, &format!("state={state}&error=access_denied")).await, "refused at the provider");
    let redirected = node.service.begin_browser_login(&me, "https://example.com/").await;
    assert!(matches!(redirected, Err(Error::InvalidInput { .. })), "{redirected:?}");

    let first = begin().await.0;
    for _ in 0..crate::limits::MAX_BROWSER_LOGINS_PER_CALLER {
        begin().await;
    }
    assert!(matches!(finish(&me, &first, "").await, Err(Error::NotFound(_))), "it was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_away_a_code_that_is_good_is_asked_for() {
    let (mut idp, node) = start().await;
    create(&node, "bob", NewAccount::default()).await;
    idp.stop().await;
    assert_eq!(log_in(&node, login("bob"), "").await.verdict, Verdict::Unavailable);
    let lifetime = crate::limits::MIN_BREAK_GLASS;
    let request = BreakGlass { user: name("bob"), lifetime, reason: "the provider is away".into() };
    let code = node.service.break_glass(&Caller::Root, peer(0), request).await.unwrap();

    let answer = async |login: &str, text: &str| {
        node.service.answer_login(&Caller::Root, login, secret(text)).await.unwrap()
    };
    let asked = async |service: &str| {
        let login = Login { service: service.into(), ..login("bob") };
        match node.service.begin_login(&Caller::Root, login).await.unwrap() {
            Step::AskCode { login } => login,
            step => panic!("{step:?}"),
        }
    };
    for wrong in ["", "0000-0000-0000-0000", "no"] {
        let decision = decided(answer(&asked("sshd").await, wrong).await);
        assert!(decision.verdict == Verdict::Denied && decision.message.is_some(), "{wrong}: {decision:?}");
    }
    // Where nobody logs in at the provider.
    assert_eq!(answer(&asked("cron").await, code.expose()).await, Step::Done(Verdict::Granted.into()));
}
