//! People who log in on another node, with a provider that really is one.

use serde_json::json;
use servers::{OidcOptions, OidcProvider};

use super::contract::example_node;
use super::rest::{Answer, send};
use super::*;
use crate::clock::Clock;
use crate::config::Oidc;
use crate::directory::{Arrival, Error, Origin};
use crate::testing::{TestNode, arrival, consumer, consumer_with, find_user, name};
use crate::verifiers::oidc::Provider;

/// A provider whose people are called like those of the contract's examples, too.
async fn idp() -> OidcProvider {
    let accounts = json!({
        "sub-ada": { "preferred_username": "ada" },
        "sub-grace": { "preferred_username": "grace", "name": "Grace Hopper", "groups": ["navy"] },
    });
    OidcProvider::start(OidcOptions { accounts, ..OidcOptions::default() }).await
}

/// What somebody has who has logged in at the provider, as this program.
async fn id_token(idp: &OidcProvider, client: &str, subject: &str) -> String {
    let settings = Oidc {
        issuer: idp.issuer().parse().unwrap(),
        client_id: client.parse().unwrap(),
        scopes: "openid profile groups".parse().unwrap(),
        ..Oidc::default()
    };
    let provider = Provider::new(&settings, Clock::System).unwrap();
    let mut login = provider.begin_device().await.unwrap();
    idp.approve(&login.user_code, subject).await;
    provider.poll_device(&mut login).await.unwrap().expect("it was approved").id_token.expose().to_owned()
}

/// A service that takes this provider's word, at the time that it really is.
async fn trusting<D: Directory>(node: TestNode<D>, idp: &OidcProvider) -> ServedNode<D> {
    node.clock.advance(Clock::System.unix_seconds() - node.clock.unix_seconds());
    let door = ServedNode::start_with(node, |service| service.readonly = true).await;
    door.creates_at_logins(idp.issuer());
    door.node.publishing.settings.send_modify(|settings| {
        let settings = Arc::make_mut(settings);
        settings.oidc_users.group_map = vec!["navy=sailors".parse().unwrap()];
    });
    door
}

/// What the contract's service says to the token of somebody who may come, or has the name of somebody who is there.
pub async fn provisioned(user: &str) -> Answer {
    let (node, token) = example_node().await;
    let idp = idp().await;
    let door = trusting(node, &idp).await;
    let id_token = id_token(&idp, "pody", &format!("sub-{user}")).await;
    let request = door.anonymous(Method::POST, "/v1/provision").bearer_auth(token);
    send(request.json(&json!({"name": user, "id_token": id_token}))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_down_a_tree_is_created_once_at_its_top_with_what_was_reserved() {
    let idp = idp().await;
    let (node, token) = example_node().await;
    let top = trusting(node, &idp).await;
    let middle = trusting(consumer_with(&top.url(""), &token).await, &idp).await;
    let leaf = consumer_with(&middle.url(""), &token).await;
    let (rules, now) = (crate::testing::rules(), Clock::System.unix_seconds());

    let kept = leaf.directory().reserve(name("grace"), &rules, now + 180).await.unwrap();
    assert!((now + 170..now + 200).contains(&kept.expires_at), "{kept:?}");
    assert_eq!(top.node.directory().reserve(name("grace"), &rules, 0).await.unwrap().uuid, kept.uuid);
    leaf.directory().release(&kept.uuid).await.unwrap();

    let grace = Arrival {
        id_token: id_token(&idp, "pody", "sub-grace").await.into(),
        reserved: Some(kept.uuid.clone()),
        ..arrival("grace", "what is said here does not count")
    };
    let (arrived, position) = leaf.directory().arrive(grace.clone(), &rules).await.unwrap();
    assert_eq!((&arrived.uuid, arrived.created), (&kept.uuid, true));
    assert!(top.node.directory().position().await.unwrap().is_at(&position));
    until("the leaf has her", async || find_user(leaf.directory(), "grace").await.is_some()).await;
    let member = find_user(leaf.directory(), "grace").await.unwrap();
    assert_eq!((member.origin, member.user.uid, member.user.gid), (Origin::Oidc, kept.uid, kept.gid));
    assert_eq!(member.groups.iter().map(|(_, group)| group.as_str()).collect::<Vec<_>>(), ["sailors"]);
    let again = leaf.directory().arrive(grace, &rules).await.unwrap().0;
    assert_eq!((again.uuid, again.created), (kept.uuid, false));
    let linked = leaf.directory().identities(Some(name("grace")), None, 10).await.unwrap().items;
    assert_eq!((linked[0].identity.issuer(), linked[0].identity.subject()), (idp.issuer(), "sub-grace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_believes_no_node_and_no_word_that_was_given_to_another_program() {
    let idp = idp().await;
    let (node, token) = example_node().await;
    let before = node.directory().counts().await.unwrap();
    let service = trusting(node, &idp).await;
    let node = consumer_with(&service.url(""), &token).await;
    let rules = crate::testing::rules();
    let arrive = async |asked: &str, id_token: String| {
        let arrival = Arrival { id_token: id_token.into(), ..arrival(asked, "sub-grace") };
        node.directory().arrive(arrival, &rules).await.unwrap_err()
    };
    let forged = arrive("grace", "e30.e30.e30".into()).await;
    assert!(matches!(forged, Error::Refused(_)), "{forged}");
    let of_another = arrive("grace", id_token(&idp, "another", "sub-grace").await).await;
    assert!(matches!(of_another, Error::Refused(_)), "{of_another}");
    let somebody_else = arrive("root2", id_token(&idp, "pody", "sub-grace").await).await;
    assert!(
        matches!(&somebody_else, Error::Refused(why) if why.contains("log in as grace")),
        "{somebody_else}"
    );
    assert_eq!(service.node.directory().counts().await.unwrap(), before);
    let shared = consumer(&service.url("")).await;
    let refused = shared.directory().reserve(name("grace"), &rules, i64::MAX).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(why) if why.contains("not provision")), "{refused}");

    service.node.publishing.settings.send_modify(|settings| {
        Arc::make_mut(settings).oidc_users.create = false;
    });
    let refused = node.directory().reserve(name("grace"), &rules, i64::MAX).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(why) if why.contains("oidc.users.create")), "{refused}");
    let nobody_new = arrive("grace", id_token(&idp, "pody", "sub-grace").await).await;
    assert!(nobody_new.to_string().contains("nobody gets an account here by logging in"), "{nobody_new}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_left_every_list_is_told_so_and_not_that_the_node_may_not_ask() {
    let idp = idp().await;
    let (node, token) = example_node().await;
    let door = trusting(node, &idp).await;
    let id_token = id_token(&idp, "pody", "sub-grace").await;
    let provision = async || {
        let request = door.anonymous(Method::POST, "/v1/provision").bearer_auth(&token);
        send(request.json(&json!({"name": "grace", "id_token": id_token}))).await
    };
    assert_eq!(provision().await.status, 200);
    door.node.publishing.settings.send_modify(|settings| {
        let users = &mut Arc::make_mut(settings).oidc_users;
        (users.allow_everybody, users.allow_groups) = (false, vec!["army".parse().unwrap()]);
    });
    assert_eq!(provision().await.problem(), (403, "unwelcome", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_missing_is_told_with_its_field() {
    let (node, token) = example_node().await;
    let door = ServedNode::start_with(node, |_| ()).await;
    for (body, field) in [
        (json!({"name": "ada"}), "id_token"),
        (json!({"id_token": "a.b.c"}), "name"),
        (json!({"name": "Ada Lovelace", "id_token": "a.b.c"}), "name"),
        (json!({"name": "ada", "id_token": "x".repeat(32 * 1024 + 1)}), "id_token"),
    ] {
        let request = door.anonymous(Method::POST, "/v1/provision").bearer_auth(&token);
        let answer = send(request.json(&body)).await;
        assert_eq!(answer.problem(), (422, "invalid_input", field));
    }
}
