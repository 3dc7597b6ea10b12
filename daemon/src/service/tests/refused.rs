//! Every way in of somebody whom the provider has ended: open before, shut then, open again once an admin has unlocked them.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use servers::{OidcOptions, OidcProvider};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::device_logins::{change_settings, node_of};
use super::provider_codes::id_token;
use super::rechecks::{INTERVAL, all_are_due};
use super::relogin::{approved, asks_for_a_code, code_in};
use super::{PASSWORD, decided, login, verdict};
use crate::directory::{Judged, Networks, Scope, Scopes, UserChange};
use crate::limits::MAX_CLOCK_SKEW_SECONDS;
use crate::service::{BreakGlass, Caller, Login, PasswordChange, Step, TokenRequest, Verdict};
use crate::testing::{ServedNode, TestNode, find_user, name, peer, secret};

/// A node with ada, who was approved, and bob, who has a password, too. Both have a token.
struct Doors {
    idp: OidcProvider,
    served: ServedNode,
    relogin_code: String,
    bearers: [String; 2],
    /// Of ada, from before anybody was ended; each is good once.
    id_tokens: Mutex<VecDeque<Zeroizing<String>>>,
}

impl Doors {
    async fn open() -> Self {
        let idp = OidcProvider::start(OidcOptions::default()).await;
        let node = node_of(&idp).await;
        change_settings(&node, |settings| {
            settings.oidc.recheck_interval = INTERVAL;
            settings.oidc_login.relogin_window = Duration::from_secs(60 * 60);
        });
        let relogin_code = code_in(&approved(&node, &idp, login("ada")).await);
        approved(&node, &idp, login("bob")).await;
        let new = PasswordChange { old: None, new: Some(secret(PASSWORD)) };
        node.service.set_password(&Caller::Root, name("bob"), new).await.unwrap();
        let mut id_tokens = VecDeque::new();
        for _ in 0..3 {
            id_tokens.push_back(id_token(&idp, &node, "sub-ada").await);
        }
        let bearers = [token_of(&node, "ada").await, token_of(&node, "bob").await];
        let served = ServedNode::start_with(node, |_| ()).await;
        Self { idp, served, relogin_code, bearers, id_tokens: Mutex::new(id_tokens) }
    }

    fn node(&self) -> &TestNode {
        &self.served.node
    }

    /// Which of them are open.
    async fn tried(&self) -> Vec<(&'static str, bool)> {
        let service = &self.node().service;
        let (root, ada, bob) = (&Caller::Root, name("ada"), name("bob"));
        let account = async |user| service.check_account(root, user, "sshd").await.unwrap().verdict;
        let judged = service.authenticate(root, bob, "localhost", secret(PASSWORD)).await.unwrap();
        let passwd = PasswordChange { old: Some(secret(PASSWORD)), new: None };
        let passwd = service.change_password(root, "bob", passwd).await.unwrap();
        let change = PasswordChange { old: Some(secret(PASSWORD)), new: Some(secret(PASSWORD)) };
        let id_token = self.id_tokens.lock().await.pop_front().unwrap();
        vec![
            ("ada's account, as SSH keys and cron find it", account("ada").await == Verdict::Granted),
            ("bob's", account("bob").await == Verdict::Granted),
            ("ada's token", self.is_taken(&self.bearers[0]).await),
            ("bob's", self.is_taken(&self.bearers[1]).await),
            ("ada at the socket", self.at_the_socket("ada").await == Caller::User(ada)),
            ("bob at the socket", self.at_the_socket("bob").await == Caller::User(bob)),
            ("a code of root", break_glass(self.node(), "ada").await.is_some()),
            ("an ID token for a code", service.exchange_token("a test", None, id_token).await.is_ok()),
            ("a password that is asked for", asks_for_a_password(self.node(), "bob").await),
            ("a password that another node asks about", matches!(judged, Judged::Right { .. })),
            ("a password that is shown to passwd", passwd.verdict == Verdict::Granted),
            (
                "a password that is shown to change it",
                service.set_password(&Caller::User(bob), bob, change).await.is_ok(),
            ),
        ]
    }

    async fn is_taken(&self, bearer: &str) -> bool {
        let request = self.served.anonymous(Method::GET, "/v1/users/ada").bearer_auth(bearer);
        request.send().await.unwrap().status() == StatusCode::OK
    }

    async fn at_the_socket(&self, user: &str) -> Caller {
        let uid = find_user(self.node().directory(), user).await.unwrap().user.uid.0;
        self.node().service.caller(peer(uid)).await.unwrap()
    }

    /// The provider knows nobody any more, and was asked so many seconds ago by the clock of the node.
    async fn end_everybody(&self, seconds_ago: i64) {
        self.idp.set_accounts(json!({})).await;
        all_are_due(self.node()).await;
        self.node().clock.advance(-seconds_ago);
        assert!(self.node().service.recheck_those_due().await.unwrap());
        self.node().clock.advance(seconds_ago);
        assert_eq!(self.node().service.refused_users().await.len(), 2);
    }
}

async fn token_of(node: &TestNode, user: &str) -> String {
    let request = TokenRequest {
        owner: Some(name(user)),
        name: "laptop".parse().unwrap(),
        scopes: Scopes::new([Scope::Read]).unwrap(),
        networks: Networks::default(),
        expires_at: None,
    };
    node.service.create_token(&Caller::Root, request).await.unwrap().1.expose().to_owned()
}

async fn break_glass(node: &TestNode, user: &str) -> Option<String> {
    let request = BreakGlass { user: name(user), lifetime: Duration::from_secs(60), reason: "a test".into() };
    let code = node.service.break_glass(&Caller::Root, peer(0), request).await.ok()?;
    Some(code.expose().to_owned())
}

async fn asks_for_a_password(node: &TestNode, user: &str) -> bool {
    let step = node.service.begin_login(&Caller::Root, login(user)).await.unwrap();
    matches!(step, Step::AskPassword { .. })
}

async fn unlock(node: &TestNode, user: &str) {
    let active = UserChange { state: Some(identity::State::Active), ..UserChange::default() };
    node.service.update_user(&Caller::Root, name(user), active).await.unwrap();
}

/// What comes of a login that is under way.
async fn answered(node: &TestNode, step: Step, typed: &str) -> Verdict {
    let (Step::AskPassword { login } | Step::AskCodeOrEnter { login }) = step else { panic!("{step:?}") };
    decided(node.service.answer_login(&Caller::Root, &login, secret(typed)).await.unwrap()).verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_gets_in_by_no_door_until_an_admin_unlocks_them() {
    let doors = Doors::open().await;
    let node = doors.node();
    let begin = async |user| node.service.begin_login(&Caller::Root, login(user)).await.unwrap();
    let all = |expected: bool, tried: Vec<(&'static str, bool)>| {
        for (door, is_open) in tried {
            assert_eq!(is_open, expected, "{door}");
        }
    };
    all(true, doors.tried().await);
    assert_eq!(verdict(node, "ada", &doors.relogin_code).await, Verdict::Granted);
    let (password, relogin, codes) = (begin("bob").await, begin("ada").await, begin("ada").await);
    let given_before = break_glass(node, "bob").await.unwrap();
    let given_to_ada = break_glass(node, "ada").await.unwrap();

    doors.end_everybody(0).await;
    all(false, doors.tried().await);
    assert_eq!(answered(node, relogin, &doors.relogin_code).await, Verdict::Denied, "under way already");
    assert_eq!(answered(node, codes, &given_to_ada).await, Verdict::Denied, "given before");
    assert_eq!(
        answered(node, password, &given_before).await,
        Verdict::Denied,
        "where a password is asked for"
    );
    let cannot_ask = Login { service: "cron".into(), ..login("bob") };
    let step = node.service.begin_login(&Caller::Root, cannot_ask).await.unwrap();
    assert_ne!(decided(step).verdict, Verdict::Granted);

    unlock(node, "ada").await;
    unlock(node, "bob").await;
    all(true, doors.tried().await);
    assert!(!asks_for_a_code(node, login("ada")).await, "what she could come back by has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_comes_back_by_a_newer_word_of_the_provider() {
    let doors = Doors::open().await;
    let node = doors.node();
    doors.end_everybody(2 * MAX_CLOCK_SKEW_SECONDS).await;
    doors.idp.set_accounts(OidcOptions::default().accounts).await;
    let new = id_token(&doors.idp, node, "sub-ada").await;
    assert!(node.service.exchange_token("a test", None, new).await.is_ok());
    assert_eq!(node.service.refused_users().await, [name("bob")]);

    // With a password, too, it is the provider that says so.
    assert!(!asks_for_a_password(node, "bob").await);
    approved(node, &doors.idp, login("bob")).await;
    assert!(node.service.refused_users().await.is_empty() && asks_for_a_password(node, "bob").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_newer_only_by_a_clock_that_is_ahead_lets_nobody_back_in() {
    let doors = Doors::open().await;
    let node = doors.node();
    let old = doors.id_tokens.lock().await.pop_front().unwrap();
    // It was issued before; by the clock of the node, which is behind, after.
    doors.end_everybody(1).await;
    assert!(node.service.exchange_token("a test", None, old).await.is_err());
    assert_eq!(node.service.refused_users().await.len(), 2);
}
