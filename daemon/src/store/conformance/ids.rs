//! Ids: where they come from, and that nobody ever gets another's.

use identity::{Gid, Uid};

use super::{Backend, refusal};
use crate::directory::{Batch, Directory, LocalAccounts, NewGroup, NewUser, Primary, Result, Rules};
use crate::testing::{
    Everything, add_group, add_user, create_group, create_user, find_user, name, new_group, new_group_with,
    new_user, new_user_in, new_user_with, one_user, rules, rules_allocating,
};

/// Creates a user under these rules and says which uid it got.
async fn uid_of_new(directory: &impl Directory, user: NewUser, rules: &Rules) -> Result<u32> {
    let text = user.name.to_string();
    directory.create(one_user(user), rules, false).await?;
    Ok(find_user(directory, &text).await.unwrap().user.uid.0)
}

pub async fn allocation_passes_over_local_and_reserved_ids(storage: &impl Backend) {
    let directory = storage.open().await;
    let local = LocalAccounts::parse("lab:x:61181:100::/:/bin/sh", "labs:x:65537:");
    let rules = Rules { local, ..rules_allocating(61_180, 65_539) };
    for (number, expected) in [61_180, 61_182, 61_183, 65_536, 65_538, 65_539].into_iter().enumerate() {
        let uid = uid_of_new(&directory, new_user(&format!("user{number}")), &rules).await.unwrap();
        assert_eq!(uid, expected);
    }
    let message = refusal!(uid_of_new(&directory, new_user("late"), &rules).await, Refused);
    assert!(message.contains("61180-65539") && message.contains("ids.max"), "{message}");
}

pub async fn exhaustion_is_told_in_words_and_leaves_nothing_behind(storage: &impl Backend) {
    let directory = storage.open().await;
    let rules = rules_allocating(5000, 5002);
    uid_of_new(&directory, new_user("ada"), &rules).await.unwrap();
    let (before, position) = (Everything::of(&directory).await, directory.position().await.unwrap());
    let too_many = || Batch {
        groups: vec![new_group("physics")],
        users: vec![new_user("bob"), new_user("eve")],
        ..Batch::default()
    };
    let whole = Batch { all_or_nothing: true, ..too_many() };
    refusal!(directory.create(whole, &rules, false).await, Refused);
    assert_eq!(Everything::of(&directory).await, before);
    assert_eq!(directory.position().await.unwrap(), position);

    let (refused, _) = directory.create(too_many(), &rules, false).await.unwrap();
    assert_eq!(refused.iter().map(|refusal| refusal.name.as_str()).collect::<Vec<_>>(), ["eve"]);
    assert_eq!(Everything::of(&directory).await.user_names(), ["ada", "bob"]);
}

pub async fn an_id_that_was_named_at_the_top_leaves_those_below_it_free(storage: &impl Backend) {
    let directory = storage.open().await;
    let rules = rules_allocating(5000, 5003);
    uid_of_new(&directory, new_user_with("top", 5003), &rules).await.unwrap();
    uid_of_new(&directory, new_user_with("middle", 5001), &rules).await.unwrap();
    assert_eq!(uid_of_new(&directory, new_user("ada"), &rules).await.unwrap(), 5000);
    assert_eq!(uid_of_new(&directory, new_user("bob"), &rules).await.unwrap(), 5002);
    refusal!(uid_of_new(&directory, new_user("eve"), &rules).await, Refused);
}

pub async fn named_ids_are_taken_inside_the_accepted_ranges_alone(storage: &impl Backend) {
    let directory = storage.open().await;
    let local = LocalAccounts::parse("lab:x:5000:5001::/:/bin/sh", "labs:x:5002:");
    let rules =
        Rules { local, accept: vec!["5000-6000", "8000-8000"].into_iter().map(range).collect(), ..rules() };
    assert_eq!(uid_of_new(&directory, new_user_with("ada", 6000), &rules).await.unwrap(), 6000);
    assert_eq!(uid_of_new(&directory, new_user_with("bob", 8000), &rules).await.unwrap(), 8000);
    for (uid, why) in
        [(4999, "4999"), (6001, "6001"), (999, "999"), (0, "0"), (5000, "local"), (5001, "local")]
    {
        let message = refusal!(uid_of_new(&directory, new_user_with("eve", uid), &rules).await, Refused);
        assert!(message.contains(why), "{uid}: {message}");
    }
    let elsewhere = Primary::Private { uuid: "elsewhere".into(), gid: Some(Gid(7000)) };
    let user = NewUser { primary: elsewhere, ..new_user_with("eve", 5500) };
    refusal!(uid_of_new(&directory, user, &rules).await, Refused);
    let group =
        Batch { groups: vec![new_group_with("physics", 5002)], all_or_nothing: true, ..Batch::default() };
    refusal!(directory.create(group, &rules, false).await, Refused);
    assert_eq!(Everything::of(&directory).await.user_names(), ["ada", "bob"]);
}

fn range(text: &str) -> identity::IdRange {
    let (min, max) = text.split_once('-').unwrap();
    identity::IdRange::new(min.parse().unwrap(), max.parse().unwrap()).unwrap()
}

pub async fn an_id_is_never_given_twice(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = add_user(&directory, "ada").await.user;
    let physics = add_group(&directory, "physics").await.group;
    for gone in [false, true] {
        if gone {
            directory.delete_user(name("ada"), None).await.unwrap();
            directory.delete_group(name("physics"), None).await.unwrap();
        }
        let message = refusal!(create_user(&directory, new_user_with("bob", ada.uid.0)).await, Conflict);
        assert!(message.contains("never given twice"), "{message}");
        refusal!(create_group(&directory, new_group_with("bobs", physics.gid.0)).await, Conflict);
        refusal!(create_group(&directory, new_group_with("bobs", ada.gid.0)).await, Conflict);
    }
    let next = add_user(&directory, "eve").await.user.uid;
    assert!(next > ada.uid && next.0 > physics.gid.0, "{next}");
    let reused = NewUser { reuse_name: true, uid: Some(ada.uid), ..new_user("ada") };
    refusal!(create_user(&directory, reused).await, Conflict);
    let reused = NewGroup { reuse_name: true, gid: Some(physics.gid), ..new_group("physics") };
    refusal!(create_group(&directory, reused).await, Conflict);
}

/// Real passwd files use one number for a user and for an unrelated group.
pub async fn uids_and_gids_are_two_spaces(storage: &impl Backend) {
    let directory = storage.open().await;
    create_group(&directory, new_group_with("staffers", 7001)).await.unwrap();
    let ada = NewUser { uid: Some(Uid(7000)), ..new_user_in("ada", "staffers") };
    create_user(&directory, ada).await.unwrap();
    create_group(&directory, new_group_with("unrelated", 7000)).await.unwrap();
    let bob = NewUser { uid: Some(Uid(7001)), ..new_user_in("bob", "unrelated") };
    create_user(&directory, bob).await.unwrap();
    refusal!(create_user(&directory, new_user_with("eve", 7001)).await, Conflict);

    let rules = rules_allocating(7000, 7002);
    let next = uid_of_new(&directory, new_user("eve"), &rules).await.unwrap();
    assert_eq!(next, 7002, "what is given out is free in both");
}

pub async fn a_batch_may_name_some_ids_and_leave_others_open(storage: &impl Backend) {
    let directory = storage.open().await;
    let named = |number: u32| NewUser {
        uid: Some(Uid(5000 + 2 * number)),
        primary: Primary::Private { uuid: format!("group-{number}"), gid: Some(Gid(5001 + 2 * number)) },
        ..new_user(&format!("named{number}"))
    };
    let users = (0..4).map(named).chain([new_user("open")]).collect();
    let (refused, _) = directory
        .create(Batch { users, ..Batch::default() }, &rules_allocating(5000, 5008), false)
        .await
        .unwrap();
    assert_eq!(refused, []);
    assert_eq!(find_user(&directory, "open").await.unwrap().user.uid, Uid(5008));
}
