//! One-time codes, from whoever gives them out to the login that they end.

use std::time::Duration;

use identity::{Day, State};

use super::{PASSWORD, WRONG, create, log_in, login, node_with_ada, verdict};
use crate::clock::day_of;
use crate::directory::{Directory, Error, LocalAccounts, Result, Rules, UserChange};
use crate::service::{BreakGlass, Caller, NewAccount, Step, Verdict};
use crate::testing::{NOW, TestNode, name, peer, rules};
use crate::verifiers::lockout::Subject;

const MINUTE: Duration = Duration::from_secs(60);

async fn break_glass<D: Directory>(node: &TestNode<D>, user: &str) -> Result<String> {
    let request = BreakGlass { user: name(user), lifetime: MINUTE, reason: "the provider is away".into() };
    let code = node.service.break_glass(&Caller::Root, peer(0), request).await?;
    Ok(code.expose().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_root_lets_in_once_with_a_password_or_without() {
    let node = node_with_ada().await;
    create(&node, "bob", NewAccount::default()).await;
    for user in ["ada", "bob"] {
        let code = break_glass(&node, user).await.unwrap();
        assert_eq!(verdict(&node, user, &code.to_lowercase()).await, Verdict::Granted, "{user}");
        assert_eq!(verdict(&node, user, &code).await, Verdict::Denied, "{user}: again");
    }
    let code = break_glass(&node, "bob").await.unwrap();
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted, "passwords count as before");
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Denied, "another user's");
    assert_eq!(verdict(&node, "bob", &code).await, Verdict::Granted, "nobody else used it up");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_cost_what_wrong_passwords_cost() {
    let node = node_with_ada().await;
    let code = break_glass(&node, "ada").await.unwrap();
    let typed = async |text: &str| {
        let source = Subject::source(Some("192.0.2.7"));
        node.service.redeem_code(name("ada"), "sshd", source, text).await.unwrap().verdict
    };
    for wrong in ["", "0000-0000-0000-0000", "ada"] {
        assert_eq!(typed(wrong).await, Verdict::Denied, "{wrong}");
    }
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied, "the fourth failure");
    assert_eq!(typed("0000-0000-0000-0000").await, Verdict::LockedOut);
    let step = node.service.begin_login(&Caller::Root, login("ada")).await.unwrap();
    assert!(matches!(step, Step::AskPassword { .. }), "whoever has a code is asked for it: {step:?}");
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::LockedOut, "a password may be a guess");
    assert_eq!(typed(&code).await, Verdict::Granted, "guesses of others do not keep out whom root lets in");
    node.clock.advance(1);
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted, "the wait is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_glass_is_broken_by_root_alone_for_those_who_may_come_in() {
    let node = node_with_ada().await;
    let ada = name("ada");
    let ask = async |caller: &Caller, seconds: u64, reason: &str| {
        let lifetime = Duration::from_secs(seconds);
        let request = BreakGlass { user: ada, lifetime, reason: reason.to_owned() };
        node.service.break_glass(caller, peer(0), request).await.map(drop)
    };
    for caller in [Caller::Admin(name("eve")), Caller::User(ada), Caller::Other(1000)] {
        assert!(matches!(ask(&caller, 60, "why").await, Err(Error::Refused(_))), "{caller:?}");
    }
    let long = "x".repeat(201);
    for (seconds, reason) in [(59, "why"), (3601, "why"), (60, " "), (60, "a\nb"), (60, &long)] {
        let refused = ask(&Caller::Root, seconds, reason).await;
        assert!(matches!(refused, Err(Error::InvalidInput { .. })), "{seconds} {reason:?}: {refused:?}");
    }
    ask(&Caller::Root, 3600, &"x".repeat(200)).await.unwrap();
    assert!(matches!(break_glass(&node, "eve").await, Err(Error::NotFound(_))), "nobody is created");

    let expired = UserChange { expires_at: Some(Some(Day(day_of(NOW).0))), ..UserChange::default() };
    let locked = UserChange { state: Some(State::Locked), expires_at: Some(None), ..UserChange::default() };
    for (change, why) in [(expired, "--expires"), (locked, "user unlock")] {
        node.service.update_user(&Caller::Root, ada, change).await.unwrap();
        let refused = break_glass(&node, "ada").await;
        assert!(matches!(&refused, Err(Error::Refused(said)) if said.contains(why)), "{refused:?}");
    }
    let active = UserChange { state: Some(State::Active), ..UserChange::default() };
    node.service.update_user(&Caller::Root, ada, active).await.unwrap();
    let local = LocalAccounts::parse("ada:x:1000:1000::/:/bin/sh", "");
    node.publishing.rules.send_replace(std::sync::Arc::new(Rules { local, ..rules() }));
    let refused = break_glass(&node, "ada").await;
    assert!(matches!(&refused, Err(Error::Refused(said)) if said.contains("/etc/passwd")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_for_the_user_and_not_for_the_name() {
    let mut node = node_with_ada().await;
    let code = break_glass(&node, "ada").await.unwrap();
    node.service.delete_user(&Caller::Root, name("ada"), None).await.unwrap();
    create(&node, "ada", NewAccount { reuse_name: true, ..NewAccount::default() }).await;
    assert_eq!(log_in(&node, login("ada"), &code).await.verdict, Verdict::Denied);

    let code = break_glass(&node, "ada").await.unwrap();
    node.restart_service().await;
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Denied, "a restart ends all codes");
}
