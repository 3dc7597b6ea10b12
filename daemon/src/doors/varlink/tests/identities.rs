//! Who users are to OpenID providers, from the wire to the directory and back.

use protocol::Error as WireError;
use protocol::directory::{CreateUser, DeleteUser, GetUser};
use protocol::identity::{IdentityKey, IdentityRecord, Link, List, Unlink};

use super::Door;

fn link(user: &str, subject: &str) -> Link {
    Link { user: user.into(), issuer: "https://login.example.com".into(), subject: subject.into() }
}

fn record(user: &str, subject: &str, deleted: bool) -> IdentityRecord {
    let Link { user, issuer, subject } = link(user, subject);
    IdentityRecord { user, deleted, issuer, subject }
}

fn key(subject: &str) -> IdentityKey {
    IdentityKey { issuer: "https://login.example.com".into(), subject: subject.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_are_linked_shown_listed_and_unlinked() {
    let door = Door::open().await;
    for name in ["ada", "bob"] {
        door.call(CreateUser { name: name.into(), ..CreateUser::default() }).await.unwrap();
    }
    for (user, subject) in [("ada", "s1"), ("ada", "s2"), ("bob", "s3")] {
        door.call(link(user, subject)).await.unwrap();
    }
    let taken = door.refused(link("bob", "s1")).await;
    assert!(
        matches!(&taken, WireError::Conflict { message } if message.contains("is linked to ada")),
        "{taken:?}"
    );
    let wrong = door.refused(link("bob", "a\nb")).await;
    assert!(matches!(&wrong, WireError::InvalidInput { field, .. } if field == "subject"), "{wrong:?}");

    let ada = door.call(GetUser { name: Some("ada".into()), uid: None }).await.unwrap().user;
    assert_eq!(ada.identities, [key("s1"), key("s2")]);
    door.call(DeleteUser { name: "bob".into() }).await.unwrap();
    let listed = door.call(List { limit: Some(2), ..List::default() }).await.unwrap();
    assert_eq!(
        (listed.identities, listed.more),
        (vec![record("ada", "s1", false), record("ada", "s2", false)], true)
    );
    let rest = door.call(List { after: Some(key("s2")), ..List::default() }).await.unwrap();
    assert_eq!((rest.identities, rest.more), (vec![record("bob", "s3", true)], false));

    let Link { user, issuer, subject } = link("bob", "s3");
    door.call(Unlink { user, issuer, subject }).await.unwrap();
    let of_bob = door.call(List { user: Some("bob".into()), ..List::default() }).await.unwrap();
    assert!(of_bob.identities.is_empty());
}
