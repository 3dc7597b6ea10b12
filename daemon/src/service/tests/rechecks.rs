//! People about whom the provider is asked again.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use servers::{Answer, OidcOptions, OidcProvider};
use tokio::net::TcpListener;

use super::device_logins::{change_settings, link, node_of, says};
use super::provider_codes::{REDIRECT, id_token};
use super::relogin::{approved, asks_for_a_code, code_in};
use super::reservations::resolve;
use super::{create, login, verdict};
use crate::clock::Clock;
use crate::config::{Oidc, Secret};
use crate::directory::{Directory, Identity, Networks, Scope, Scopes, UserChange};
use crate::limits::MAX_WITHOUT_TOKEN;
use crate::service::recheck::Rechecks;
use crate::service::{BreakGlass, Caller, NewAccount, Opening, Peer, Resolved, TokenRequest, Verdict};
use crate::store::{RefreshToken, Vault};
use crate::testing::{NOW, ServedNode, TestNode, consumer_with, find_user, name, peer, rules, until};

/// Tokens say what time it is, and are believed for some minutes.
pub(super) const INTERVAL: Duration = Duration::from_secs(4);

/// A node that asks again and lets people come back for an hour.
async fn node_that_asks(idp: &OidcProvider) -> TestNode {
    let node = node_of(idp).await;
    change_settings(&node, |settings| {
        settings.oidc.recheck_interval = INTERVAL;
        settings.oidc_login.relogin_window = Duration::from_secs(60 * 60);
    });
    node
}

/// The refresh tokens that the node keeps.
async fn kept<D: Directory>(node: &TestNode<D>) -> Vec<RefreshToken> {
    node.service.node.due_refresh_tokens(i64::MAX, 100).await.unwrap()
}

/// Makes it time to ask about everybody, without a clock that moves.
pub(super) async fn all_are_due<D: Directory>(node: &TestNode<D>) {
    for token in kept(node).await {
        let due = RefreshToken { next_check: 0, ..token.clone() };
        assert!(node.service.node.renew_refresh_token(&token, &due).await.unwrap());
    }
}

/// The text of the only one.
async fn token_text(node: &TestNode) -> String {
    let vault = Vault::open(&node.folder, &Secret::default()).unwrap();
    let [token] = &kept(node).await[..] else { panic!("one login was approved") };
    vault.unseal(&token.user_uuid, &token.sealed).unwrap().expose().to_owned()
}

/// Asks about everybody when it is time again; says whether the provider answers.
async fn ask_later<D: Directory>(node: &TestNode<D>) -> bool {
    node.clock.advance(INTERVAL.as_secs() as i64);
    node.service.recheck_those_due().await.unwrap()
}

/// Whether the account part says that ada is locked, which is all that SSH keys and cron are judged by.
fn is_shown_as_locked(node: &TestNode) -> bool {
    let accounts = node.publishing.look_at_accounts().unwrap();
    accounts.view().account_by_name(b"ada").unwrap().unwrap().locked
}

async fn is_refused(node: &TestNode) -> bool {
    let ada = find_user(node.directory(), "ada").await.unwrap();
    node.service.is_refused(&ada.user.uuid)
}

/// The provider's people, with ada in these groups.
fn with_ada_in(groups: &[&str]) -> Value {
    json!({ "sub-ada": { "preferred_username": "ada", "groups": groups }, "sub-bob": {} })
}

async fn update_ada(node: &TestNode, change: UserChange) {
    node.service.update_user(&Caller::Root, name("ada"), change).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_the_provider_ends_is_refused_within_the_interval_until_it_vouches_again() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_that_asks(&idp).await;
    let code = code_in(&approved(&node, &idp, login("ada")).await);
    assert!(ask_later(&node).await && !is_refused(&node).await);
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);

    idp.set_accounts(json!({ "sub-bob": {} })).await;
    assert!(ask_later(&node).await && is_refused(&node).await);
    until("her account to be shown as locked", async || is_shown_as_locked(&node)).await;
    assert!(!asks_for_a_code(&node, login("ada")).await, "the window has ended, too");
    let decision = node.service.check_account(&Caller::Root, "ada", "sshd").await.unwrap();
    says(&decision, Verdict::AccountLocked, "log in there again");
    let ada = find_user(node.directory(), "ada").await.unwrap().user;
    assert_eq!(node.service.caller(peer(ada.uid.0)).await.unwrap(), Caller::Other(ada.uid.0));
    let request =
        BreakGlass { user: name("ada"), lifetime: Duration::from_secs(60), reason: "a test".into() };
    assert!(node.service.break_glass(&Caller::Root, peer(0), request).await.is_err());
    let health = node.service.health(&Caller::Root).await.unwrap();
    assert_eq!(health.refused, [name("ada")]);
    assert!(health.warnings.concat().contains("since the OpenID provider has ended their logins: ada"));
    assert!(kept(&node).await.is_empty(), "nobody asks again");
    let on_disk = node.service.node.refused().await.unwrap();
    assert_eq!(on_disk[0].0, ada.uuid, "the next run of podyd knows it, too");

    // Neither a change of hers nor a base that is made anew lets her in.
    update_ada(&node, UserChange { gecos: Some("Ada".parse().unwrap()), ..UserChange::default() }).await;
    assert!(is_shown_as_locked(&node));
    node.publishing.rules.send_replace(Arc::new(rules()));
    update_ada(&node, UserChange { gecos: Some("Countess".parse().unwrap()), ..UserChange::default() }).await;
    assert!(is_shown_as_locked(&node));
    assert_eq!(
        ada.state,
        identity::State::Active,
        "in the directory, and so on other nodes, nothing is locked"
    );

    idp.set_accounts(with_ada_in(&[])).await;
    approved(&node, &idp, login("ada")).await;
    assert!(!is_shown_as_locked(&node) && !is_refused(&node).await, "once the login is granted");
    assert!(node.service.node.refused().await.unwrap().is_empty());
    assert_eq!(kept(&node).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_follow_tokens_are_rotated_and_codes_stay() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_that_asks(&idp).await;
    let code = code_in(&approved(&node, &idp, login("ada")).await);
    let groups = async || {
        let ada = find_user(node.directory(), "ada").await.unwrap();
        ada.groups.iter().map(|(_, group)| group.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(groups().await, ["engines"]);
    let first = token_text(&node).await;
    idp.set_accounts(with_ada_in(&["poets"])).await;
    assert!(node.service.recheck_those_due().await.unwrap());
    assert_eq!(groups().await, ["engines"], "it is not time yet");
    assert!(ask_later(&node).await);
    assert_eq!(groups().await, ["poets"]);
    let second = token_text(&node).await;
    assert_ne!(first, second, "the provider has given another one");
    idp.set_accounts(with_ada_in(&[])).await;
    assert!(ask_later(&node).await);
    assert_eq!(groups().await, [""; 0]);
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);
    assert!(!is_refused(&node).await);
    let files = fs::read_dir(&*node.folder).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let bytes = fs::read(&file).unwrap();
        for token in [&first, &second, &token_text(&node).await] {
            let is_there = bytes.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(!is_there, "a token stands in {}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_away_nothing_changes_and_a_lost_answer_refuses_nobody() {
    let mut idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_that_asks(&idp).await;
    let ended = json!({ "error": "invalid_grant" });
    let code = code_in(&approved(&node, &idp, login("ada")).await);
    for answer in [
        Answer::garbage(),
        Answer::json(503, &json!({})),
        Answer::json(401, &json!({ "error": "invalid_client" })),
    ] {
        idp.answer([("/token", answer)]).await;
        assert!(!ask_later(&node).await && kept(&node).await.len() == 1);
        assert!(!kept(&node).await[0].answer_is_lost, "there was an answer");
    }
    idp.freeze();
    assert!(!ask_later(&node).await);
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);
    idp.thaw();
    assert!(!is_refused(&node).await && kept(&node).await[0].answer_is_lost);
    idp.answer([("/token", Answer::json(400, &ended))]).await;
    assert!(ask_later(&node).await);
    assert!(!is_refused(&node).await, "the token may have been used up by the answer that was lost");
    assert!(kept(&node).await.is_empty() && !asks_for_a_code(&node, login("ada")).await);

    idp.answer([]).await;
    approved(&node, &idp, login("ada")).await;
    idp.stop().await;
    assert!(!ask_later(&node).await && !kept(&node).await[0].answer_is_lost, "nobody has heard it");
    idp.start_again().await;
    idp.answer([("/token", Answer::json(400, &ended))]).await;
    assert!(ask_later(&node).await && is_refused(&node).await);
    let unlocked = UserChange { state: Some(identity::State::Active), ..UserChange::default() };
    update_ada(&node, unlocked).await;
    assert!(!is_refused(&node).await && !is_shown_as_locked(&node), "an admin has let her in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_and_a_setting_that_is_off_cost_the_tokens_and_nobody_is_refused() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_that_asks(&idp).await;
    let code = code_in(&approved(&node, &idp, login("ada")).await);
    fs::remove_file(node.folder.join("refresh-key")).unwrap();
    let asked = idp.asked("/token").await;
    assert!(ask_later(&node).await);
    assert!(kept(&node).await.is_empty() && !is_refused(&node).await);
    assert_eq!(idp.asked("/token").await, asked);
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted, "the window is not concerned");

    node.service.forget_relogin_codes(&Caller::Root, name("ada")).await.unwrap();
    approved(&node, &idp, login("ada")).await;
    assert_eq!(kept(&node).await.len(), 1);
    change_settings(&node, |settings| settings.oidc.recheck_interval = Duration::ZERO);
    assert!(ask_later(&node).await && kept(&node).await.is_empty());
    node.service.forget_relogin_codes(&Caller::Root, name("ada")).await.unwrap();
    approved(&node, &idp, login("ada")).await;
    assert!(kept(&node).await.is_empty(), "none is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_the_list_is_refused_and_whoever_is_linked_no_more_is_left_alone() {
    let new = |groups: Value| json!({ "sub-new": { "preferred_username": "new", "groups": groups } });
    let idp =
        OidcProvider::start(OidcOptions { accounts: new(json!(["cluster"])), ..OidcOptions::default() })
            .await;
    let node = node_that_asks(&idp).await;
    change_settings(&node, |settings| {
        settings.oidc_users.create = true;
        settings.oidc_users.allow_groups = vec!["cluster".parse().unwrap()];
    });
    assert_eq!(resolve(&node, "new").await, Resolved::LookAgain);
    approved(&node, &idp, login("new")).await;
    let created = find_user(node.directory(), "new").await.unwrap().user;
    idp.set_accounts(new(json!([]))).await;
    assert!(ask_later(&node).await);
    assert!(node.service.is_refused(&created.uuid), "as at the next login");

    idp.set_accounts(with_ada_in(&[])).await;
    approved(&node, &idp, login("ada")).await;
    let identity = Identity::new(idp.issuer(), "sub-ada").unwrap();
    node.service.unlink(&Caller::Root, name("ada"), identity).await.unwrap();
    idp.set_accounts(json!({})).await;
    assert!(ask_later(&node).await);
    assert!(kept(&node).await.is_empty() && !is_refused(&node).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_with_a_browser_is_asked_about_and_whoever_brings_an_id_token_is_told_of() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_that_asks(&idp).await;
    let not_asked_about = async || {
        let findings = node.service.doctor(&Caller::Root).await.unwrap();
        findings.into_iter().find(|found| found.subject == "oidc.recheck_interval")
    };
    let here = Opening { user: name("bob"), service: "sshd".into(), tty: None, rhost: None };
    let this_process = Peer { uid: 0, pid: std::process::id().cast_signed() };
    node.service.open_session(&Caller::Root, this_process, here).await.unwrap();
    let id_token = id_token(&idp, &node, "sub-bob").await;
    let (_, code) = node.service.exchange_token("a test", None, id_token).await.unwrap();
    assert_eq!(verdict(&node, "bob", code.expose()).await, Verdict::Granted);
    assert!(kept(&node).await.is_empty(), "who brings a token has the other one");
    let told = not_asked_about().await.unwrap();
    assert!(told.finding.ends_with("asked about them again: bob"));
    assert!(told.advice.contains("the provider gave no refresh token"), "or they were approved: {told:?}");
    approved(&node, &idp, login("bob")).await;
    assert_eq!(not_asked_about().await, None);

    let me = Caller::Other(1000);
    let (id, url) = node.service.begin_browser_login(&me, REDIRECT).await.unwrap();
    let back = idp.log_in(url.as_str(), "sub-ada").await;
    let query = back.split_once('?').unwrap().1;
    node.service.finish_browser_login(&me, &id, query, None).await.unwrap();
    assert_eq!(kept(&node).await.len(), 2);
    idp.set_accounts(json!({ "sub-bob": {} })).await;
    assert!(ask_later(&node).await && is_refused(&node).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_follow_that_the_provider_tells_of_at_its_userinfo_endpoint_alone() {
    let idp = OidcProvider::start(OidcOptions { claims_by_userinfo: true, ..OidcOptions::default() }).await;
    let node = node_that_asks(&idp).await;
    change_settings(&node, |settings| settings.oidc.userinfo = true);
    let groups = async || {
        let ada = find_user(node.directory(), "ada").await.unwrap();
        ada.groups.iter().map(|(_, group)| group.to_string()).collect::<Vec<_>>()
    };
    approved(&node, &idp, login("ada")).await;
    assert_eq!(groups().await, ["engines"]);
    idp.set_accounts(with_ada_in(&["poets"])).await;
    idp.answer([("/me", Answer::json(200, &json!({ "sub": "sub-bob", "groups": ["engines"] })))]).await;
    assert!(ask_later(&node).await && groups().await == ["engines"], "that is about somebody else");
    idp.answer([]).await;
    assert!(ask_later(&node).await && groups().await == ["poets"] && !is_refused(&node).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_userinfo_endpoint_that_is_away_is_asked_again_soon_and_hides_nobody_who_was_ended() {
    let names = ["ada", "bob", "cat", "dan", "eve", "fay"];
    let people = |groups: &[&str], left_out: &str| -> Value {
        let person =
            |name: &&str| (format!("sub-{name}"), json!({ "preferred_username": name, "groups": groups }));
        Value::Object(names.iter().filter(|name| **name != left_out).map(person).collect())
    };
    let accounts = people(&["engines"], "");
    let options = OidcOptions { claims_by_userinfo: true, accounts, ..OidcOptions::default() };
    let idp = OidcProvider::start(options).await;
    let node = node_that_asks(&idp).await;
    change_settings(&node, |settings| {
        settings.oidc.userinfo = true;
        settings.oidc.recheck_interval = Duration::from_secs(60 * 60);
    });
    for user in &names[2..] {
        create(&node, user, NewAccount::default()).await;
        link(&node, &idp, user, &format!("sub-{user}")).await;
    }
    for user in names {
        approved(&node, &idp, login(user)).await;
    }
    let groups = async || {
        let ada = find_user(node.directory(), "ada").await.unwrap();
        ada.groups.iter().map(|(_, group)| group.to_string()).collect::<Vec<_>>()
    };
    all_are_due(&node).await;
    idp.set_accounts(people(&["poets"], "fay")).await;
    idp.answer([("/me", Answer::json(503, &json!({})))]).await;
    let asked = idp.asked("/me").await;
    assert!(!node.service.recheck_those_due().await.unwrap(), "it does not tell all");
    assert_eq!(groups().await, ["engines"]);
    assert_eq!(node.service.refused_users().await, [name("fay")]);
    assert!(
        idp.asked("/me").await - asked <= 4,
        "once it is known to be away, the others wait for it no more"
    );

    idp.answer([]).await;
    node.clock.advance(30);
    assert!(node.service.recheck_those_due().await.unwrap());
    assert_eq!(groups().await, ["poets"], "long before the interval ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_ended_while_the_disk_is_full_is_refused_once_there_is_room() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_that_asks(&idp).await;
    let code = code_in(&approved(&node, &idp, login("ada")).await);
    idp.set_accounts(json!({ "sub-bob": {} })).await;
    node.service.node.nobody_can_be_refused(true).await;
    all_are_due(&node).await;
    assert!(node.service.recheck_those_due().await.is_err(), "that is told of");
    assert_eq!((kept(&node).await.len(), is_refused(&node).await), (1, false), "all or nothing");
    assert_eq!(verdict(&node, "ada", &code).await, Verdict::Granted);

    node.service.node.nobody_can_be_refused(false).await;
    assert!(node.service.recheck_those_due().await.unwrap() && is_refused(&node).await);
    assert!(kept(&node).await.is_empty() && !asks_for_a_code(&node, login("ada")).await);
}

#[test]
fn who_was_approved_without_a_refresh_token_is_told_of_once() {
    let rechecks = Rechecks::default();
    assert!(rechecks.is_first_without_token("ada") && !rechecks.is_first_without_token("ada"));
    let told =
        (0..2 * MAX_WITHOUT_TOKEN).filter(|number| rechecks.is_first_without_token(&number.to_string()));
    assert_eq!(told.count(), MAX_WITHOUT_TOKEN - 1, "and the log has an end");
}

/// A provider that says nothing of the owner of one token, and vouches on for all others.
async fn provider_in_trouble_with(token: &'static str) -> Oidc {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "token_endpoint": format!("{issuer}/token") });
    let answer = async move |form: String| match form.contains(token) {
        true => (StatusCode::BAD_REQUEST, Json(json!({ "error": "interaction_required" }))),
        false => (StatusCode::OK, Json(json!({ "access_token": "a", "token_type": "Bearer" }))),
    };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(async move || Json(metadata)))
        .route("/token", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Oidc {
        issuer: issuer.parse().unwrap(),
        client_id: "pody".parse().unwrap(),
        recheck_interval: Duration::from_secs(60),
        ..Oidc::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_one_person_holds_up_nobody_else() {
    let (node, oidc) = (TestNode::start().await, provider_in_trouble_with("token-of-ada").await);
    let vault = Vault::open(&node.folder, &Secret::default()).unwrap();
    for (number, user) in ["ada", "bob", "cat", "dan", "eve", "fay"].into_iter().enumerate() {
        create(&node, user, NewAccount::default()).await;
        let uuid = find_user(node.directory(), user).await.unwrap().user.uuid;
        let token = RefreshToken {
            sealed: vault.seal(&uuid, &Secret::from(format!("token-of-{user}"))),
            identity: Identity::new(oidc.issuer.as_str(), user).unwrap(),
            user_uuid: uuid,
            next_check: NOW + i64::try_from(number).unwrap(),
            answer_is_lost: false,
        };
        node.service.node.keep_refresh_token(&token).await.unwrap();
    }
    change_settings(&node, |settings| settings.oidc = oidc);
    node.clock.advance(10);
    assert!(node.service.recheck_those_due().await.unwrap(), "the provider answers");
    let now = node.clock.unix_seconds();
    assert!(kept(&node).await.iter().all(|token| token.next_check > now), "everybody was asked about");
    node.clock.advance(30);
    let due = node.service.node.due_refresh_tokens(node.clock.unix_seconds(), 10).await.unwrap();
    let [ada] = &due[..] else { panic!("only she is asked about before the interval ends") };
    assert_eq!(ada.identity.subject(), "ada");
}

/// The token of a node that takes its directory from here, which anybody can end.
async fn node_token(service: &TestNode) -> String {
    let request = TokenRequest {
        owner: Some(name("ada")),
        name: "node".parse().unwrap(),
        scopes: Scopes::new([Scope::Read, Scope::Provision]).unwrap(),
        networks: Networks::default(),
        expires_at: None,
    };
    service.service.create_token(&Caller::Root, request).await.unwrap().1.expose().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_ends_people_by_its_verdict_and_nobody_by_refusing_the_node() {
    let listed = |groups: [Value; 2]| {
        let [one, two] = groups;
        json!({ "sub-one": { "preferred_username": "one", "groups": one },
            "sub-two": { "preferred_username": "two", "groups": two } })
    };
    let (on, off) = (|| json!(["cluster"]), || json!(["poets"]));
    let accounts = listed([on(), on()]);
    let idp = OidcProvider::start(OidcOptions { accounts, ..OidcOptions::default() }).await;
    let service = ServedNode::start_with(node_of(&idp).await, |_| ()).await;
    change_settings(&service.node, |settings| {
        settings.oidc_users.create = true;
        settings.oidc_users.allow_groups = vec!["cluster".parse().unwrap()];
    });
    let node = consumer_with(&service.url(""), &node_token(&service.node).await).await;
    node.clock.advance(Clock::System.unix_seconds() - node.clock.unix_seconds());
    let (oidc, users) = {
        let settings = service.node.publishing.settings.borrow();
        (settings.oidc.clone(), settings.oidc_users.clone())
    };
    change_settings(&node, |settings| {
        settings.oidc = Oidc { recheck_interval: INTERVAL, ..oidc };
        settings.oidc_users = users;
    });
    let mut uuids = Vec::new();
    for user in ["one", "two"] {
        assert_eq!(resolve(&node, user).await, Resolved::LookAgain);
        approved(&node, &idp, login(user)).await;
        uuids.push(find_user(node.directory(), user).await.unwrap().user.uuid);
    }
    idp.set_accounts(listed([off(), on()])).await;
    assert!(ask_later(&node).await);
    assert!(node.service.is_refused(&uuids[0]), "the service has said so");

    idp.set_accounts(listed([off(), off()])).await;
    let token = "node".parse().unwrap();
    service.node.service.revoke_token(&Caller::Root, Some(name("ada")), token).await.unwrap();
    assert!(ask_later(&node).await);
    assert!(!node.service.is_refused(&uuids[1]), "that the node is refused says nothing of its people");
    assert_eq!(kept(&node).await.len(), 1, "they are asked about again");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_approved_meanwhile_is_not_refused_and_whoever_is_vouched_for_is_refused_no_more() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let node = node_that_asks(&idp).await;
    change_settings(&node, |settings| settings.oidc_login.relogin_window = Duration::ZERO);
    approved(&node, &idp, login("ada")).await;
    let before = kept(&node).await.remove(0);
    approved(&node, &idp, login("ada")).await;
    let store = &node.service.node;
    assert!(!store.refuse(&before, NOW).await.unwrap(), "another token is in its place");
    assert_eq!((store.refused().await.unwrap(), kept(&node).await.len()), (vec![], 1));

    // As versions before this one could leave it.
    let now = kept(&node).await.remove(0);
    assert!(store.refuse(&now, NOW).await.unwrap());
    node.service.published.refuse(&now.user_uuid, true);
    store.keep_refresh_token(&RefreshToken { next_check: 0, ..now }).await.unwrap();
    assert!(is_refused(&node).await);
    assert!(node.service.recheck_those_due().await.unwrap() && !is_refused(&node).await);
    assert!(store.refused().await.unwrap().is_empty());
}
