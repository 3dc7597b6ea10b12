//! Logins at a certified OpenID provider, as pam_pody goes through them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use servers::{Answer, OidcOptions, OidcProvider};
use tokio::time::{Instant, timeout};

use super::{PASSWORD, create, decided, log_in, login, password, verdict};
use crate::clock::Clock;
use crate::config::{AuthMode, Oidc, Settings, parse_str};
use crate::directory::{Directory, Error, Identity};
use crate::limits::{LOGIN_GRACE, MAX_DEVICE_LOGINS, MAX_DEVICE_LOGINS_PER_USER};
use crate::service::{BreakGlass, Caller, Decision, Login, NewAccount, Step, Verdict};
use crate::testing::{NOW, PATIENCE, TestNode, find_user, name, peer, secret, until};

/// Nobody who waits for a call is kept longer: pam_pody gives podyd up after 15 s.
const IN_TIME: Duration = Duration::from_secs(10);

/// A node whose users without a password log in at this provider; ada and bob are there, and linked.
pub(super) async fn node_of(idp: &OidcProvider) -> TestNode {
    let node = TestNode::start().await;
    // Tokens say what time it is.
    node.clock.advance(Clock::System.unix_seconds() - NOW);
    let scopes = "openid profile email groups".parse().unwrap();
    let oidc = Oidc {
        issuer: idp.issuer().parse().unwrap(),
        client_id: "pody".parse().unwrap(),
        timeout: Duration::from_secs(1),
        scopes,
        ..Oidc::default()
    };
    let users = parse_str("[oidc.users]\ngroup_map = [\"*\"]", &Default::default()).unwrap().oidc_users;
    change_settings(&node, |settings| (settings.oidc, settings.oidc_users) = (oidc, users));
    for user in ["ada", "bob"] {
        create(&node, user, NewAccount::default()).await;
        link(&node, idp, user, &format!("sub-{user}")).await;
    }
    node
}

pub(super) fn change_settings<D: Directory>(node: &TestNode<D>, change: impl FnOnce(&mut Settings)) {
    let mut settings = Settings::clone(&node.publishing.settings.borrow());
    change(&mut settings);
    node.publishing.settings.send_replace(Arc::new(settings));
}

pub(super) async fn link(node: &TestNode, idp: &OidcProvider, user: &str, subject: &str) {
    let identity = Identity::new(idp.issuer(), subject).unwrap();
    node.directory().link(name(user), identity).await.unwrap();
}

/// A login that shows a code.
pub(super) struct Shown {
    pub login: String,
    pub message: String,
    pub code: String,
}

/// Goes on until there is something to show, or an end.
pub(super) async fn begin<D: Directory>(node: &TestNode<D>, login: Login) -> Result<Shown, Decision> {
    let step = node.service.begin_login(&Caller::Root, login).await.unwrap();
    match after_waiting(node, step).await {
        Step::AskEnter { login, message, prompt } => {
            assert_eq!(prompt, "Then press Enter here: ");
            let code = message.rsplit(' ').next().unwrap().to_owned();
            Ok(Shown { login, message, code })
        }
        step => Err(decided(step)),
    }
}

/// Somebody has pressed Enter.
pub(super) async fn end<D: Directory>(node: &TestNode<D>, login: &str) -> Decision {
    decided(after_waiting(node, Step::Wait { login: login.to_owned() }).await)
}

pub(super) async fn after_waiting<D: Directory>(node: &TestNode<D>, mut step: Step) -> Step {
    while let Step::Wait { login } = step {
        let answer = node.service.answer_login(&Caller::Root, &login, secret(""));
        step = timeout(IN_TIME, answer).await.expect("a call ends in time").unwrap();
    }
    step
}

pub(super) fn says(decision: &Decision, verdict: Verdict, words: &str) {
    let message = decision.message.as_deref().unwrap_or_default();
    assert_eq!(decision.verdict, verdict, "{decision:?}");
    assert!(message.contains(words) && message.len() < 512, "{words}: {decision:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_linked_and_has_no_password_logs_in_by_approving() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    let from = Login { rhost: Some("192.0.2.7".into()), ..login("ada") };
    let shown = begin(&node, from).await.unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for words in
        [idp.issuer(), "/device", &shown.code, host.trim_end(), "192.0.2.7", "ada logs in", " ▄▄▄▄▄ "]
    {
        assert!(shown.message.contains(words), "{words}: {}", shown.message);
    }
    assert!(shown.message.starts_with('\n'), "what ssh writes before it would spoil the QR code");
    assert!(shown.message.lines().all(|line| line.chars().count() <= 80), "{}", shown.message);
    idp.approve(&shown.code, "sub-ada").await;
    assert_eq!(end(&node, &shown.login).await, Verdict::Granted.into());
    let ada = find_user(node.directory(), "ada").await.unwrap();
    let groups: Vec<&str> = ada.groups.iter().map(|(_, group)| group.as_str()).collect();
    assert_eq!(groups, ["engines"], "staff gives rights on a node, and no provider gives those");
    assert_eq!(ada.user.gecos.as_str(), "Ada Lovelace");
    let again = node.service.answer_login(&Caller::Root, &shown.login, secret("")).await;
    assert!(matches!(again, Err(Error::NotFound(_))), "a login ends once: {again:?}");
}

/// The directory may be in the middle of it, with everybody else waiting.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_ends_although_nobody_waits_any_more() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    let shown = begin(&node, login("ada")).await.unwrap();
    let step = node.service.answer_login(&Caller::Root, &shown.login, secret("")).await.unwrap();
    assert!(matches!(step, Step::Wait { .. }), "{step:?}");
    idp.approve(&shown.code, "sub-ada").await;
    until("the claims to have come to the directory", async || {
        find_user(node.directory(), "ada").await.is_some_and(|ada| ada.user.gecos.as_str() == "Ada Lovelace")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_is_not_asked_any_more_for_whom_nobody_can_come_back() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    let shown = begin(&node, login("ada")).await.unwrap();
    let enter = node.service.answer_login(&Caller::Root, &shown.login, secret(""));
    assert!(timeout(Duration::from_secs(1), enter).await.is_err(), "podyctl or sshd hangs up in the call");
    idp.approve(&shown.code, "sub-ada").await;
    let again = node.service.answer_login(&Caller::Root, &shown.login, secret("")).await;
    assert!(matches!(again, Err(Error::NotFound(_))), "{again:?}");
    let asked = idp.asked("/token").await;
    let other = begin(&node, login("bob")).await.unwrap();
    idp.approve(&other.code, "sub-bob").await;
    assert_eq!(
        end(&node, &other.login).await.verdict,
        Verdict::Granted,
        "a whole pause of the provider later"
    );
    assert_eq!(idp.asked("/token").await, asked + 1, "for bob");
    assert_eq!(find_user(node.directory(), "ada").await.unwrap().user.gecos.as_str(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_asked_for_as_ever_where_they_count() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    let account = NewAccount { password: password(PASSWORD), ..NewAccount::default() };
    create(&node, "eve", account).await;
    assert_eq!(verdict(&node, "eve", PASSWORD).await, Verdict::Granted);
    assert_eq!(verdict(&node, "nobody-at-all", PASSWORD).await, Verdict::Unknown);
    change_settings(&node, |settings| settings.auth.mode = AuthMode::OidcOnly);
    assert!(begin(&node, login("eve")).await.unwrap().message.contains("eve logs in"));
    change_settings(&node, |settings| settings.oidc = Oidc::default());
    change_settings(&node, |settings| settings.auth.mode = AuthMode::Standalone);
    assert_eq!(
        verdict(&node, "bob", "guess").await,
        Verdict::Denied,
        "nobody learns that there is no password"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_but_the_one_who_is_asked_for_is_refused_with_a_word_of_what_to_do() {
    let accounts = json!({
        "sub-ada": { "preferred_username": "ada" }, "sub-bob": { "preferred_username": "bob" },
        "sub-eve": { }, "sub-mallory": { "preferred_username": "ada" }, "sub-gone": { "preferred_username": "gone" },
    });
    let idp = OidcProvider::start(OidcOptions { accounts, ..OidcOptions::default() }).await;
    let node = node_of(&idp).await;
    for (person, words) in [
        ("sub-bob", "you are bob here, and not ada: log in as bob"),
        ("sub-mallory", "podyctl identity link ada http"),
        ("sub-eve", "ada is an account of this cluster that is not linked to you"),
        ("sub-gone", "you are gone here, and not ada"),
    ] {
        let shown = begin(&node, login("ada")).await.unwrap();
        idp.approve(&shown.code, person).await;
        says(&end(&node, &shown.login).await, Verdict::Refused, words);
    }
    let shown = begin(&node, login("ada")).await.unwrap();
    idp.deny(&shown.code).await;
    says(&end(&node, &shown.login).await, Verdict::Refused, "127.0.0.1 says that this login was denied");
    let failures = node.service.node.failures(&["user:ada".into(), "local".into()]);
    assert!(failures.iter().all(Option::is_none), "none of that is a wrong password: {failures:?}");
    let locked = crate::directory::UserChange { state: Some(identity::State::Locked), ..Default::default() };
    node.service.update_user(&Caller::Root, name("ada"), locked).await.unwrap();
    let shown = begin(&node, login("ada")).await.unwrap();
    idp.approve(&shown.code, "sub-ada").await;
    says(&end(&node, &shown.login).await, Verdict::Refused, "the account ada is locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_nobody_approves_ends_by_itself() {
    let lifetimes = json!({ "DeviceCode": 2 });
    let idp = OidcProvider::start(OidcOptions { lifetimes, ..OidcOptions::default() }).await;
    let node = node_of(&idp).await;
    let shown = begin(&node, login("ada")).await.unwrap();
    let began = Instant::now();
    says(
        &end(&node, &shown.login).await,
        Verdict::Refused,
        "Nobody has approved this login at 127.0.0.1 in time",
    );
    assert!(began.elapsed() < IN_TIME);
    assert!(LOGIN_GRACE < Duration::from_secs(120), "sshd's LoginGraceTime");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_answer_it_is_refused_at_once_and_the_provider_not_asked() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    for service in ["cron", "ftp", "", "sshd\u{1b}[2J", "SSHD"] {
        let login = Login { service: service.into(), ..login("ada") };
        let decision = begin(&node, login).await.err().unwrap();
        says(&decision, Verdict::Unavailable, "ada logs in at 127.0.0.1, which is not possible through");
        assert!(!decision.message.unwrap().contains('\u{1b}'));
    }
    assert_eq!(idp.asked("/device/auth").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_change_in_mid_login_are_known() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    for _ in 0..2 {
        let shown = begin(&node, login("ada")).await.unwrap();
        idp.turn_keys_over().await;
        idp.approve(&shown.code, "sub-ada").await;
        assert_eq!(end(&node, &shown.login).await.verdict, Verdict::Granted);
        // The next change is more than the shortest time between two looks for keys away.
        change_settings(&node, |settings| settings.oidc.groups_claim = "others".parse().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_says_nonsense_or_nothing_ends_the_login_in_time_and_lets_nobody_in() {
    let lifetimes = json!({ "DeviceCode": 8 });
    let idp = OidcProvider::start(OidcOptions { lifetimes, ..OidcOptions::default() }).await;
    let node = node_of(&idp).await;
    let began = Instant::now();
    for (path, answer, words) in [
        ("/token", Answer::garbage(), "journal of podyd"),
        ("/token", Answer::json(200, &json!({ "id_token": "a.b.c" })), "cannot be believed"),
        ("/token", Answer::json(200, &json!({ "access_token": "x" })), "journal of podyd"),
        ("/token", Answer::json(400, &json!({ "error": "invalid_client" })), "journal of podyd"),
        ("/token", Answer::redirect("https://evil.example"), "journal of podyd"),
        ("/token", Answer::never(), "does not answer"),
        ("/device/auth", Answer::garbage(), "journal of podyd"),
        ("/device/auth", Answer::never(), "does not answer"),
    ] {
        let shown = match path {
            "/token" => begin(&node, login("ada")).await,
            _ => Ok(Shown { login: String::new(), message: String::new(), code: String::new() }),
        };
        idp.answer([(path, answer)]).await;
        let decision = match path {
            "/token" => end(&node, &shown.unwrap().login).await,
            _ => begin(&node, login("ada")).await.err().unwrap(),
        };
        let verdict = if words.contains("believed") { Verdict::Refused } else { Verdict::Unavailable };
        says(&decision, verdict, words);
        idp.answer([]).await;
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_stands_still_or_dies_holds_up_nobody_who_has_a_password() {
    let lifetimes = json!({ "DeviceCode": 6 });
    let mut idp = OidcProvider::start(OidcOptions { lifetimes, ..OidcOptions::default() }).await;
    let node = node_of(&idp).await;
    let account = NewAccount { password: password(PASSWORD), ..NewAccount::default() };
    create(&node, "eve", account).await;
    let shown = begin(&node, login("ada")).await.unwrap();
    idp.freeze();
    let held_up = async {
        let mut begun = Vec::new();
        for number in 0..MAX_DEVICE_LOGINS {
            let rhost = Some(format!("192.0.2.{}", number % 8));
            let step =
                node.service.begin_login(&Caller::Root, Login { rhost, ..login("bob") }).await.unwrap();
            let Step::Wait { login } = step else { panic!("{step:?}") };
            begun.push(login);
        }
        let oldest = node.service.answer_login(&Caller::Root, &begun[0], secret("")).await;
        assert!(matches!(oldest, Err(Error::NotFound(_))), "it made room, and nobody else did: {oldest:?}");
        let began = Instant::now();
        assert_eq!(log_in(&node, login("eve"), PASSWORD).await.verdict, Verdict::Granted);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    };
    held_up.await;
    says(&end(&node, &shown.login).await, Verdict::Unavailable, "127.0.0.1 does not answer");
    idp.thaw();
    idp.stop().await;
    let fresh = node_of(&idp).await;
    let decision = begin(&fresh, login("ada")).await.err().unwrap();
    says(&decision, Verdict::Unavailable, "127.0.0.1 does not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_begins_logins_without_end_is_told_to_wait_and_locks_nobody_out() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    let from = |host: &str| Login { rhost: Some(host.to_owned()), ..login("ada") };
    for _ in 0..MAX_DEVICE_LOGINS_PER_USER {
        let step = node.service.begin_login(&Caller::Root, from("192.0.2.7")).await.unwrap();
        assert!(matches!(step, Step::Wait { .. }), "{step:?}");
    }
    assert_eq!(idp.asked("/device/auth").await, 0, "the provider hears of those alone who wait for it");
    let step = node.service.begin_login(&Caller::Root, from("192.0.2.7")).await.unwrap();
    says(&decided(step), Verdict::Refused, "Too many logins were begun. Try again in 10 minutes.");
    let shown = begin(&node, from("192.0.2.8")).await.unwrap();
    idp.approve(&shown.code, "sub-ada").await;
    assert_eq!(end(&node, &shown.login).await.verdict, Verdict::Granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_root_lets_in_whether_the_provider_is_there_or_not() {
    let mut idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    let break_glass = async || {
        let (user, reason) = (name("ada"), "the provider is away".to_owned());
        let request = BreakGlass { user, lifetime: Duration::from_secs(60), reason };
        node.service.break_glass(&Caller::Root, peer(0), request).await.unwrap().expose().to_owned()
    };
    let shown = begin(&node, login("ada")).await.unwrap();
    let code = break_glass().await;
    let step = node.service.answer_login(&Caller::Root, &shown.login, secret(&code)).await.unwrap();
    assert_eq!(decided(step).verdict, Verdict::Granted, "where Enter is waited for");
    let shown = begin(&node, login("ada")).await.unwrap();
    idp.approve(&shown.code, "sub-ada").await;
    let step = node.service.answer_login(&Caller::Root, &shown.login, secret("yes")).await.unwrap();
    assert_eq!(decided(step).verdict, Verdict::Granted, "whatever else is typed is Enter");
    idp.stop().await;
    let code = break_glass().await;
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);
    let decision = begin(&node, login("ada")).await.err().unwrap();
    says(&decision, Verdict::Unavailable, "does not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_whose_it_is_and_goes_on_for_nobody_else() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_of(&idp).await;
    let own = Caller::User(name("ada"));
    let blamed = Login { rhost: Some("192.0.2.7".into()), ..login("ada") };
    assert!(node.service.begin_login(&Caller::User(name("bob")), login("ada")).await.is_err());
    let Step::Wait { login } = node.service.begin_login(&own, blamed).await.unwrap() else {
        panic!("she waits")
    };
    for thief in [Caller::Root, Caller::Admin(name("ada")), Caller::Other(1000)] {
        let stolen = node.service.answer_login(&thief, &login, secret("")).await;
        assert!(matches!(stolen, Err(Error::NotFound(_))), "{stolen:?}");
    }
    let step = node.service.answer_login(&own, &login, secret("")).await.unwrap();
    let Step::AskEnter { message, .. } = step else { panic!("{step:?}") };
    assert!(!message.contains("192.0.2.7"), "only root knows where somebody comes from: {message}");
}
