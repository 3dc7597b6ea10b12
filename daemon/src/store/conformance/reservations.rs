//! Names and ids that are kept for people who are about to log in for the first time.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::arrivals::arrive;
use super::{Backend, refusal};
use crate::clock::Clock;
use crate::directory::{Arrival, Directory, Kind, LocalAccounts, Reservation, Result, Rules, UserChange};
use crate::testing::{
    Everything, add_user, arrival, create_group, create_user, find_group, find_user, name, new_group,
    new_user, new_user_with, rules,
};

/// So many seconds from now.
fn seconds_from_now(seconds: i64) -> i64 {
    Clock::System.unix_seconds() + seconds
}

async fn reserve(directory: &impl Directory, text: &str) -> Result<Reservation> {
    directory.reserve(name(text), &rules(), seconds_from_now(300)).await
}

pub async fn whoever_comes_gets_what_was_kept(storage: &impl Backend) {
    let directory = storage.open().await;
    let kept = reserve(&directory, "ada").await.unwrap();
    assert_eq!((kept.uid.0, kept.gid.0), (1_900_000_000, 1_900_000_000));
    assert_eq!((kept.home.as_str(), kept.shell.as_str()), ("/home/ada", "/bin/bash"));
    assert_eq!(directory.position().await.unwrap().revision, 0, "that is no change");
    add_user(&directory, "bob").await;

    let groups = Some([name("aaa"), name("zzz")].into());
    let shown = Arrival { reserved: Some(kept.uuid.clone()), groups, ..arrival("ada", "s1") };
    let (arrived, _) = arrive(&directory, shown.clone()).await.unwrap();
    let ada = find_user(&directory, "ada").await.unwrap().user;
    assert_eq!((&arrived.uuid, &ada.uuid), (&kept.uuid, &kept.uuid));
    assert_eq!((ada.uid, ada.gid, ada.home), (kept.uid, kept.gid, kept.home));
    assert_eq!(find_group(&directory, "ada").await.unwrap().group.gid, kept.gid);
    assert!(!arrive(&directory, shown).await.unwrap().0.created, "the node may still think that it is kept");
    assert!(refusal!(reserve(&directory, "ada").await, Conflict).contains("there is a user ada already"));
    refusal!(create_user(&directory, new_user_with("eve", kept.uid.0)).await, Conflict);
}

pub async fn what_is_kept_is_given_to_nobody_else(storage: &impl Backend) {
    let directory = storage.open().await;
    let bob = add_user(&directory, "bob").await.user;
    let kept = reserve(&directory, "ada").await.unwrap();
    assert!(
        refusal!(create_user(&directory, new_user("ada")).await, Conflict)
            .contains("ada is kept for somebody")
    );
    assert!(
        refusal!(create_group(&directory, new_group("ada")).await, Conflict)
            .contains("ada is kept for somebody")
    );
    let change = UserChange { name: Some(name("ada")), ..UserChange::default() };
    refusal!(directory.update_user(bob.name, change, &rules()).await, Conflict);
    refusal!(create_user(&directory, new_user_with("eve", kept.uid.0)).await, Conflict);
    assert_ne!(add_user(&directory, "eve").await.user.uid, kept.uid);
    assert_ne!(reserve(&directory, "kim").await.unwrap().uid, kept.uid);
    assert_eq!(Everything::of(&directory).await.user_names(), ["bob", "eve"]);
}

pub async fn asking_again_for_a_name_gets_the_same_for_longer(storage: &impl Backend) {
    let (here, there) = (storage.open().await, storage.open().await);
    let kept = reserve(&here, "ada").await.unwrap();
    let again = there.reserve(name("ada"), &rules(), kept.expires_at + 100).await.unwrap();
    assert!((99..=101).contains(&(again.expires_at - kept.expires_at)), "{again:?}");
    assert_eq!(Reservation { expires_at: kept.expires_at, ..again.clone() }, kept);
    let shorter = here.reserve(name("ada"), &rules(), kept.expires_at).await.unwrap();
    assert_eq!(shorter, again, "others go by the longer time");
    here.release(&kept.uuid).await.unwrap();
    assert_eq!(
        there.reserve(name("ada"), &rules(), kept.expires_at).await.unwrap(),
        again,
        "it has not run out"
    );
}

pub async fn what_has_run_out_goes_back_and_whoever_was_shown_it_is_refused(storage: &impl Backend) {
    let directory = storage.open().await;
    let over = async || directory.reserve(name("ada"), &rules(), seconds_from_now(-1)).await;
    let kept = over().await.unwrap();
    assert_eq!(over().await.unwrap().uid, kept.uid, "nobody else has come meanwhile");
    directory.release(&kept.uuid).await.unwrap();
    let bob = add_user(&directory, "bob").await.user;
    assert_eq!(bob.uid, kept.uid);

    let kept = over().await.unwrap();
    let eve = add_user(&directory, "eve").await.user;
    assert_eq!(eve.uid, kept.uid, "whoever creates somebody has what has run out given back");
    let shown = Arrival { reserved: Some(kept.uuid), ..arrival("ada", "s1") };
    let told = refusal!(arrive(&directory, shown).await, Refused);
    assert!(told.contains("log in again"), "{told}");

    let kept = over().await.unwrap();
    let shown = Arrival { reserved: Some(kept.uuid.clone()), ..arrival("ada", "s1") };
    assert_eq!(arrive(&directory, shown).await.unwrap().0.uuid, kept.uuid, "nobody wanted it meanwhile");
    assert_eq!(find_user(&directory, "ada").await.unwrap().user.uid, kept.uid);
}

pub async fn fifty_nodes_that_reserve_one_name_are_given_one_id(storage: &impl Backend) {
    let directory = Arc::new(storage.open().await);
    let mut nodes = JoinSet::new();
    for number in 0..50 {
        let directory = Arc::clone(&directory);
        nodes.spawn(async move {
            let other = reserve(&*directory, &format!("user{number}")).await.unwrap();
            (reserve(&*directory, "ada").await.unwrap().uuid, other.uid)
        });
    }
    let (uuids, uids): (BTreeSet<_>, BTreeSet<_>) = nodes.join_all().await.into_iter().unzip();
    assert_eq!((uuids.len(), uids.len()), (1, 50));
}

pub async fn names_that_nobody_can_have_are_not_kept(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "gone").await;
    directory.delete_user(name("gone"), None).await.unwrap();
    add_user(&directory, "ada").await;
    assert!(refusal!(reserve(&directory, "ada").await, Conflict).contains("there is a user ada already"));
    assert!(refusal!(reserve(&directory, "gone").await, Conflict).contains("deleted user"));
    assert!(refusal!(reserve(&directory, "docker").await, Refused).contains("gives rights"));
    let rules = Rules { local: LocalAccounts::parse("lab:x:5000:5000::/:/bin/sh", ""), ..rules() };
    let told = refusal!(directory.reserve(name("lab"), &rules, seconds_from_now(300)).await, Refused);
    assert!(told.contains("/etc/passwd"), "{told}");
}

pub async fn ids_that_come_of_names_are_the_same_again_and_nobody_elses(storage: &impl Backend) {
    let directory = storage.open().await;
    let rules = Rules { derive_from: Some("https://login.example.com".into()), ..rules() };
    let derived = |kind, text: &str| rules.derived_id(kind, name(text)).unwrap();
    let until = seconds_from_now(300);
    let kept = directory.reserve(name("ada"), &rules, until).await.unwrap();
    assert_eq!((kept.uid.0, kept.gid.0), (derived(Kind::User, "ada"), derived(Kind::User, "ada")));
    let groups = Some([name("physics")].into());
    let ada = Arrival { reserved: Some(kept.uuid), groups, ..arrival("ada", "s1") };
    directory.arrive(ada, &rules).await.unwrap();
    assert_eq!(find_user(&directory, "ada").await.unwrap().user.uid, kept.uid);
    let physics = find_group(&directory, "physics").await.unwrap().group;
    assert_eq!(physics.gid.0, derived(Kind::Group, "physics"));
    directory.arrive(arrival("bob", "s2"), &rules).await.unwrap();
    assert_eq!(find_user(&directory, "bob").await.unwrap().user.uid.0, derived(Kind::User, "bob"));

    create_user(&directory, new_user_with("mallory", derived(Kind::User, "eve"))).await.unwrap();
    for refused in [
        directory.reserve(name("eve"), &rules, until).await.map(drop),
        directory.arrive(arrival("eve", "s3"), &rules).await.map(drop),
    ] {
        assert!(refusal!(refused, Conflict).contains("ids.allocation"));
    }
}
