//! What programs elsewhere may have done, who show a token.

use super::{PASSWORD, WRONG, node_with_ada, password, verdict};
use crate::directory::{Error, Judged, Networks, Scopes, UserChange};
use crate::service::{Bearer, Caller, PasswordChange, TokenRequest, Verdict};
use crate::testing::{add_user, cheap_hashes, find_user, name, secret};
use crate::verifiers::{NewPassword, Pool};

fn bearer(scopes: &str) -> Caller {
    let scopes = scopes.parse().unwrap();
    Caller::Bearer(Bearer { token: "a test".into(), scopes, readonly: false, own_passwords: false })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judged_password_is_that_of_the_revision_it_is_said_to_be() {
    let node = node_with_ada().await;
    let node_elsewhere = bearer("authenticate");
    let judge = async |user: &str, rhost: &str, password: &str| {
        node.service.authenticate(&node_elsewhere, name(user), rhost, secret(password)).await.unwrap()
    };
    let ada = find_user(node.directory(), "ada").await.unwrap();
    let right =
        Judged::Right { uuid: ada.user.uuid, revision: ada.password_revision.unwrap(), is_current: true };
    assert_eq!(judge("ada", "192.0.2.7", PASSWORD).await, right);
    assert_eq!(judge("ada", "192.0.2.7", WRONG).await, Judged::Wrong);
    assert_eq!(judge("ada", "192.0.2.7", PASSWORD).await, right, "which clears the failures");

    // Whoever asks judges the account, whose user comes with the feed.
    let lock = UserChange { state: Some(identity::State::Locked), ..UserChange::default() };
    node.service.update_user(&Caller::Root, name("ada"), lock).await.unwrap();
    assert_eq!(judge("ada", "192.0.2.7", PASSWORD).await, right);
    let reader = node.service.authenticate(&bearer("read,write"), name("ada"), "", secret(PASSWORD)).await;
    assert!(matches!(reader, Err(Error::Refused(_))), "{reader:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_exist_is_wrong_and_locked_out_like_anybody_else() {
    let node = node_with_ada().await;
    let (asks, mut told) = (bearer("authenticate"), Vec::new());
    for user in ["ada", "nobody-here"] {
        let mut judged = Vec::new();
        for _ in 0..5 {
            let outcome = node.service.authenticate(&asks, name(user), "localhost", secret(WRONG)).await;
            judged.push(outcome.unwrap());
        }
        told.push(judged);
    }
    assert_eq!(told[0], told[1]);
    assert!(matches!(told[0][4], Judged::LockedOut { seconds: 1.. }), "{told:?}");
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::LockedOut, "through every door");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_set_by_its_hash_by_whoever_may_write_or_knows_the_old_one() {
    let node = node_with_ada().await;
    let pool = Pool::new(cheap_hashes(), 1);
    let hash = async |text: &str| {
        let new = NewPassword::parse(secret(text), 8).unwrap();
        pool.hash(new).await.unwrap().as_str().to_owned()
    };
    let set = async |caller: &Caller, old: Option<&str>, hash: String| {
        node.service.set_password_hash(caller, name("ada"), old.map(secret), hash).await
    };
    let (writer, own) = (bearer("write"), bearer("password"));
    set(&writer, None, hash("an admin's choice").await).await.unwrap();
    assert_eq!(verdict(&node, "ada", "an admin's choice").await, Verdict::Granted);
    let refused = set(&writer, None, "correct horse".into()).await;
    assert!(matches!(refused, Err(Error::InvalidInput { field: "password_hash", .. })), "{refused:?}");

    for old in [None, Some(WRONG)] {
        let refused = set(&own, old, hash("my own choice").await).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    set(&own, Some("an admin's choice"), hash("my own choice").await).await.unwrap();
    assert_eq!(verdict(&node, "ada", "my own choice").await, Verdict::Granted);
    let none = PasswordChange { old: password("my own choice"), new: None };
    assert!(matches!(node.service.set_password(&own, name("ada"), none).await, Err(Error::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_none_that_may_do_more() {
    let node = node_with_ada().await;
    add_user(node.directory(), "bob").await;
    let create = async |caller: &str, scopes: &str| {
        let request = TokenRequest {
            owner: Some(name("bob")),
            name: scopes.replace(',', "-").parse().unwrap(),
            scopes: scopes.parse::<Scopes>().unwrap(),
            networks: Networks::new(vec![]).unwrap(),
            expires_at: None,
        };
        node.service.create_token(&bearer(caller), request).await.map(drop)
    };
    assert!(matches!(create("read", "read").await, Err(Error::Refused(_))), "it takes the scope write");
    assert!(matches!(create("read,write", "authenticate").await, Err(Error::Refused(_))));
    create("read,write", "read,write").await.unwrap();
}
