//! Bearer tokens, from the wire to the directory and back.

use protocol::Error as WireError;
use protocol::directory::{CreateUser, Secret};
use protocol::token::{Check, Checked, Create, Created, List, Revoke, TokenKey};

use super::Door;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn backup() -> Create {
    Create { owner: text("ada"), name: "backup".into(), ..Create::default() }
}

async fn door_with_ada() -> Door {
    let door = Door::open().await;
    door.call(CreateUser { name: "ada".into(), ..CreateUser::default() }).await.unwrap();
    door
}

fn check(Created { secret, .. }: &Created) -> Check {
    Check { token: secret.clone(), scope: None, source: None, is_use: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_created_listed_checked_used_and_revoked() {
    let door = door_with_ada().await;
    let create = Create {
        scopes: vec!["write".into(), "read".into()],
        networks: vec!["192.0.2.0/24".into(), "::1/128".into()],
        expires_at: text("2031-12-24"),
        ..backup()
    };
    let made = door.call(create).await.unwrap();
    assert!(made.secret.0.starts_with("pody_"));
    let token = &made.token;
    assert_eq!((token.owner.as_str(), token.name.as_str()), ("ada", "backup"));
    assert_eq!(
        (&token.scopes[..], &token.networks[..]),
        (&["read", "write"].map(str::to_owned)[..], &["192.0.2.0/24", "::1"].map(str::to_owned)[..])
    );
    assert_eq!(
        (token.expires_at.as_deref(), token.created_at.as_str()),
        (Some("2031-12-24"), "2027-01-15T08:00:00Z")
    );
    assert_eq!((&token.last_used_at, token.revision), (&None, 2));

    let checked = door.call(check(&made)).await.unwrap();
    assert_eq!(checked, Checked { accepted: true, objections: vec![], token: Some(token.clone()) });
    let elsewhere = Check { scope: text("authenticate"), source: text("10.0.0.1"), ..check(&made) };
    let checked = door.call(elsewhere.clone()).await.unwrap();
    assert!(!checked.accepted && checked.objections.len() == 2 && checked.token.is_some(), "{checked:?}");
    assert!(!door.call(Check { is_use: true, ..elsewhere }).await.unwrap().accepted);
    let used = Check { scope: text("read"), source: text("192.0.2.7"), is_use: true, ..check(&made) };
    assert!(door.call(used).await.unwrap().accepted);
    door.node.service.write_token_uses().await;

    door.call(Create { name: "other".into(), ..backup() }).await.unwrap();
    let page = door.call(List { limit: Some(1), ..List::default() }).await.unwrap();
    assert_eq!((page.tokens[0].name.as_str(), page.more), ("backup", true));
    assert_eq!(page.tokens[0].last_used_at.as_deref(), Some("2027-01-15T08:00:00Z"));
    assert_eq!(page.tokens[0].last_used_from.as_deref(), Some("192.0.2.7"));
    let after = TokenKey { owner: "ada".into(), name: "backup".into() };
    let page = door.call(List { after: Some(after), ..List::default() }).await.unwrap();
    assert_eq!((page.tokens[0].name.as_str(), page.more), ("other", false));
    assert_eq!(page.tokens[0].scopes, ["read"], "no more than is asked for");

    let revoke = Revoke { owner: text("ada"), name: "backup".into() };
    door.call(revoke.clone()).await.unwrap();
    assert!(matches!(door.refused(revoke).await, WireError::NotFound { .. }));
    let checked = door.call(check(&made)).await.unwrap();
    assert_eq!((checked.accepted, checked.token, checked.objections.len()), (false, None, 1));
    assert!(checked.objections[0].contains("it was revoked in revision"), "{:?}", checked.objections);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_wrongly_of_a_token_is_named() {
    let door = door_with_ada().await;
    let field = async |create: Create| match door.refused(create).await {
        WireError::InvalidInput { field, message } => (field, message),
        other => panic!("{other:?}"),
    };
    assert_eq!(field(Create { owner: None, ..backup() }).await.0, "owner");
    assert_eq!(field(Create { name: "Backup".into(), ..backup() }).await.0, "name");
    assert_eq!(field(Create { scopes: vec!["all".into()], ..backup() }).await.0, "scopes");
    assert_eq!(field(Create { expires_at: text("2001-01-01"), ..backup() }).await.0, "expires_at");
    let (named, message) = field(Create { networks: vec!["192.0.2.7/24".into()], ..backup() }).await;
    assert!(named == "networks" && message.contains("192.0.2.0/24"), "{message}");
    let many = vec!["::1".into(); 33];
    assert_eq!(field(Create { networks: many, ..backup() }).await.0, "networks");

    let nonsense = Check { token: Secret("hunter2".into()), scope: None, source: None, is_use: false };
    let checked = door.call(nonsense.clone()).await.unwrap();
    assert!(!checked.accepted && !format!("{checked:?}").contains("hunter2"), "{checked:?}");
    let wrong = door.refused(Check { is_use: true, scope: text("read"), ..nonsense }).await;
    assert!(matches!(wrong, WireError::InvalidInput { field, .. } if field == "is_use"));
    door.close().await;
}
