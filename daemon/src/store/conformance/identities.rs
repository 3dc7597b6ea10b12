//! Who users are to OpenID providers.

use super::arrivals::arrive;
use super::{Backend, refusal};
use crate::directory::{Directory, Error, Identity, Linked, NewUser};
use crate::limits::MAX_IDENTITIES_PER_USER;
use crate::testing::{add_user, arrival, create_user, find_user, name, new_user};

fn identity(subject: &str) -> Identity {
    Identity::new("https://login.example.com", subject).unwrap()
}

fn linked(user: &str, subject: &str, is_deleted: bool) -> Linked {
    Linked { name: name(user), is_deleted, identity: identity(subject) }
}

async fn listed(directory: &impl Directory, owner: Option<&str>) -> Vec<Linked> {
    directory.identities(owner.map(name), None, 100).await.unwrap().items
}

pub async fn an_identity_is_linked_to_one_user_until_it_is_taken_away(storage: &impl Backend) {
    let directory = storage.open().await;
    let [ada, bob] = ["ada", "bob"].map(name);
    assert_eq!(directory.link(ada, identity("s1")).await, Err(Error::no_user("ada")));
    add_user(&directory, "ada").await;
    add_user(&directory, "bob").await;
    directory.link(ada, identity("s1")).await.unwrap();
    directory.link(ada, identity("s1")).await.unwrap();
    directory.link(bob, identity("S1")).await.unwrap();
    let told = refusal!(directory.link(bob, identity("s1")).await, Conflict);
    assert!(
        told.contains("is linked to ada: podyctl identity unlink ada https://login.example.com s1"),
        "{told}"
    );
    assert!(refusal!(directory.unlink(bob, identity("s1")).await, NotFound).contains("is linked to ada"));
    assert!(refusal!(directory.unlink(bob, identity("s2")).await, NotFound).contains("is linked to nobody"));
    directory.unlink(ada, identity("s1")).await.unwrap();
    directory.link(bob, identity("s1")).await.unwrap();
    assert_eq!(listed(&directory, None).await, [linked("bob", "S1", false), linked("bob", "s1", false)]);

    for number in 2..MAX_IDENTITIES_PER_USER {
        directory.link(bob, identity(&format!("more {number}"))).await.unwrap();
    }
    let told = refusal!(directory.link(bob, identity("one more")).await, Refused);
    assert!(told.contains("podyctl identity list bob"), "{told}");
}

pub async fn identities_are_listed_with_their_owners_living_or_not(storage: &impl Backend) {
    let directory = storage.open().await;
    for (user, subject) in [("ada", "s1"), ("bob", "s2"), ("eve", "s3")] {
        add_user(&directory, user).await;
        directory.link(name(user), identity(subject)).await.unwrap();
    }
    directory.link(name("ada"), identity("s4")).await.unwrap();
    directory.delete_user(name("bob"), None).await.unwrap();
    let change = crate::directory::UserChange { name: Some(name("eva")), ..Default::default() };
    directory.update_user(name("eve"), change, &crate::testing::rules()).await.unwrap();
    let all = [
        linked("ada", "s1", false),
        linked("bob", "s2", true),
        linked("eva", "s3", false),
        linked("ada", "s4", false),
    ];
    assert_eq!(listed(&directory, None).await, all);
    assert_eq!(listed(&directory, Some("ada")).await, [all[0].clone(), all[3].clone()]);
    assert_eq!(listed(&directory, Some("bob")).await, [all[1].clone()]);
    assert_eq!(listed(&directory, Some("eva")).await, [all[2].clone()]);
    assert!(listed(&directory, Some("eve")).await.is_empty(), "that is nobody's name any more");

    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = directory.identities(None, after, 3).await.unwrap();
        after = page.items.last().map(|linked| linked.identity.clone());
        pages.extend(page.items);
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, all);
}

pub async fn a_deleted_persons_identity_is_the_new_accounts_once_it_is_linked(storage: &impl Backend) {
    let directory = storage.open().await;
    arrive(&directory, arrival("ada", "s1")).await.unwrap();
    directory.delete_user(name("ada"), None).await.unwrap();
    refusal!(arrive(&directory, arrival("ada", "s1")).await, Refused);
    create_user(&directory, NewUser { reuse_name: true, ..new_user("ada") }).await.unwrap();
    refusal!(arrive(&directory, arrival("ada", "s1")).await, Refused);
    assert_eq!(listed(&directory, Some("ada")).await, [linked("ada", "s1", true)]);

    directory.link(name("ada"), identity("s1")).await.unwrap();
    let arrived = arrive(&directory, arrival("ada", "s1")).await.unwrap().0;
    assert_eq!(arrived.uuid, find_user(&directory, "ada").await.unwrap().user.uuid);
    assert_eq!(listed(&directory, Some("ada")).await, [linked("ada", "s1", false)]);

    directory.delete_user(name("ada"), None).await.unwrap();
    directory.unlink(name("ada"), identity("s1")).await.unwrap();
    assert!(
        arrive(&directory, arrival("ada2", "s1")).await.unwrap().0.created,
        "as anybody who never was here"
    );
}
