//! Codes by which people come back who were approved at the provider.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use identity::State;
use servers::{OidcOptions, OidcProvider};

use super::device_logins::{after_waiting, begin, change_settings, end, node_of, says};
use super::{decided, log_in, login, verdict};
use crate::config::Oidc;
use crate::directory::{Directory, Identity, UserChange};
use crate::limits::MAX_RELOGIN_CODES_PER_USER;
use crate::service::{Caller, Decision, Login, Step, Verdict, forget_ended_codes};
use crate::testing::{TestNode, name, secret};

const WINDOW: Duration = Duration::from_secs(8 * 60 * 60);

const WRONG: &str = "0000-0000-0000-0000";

/// A node that lets people come back for eight hours.
async fn node_with_window(idp: &OidcProvider) -> TestNode {
    let node = node_of(idp).await;
    change_settings(&node, |settings| settings.oidc_login.relogin_window = WINDOW);
    node
}

/// What is shown at the end of a login that somebody approves.
pub(super) async fn approved<D: Directory>(node: &TestNode<D>, idp: &OidcProvider, login: Login) -> Decision {
    let subject = format!("sub-{}", login.user);
    let shown = begin(node, login).await.unwrap();
    idp.approve(&shown.code, &subject).await;
    let decision = end(node, &shown.login).await;
    assert_eq!(decision.verdict, Verdict::Granted, "{decision:?}");
    decision
}

pub(super) fn code_in(decision: &Decision) -> String {
    let message = decision.message.as_deref().expect("a code is shown");
    let line = message.lines().find(|line| line.starts_with("    ")).expect("it has a line of its own");
    line.trim().to_owned()
}

/// The code that somebody is given who is approved.
async fn code_of(node: &TestNode, idp: &OidcProvider, user: &str) -> String {
    code_in(&approved(node, idp, login(user)).await)
}

pub(super) async fn asks_for_a_code(node: &TestNode, login: Login) -> bool {
    let step = node.service.begin_login(&Caller::Root, login).await.unwrap();
    matches!(step, Step::AskCodeOrEnter { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_approved_comes_back_for_a_while_though_the_provider_is_away() {
    let mut idp = OidcProvider::start(OidcOptions::default()).await;
    let mut node = node_with_window(&idp).await;
    let decision = approved(&node, &idp, login("ada")).await;
    says(&decision, Verdict::Granted, "For the next 8 hours, this code logs you in to ");
    let code = code_in(&decision);
    idp.freeze();
    for _ in 0..10 {
        assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);
    }
    let as_typed = format!("\t{}\u{a0}\r", code.replace('-', " ").to_lowercase());
    assert_eq!(verdict(&node, "ada", &as_typed).await, Verdict::Granted);
    node.restart_service().await;
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted, "podyd was started again");
    let console = Login { service: "login".into(), ..login("ada") };
    assert_eq!(log_in(&node, console, &code).await.verdict, Verdict::Granted);
    for service in ["su", "sudo", "cron"] {
        assert!(
            !asks_for_a_code(&node, Login { service: service.into(), ..login("ada") }).await,
            "{service}"
        );
    }
    for file in ["node.sqlite", "node.sqlite-wal", "directory.sqlite", "directory.sqlite-wal"] {
        let bytes = fs::read(node.folder.join(file)).unwrap_or_default();
        for canary in [code.clone(), code.replace('-', "")] {
            let is_there = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!is_there, "the code stands in {file}");
        }
    }
    node.clock.advance(WINDOW.as_secs() as i64 - 1);
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);
    node.clock.advance(1);
    assert!(!asks_for_a_code(&node, login("ada")).await, "the window has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_one_users_on_one_node_and_wrong_ones_lock() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let (node, other) = (node_with_window(&idp).await, node_with_window(&idp).await);
    let (adas, bobs) = (code_of(&node, &idp, "ada").await, code_of(&node, &idp, "bob").await);
    let elsewhere = code_of(&other, &idp, "ada").await;
    for wrong in [&bobs, &elsewhere, "no code at all", WRONG] {
        let decision = log_in(&node, login("ada"), wrong).await;
        says(&decision, Verdict::Denied, "This code is not good");
    }
    says(&log_in(&node, login("ada"), WRONG).await, Verdict::LockedOut, "Too many wrong passwords or codes.");
    let right = log_in(&node, login("ada"), &adas).await;
    assert_eq!(right.verdict, Verdict::Granted, "nobody guesses it, nor keeps its holder out");
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::LockedOut, "whoever guesses stays locked out");
    assert_eq!(verdict(&node, "bob", &bobs).await, Verdict::Granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn enter_leads_to_the_provider_and_to_one_more_code() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_with_window(&idp).await;
    let first = code_of(&node, &idp, "ada").await;
    let sign_in = async || {
        let step = node.service.begin_login(&Caller::Root, login("ada")).await.unwrap();
        let Step::AskCodeOrEnter { login } = step else { panic!("{step:?}") };
        let step = node.service.answer_login(&Caller::Root, &login, secret("")).await.unwrap();
        let Step::AskEnter { login, message, .. } = after_waiting(&node, step).await else {
            panic!("she goes to the provider")
        };
        idp.approve(message.rsplit(' ').next().unwrap(), "sub-ada").await;
        code_in(&end(&node, &login).await)
    };
    let second = sign_in().await;
    for code in [&first, &second] {
        assert_eq!(verdict(&node, "ada", code).await, Verdict::Granted);
    }
    node.clock.advance(1);
    let ada = node.directory().user(crate::directory::Key::Name(name("ada"))).await.unwrap().unwrap();
    for number in 0..MAX_RELOGIN_CODES_PER_USER {
        let code = crate::store::ReloginCode {
            digest: [number as u8; 32],
            user_uuid: ada.user.uuid.clone(),
            user_revision: ada.user.revision,
            issued_at: node.clock.unix_seconds(),
            provider: format!("{} pody", idp.issuer()),
        };
        node.service.node.keep_relogin_code(&code).await.unwrap();
    }
    assert_eq!(verdict(&node, "ada", &second).await, Verdict::Denied, "the oldest made room");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_user_or_the_settings_ends_the_codes() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_with_window(&idp).await;
    let oidc = node.publishing.settings.borrow().oidc.clone();
    let identity = Identity::new(idp.issuer(), "sub-ada").unwrap();
    let update = async |change: UserChange| {
        node.service.update_user(&Caller::Root, name("ada"), change).await.unwrap();
    };
    let state = |state| UserChange { state: Some(state), ..UserChange::default() };
    let unlink = async || {
        node.service.unlink(&Caller::Root, name("ada"), identity.clone()).await.unwrap();
        node.directory().link(name("ada"), identity.clone()).await.unwrap();
    };
    let changes = [
        "locked and unlocked",
        "unlinked and linked",
        "forgotten",
        "off",
        "without a provider",
        "another client",
    ];
    for what in changes {
        code_of(&node, &idp, "ada").await;
        assert!(asks_for_a_code(&node, login("ada")).await, "{what}");
        match what {
            "locked and unlocked" => {
                update(state(State::Locked)).await;
                update(state(State::Active)).await;
            }
            "unlinked and linked" => unlink().await,
            "forgotten" => {
                let bob = Caller::User(name("bob"));
                assert!(node.service.forget_relogin_codes(&bob, name("ada")).await.is_err());
                let own = Caller::User(name("ada"));
                assert!(node.service.forget_relogin_codes(&own, name("ada")).await.unwrap() > 0);
            }
            "off" => {
                change_settings(&node, |settings| settings.oidc_login.relogin_window = Duration::ZERO);
            }
            "without a provider" => change_settings(&node, |settings| settings.oidc = Oidc::default()),
            _ => change_settings(&node, |settings| settings.oidc.client_id = "another".parse().unwrap()),
        }
        assert!(!asks_for_a_code(&node, login("ada")).await, "{what}");
        // As podyd does when it has read the settings.
        let settings = Arc::clone(&node.publishing.settings.borrow());
        forget_ended_codes(&node.service.node, &settings, node.clock.unix_seconds()).await;
        change_settings(&node, |settings| {
            settings.oidc_login.relogin_window = WINDOW;
            settings.oidc = oidc.clone();
        });
        assert!(!asks_for_a_code(&node, login("ada")).await, "{what}, and as it was again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_a_code_who_may_not_come_back_by_it() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_with_window(&idp).await;
    let su = Login { service: "su".into(), ..login("ada") };
    assert_eq!(approved(&node, &idp, su).await, Verdict::Granted.into(), "su shows none");
    change_settings(&node, |settings| settings.oidc_login.relogin_window = Duration::ZERO);
    assert_eq!(approved(&node, &idp, login("ada")).await, Verdict::Granted.into());
    change_settings(&node, |settings| settings.oidc_login.relogin_window = WINDOW);
    let expires = UserChange { expires_at: Some(Some(identity::Day(0))), ..UserChange::default() };
    let code = code_of(&node, &idp, "ada").await;
    node.service.update_user(&Caller::Root, name("ada"), expires).await.unwrap();
    assert!(!asks_for_a_code(&node, login("ada")).await);
    let typed = node.service.begin_login(&Caller::Root, login("ada")).await.unwrap();
    let Step::AskEnter { login, .. } = after_waiting(&node, typed).await else { panic!("a device login") };
    let step = node.service.answer_login(&Caller::Root, &login, secret(&code)).await.unwrap();
    assert_eq!(decided(step).verdict, Verdict::Denied, "a code for somebody who has expired");
}
