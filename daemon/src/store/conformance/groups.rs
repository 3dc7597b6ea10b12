//! Groups, and who is in them.

use super::{Backend, refusal};
use crate::directory::{Batch, Directory, Key, NewGroup, UserChange};
use crate::testing::{
    Everything, add_group, add_user, create_group, create_user, find_group, find_user, join, leave, name,
    names, new_group, new_member, new_user_in, rules,
};

pub async fn memberships_begin_and_end_and_saying_so_twice_changes_nothing(storage: &impl Backend) {
    let directory = storage.open().await;
    let physics = add_group(&directory, "physics").await.group;
    for user in ["eve", "ada", "bob"] {
        add_user(&directory, user).await;
    }
    join(&directory, "physics", &["eve", "ada"]).await;
    join(&directory, "physics", &["ada", "ada", "eve"]).await;
    assert_eq!(find_group(&directory, "physics").await.unwrap().members, names(&["ada", "eve"]));
    assert_eq!(find_user(&directory, "ada").await.unwrap().groups, [(physics.gid, physics.name)]);
    assert!(find_user(&directory, "bob").await.unwrap().groups.is_empty());

    leave(&directory, "physics", &["ada", "bob"]).await;
    leave(&directory, "physics", &["ada"]).await;
    assert_eq!(find_group(&directory, "physics").await.unwrap().members, names(&["eve"]));
    assert!(find_user(&directory, "ada").await.unwrap().groups.is_empty());

    add_group(&directory, "art").await;
    join(&directory, "art", &["eve"]).await;
    let groups = find_user(&directory, "eve").await.unwrap().groups;
    assert_eq!(groups.iter().map(|(_, group)| *group).collect::<Vec<_>>(), names(&["art", "physics"]));
}

pub async fn one_unknown_user_and_nobody_joins(storage: &impl Backend) {
    let directory = storage.open().await;
    add_group(&directory, "physics").await;
    add_user(&directory, "ada").await;
    let (before, position) = (Everything::of(&directory).await, directory.position().await.unwrap());
    for present in [true, false] {
        let change = directory.set_members(name("physics"), names(&["ada", "nobody-here"]), present);
        assert!(refusal!(change.await, NotFound).contains("nobody-here"));
    }
    assert_eq!(Everything::of(&directory).await, before);
    assert_eq!(directory.position().await.unwrap(), position);
}

pub async fn nobody_joins_a_private_group(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    add_user(&directory, "bob").await;
    let message = refusal!(directory.set_members(name("ada"), names(&["bob"]), true).await, Refused);
    assert!(message.contains("private group"), "{message}");
    let batch = Batch { members: vec![new_member("ada", "bob")], ..Batch::default() };
    let (refused, _) = directory.create(batch, &rules(), false).await.unwrap();
    assert_eq!(refused[0].error.to_string(), message);
}

pub async fn a_group_is_not_deleted_while_it_is_somebodys_primary_group(storage: &impl Backend) {
    let directory = storage.open().await;
    add_group(&directory, "staffers").await;
    create_user(&directory, new_user_in("ada", "staffers")).await.unwrap();
    let message = refusal!(directory.delete_group(name("staffers"), None).await, Conflict);
    assert!(message.contains("primary group of 1 user"), "{message}");
    directory.delete_user(name("ada"), None).await.unwrap();
    directory.delete_group(name("staffers"), None).await.unwrap();
    assert!(find_group(&directory, "staffers").await.is_none());
}

pub async fn a_user_is_not_deleted_while_others_live_in_the_private_group(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    create_user(&directory, new_user_in("lodger", "ada")).await.unwrap();
    let (before, position) = (Everything::of(&directory).await, directory.position().await.unwrap());
    refusal!(directory.delete_user(name("ada"), None).await, Conflict);
    assert_eq!(Everything::of(&directory).await, before);
    assert_eq!(directory.position().await.unwrap(), position);
    directory.delete_user(name("lodger"), None).await.unwrap();
    directory.delete_user(name("ada"), None).await.unwrap();
}

pub async fn a_private_group_goes_with_its_user_alone(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    refusal!(directory.delete_group(name("ada"), None).await, Refused);
    directory.delete_user(name("ada"), None).await.unwrap();
    assert!(find_group(&directory, "ada").await.is_none());
}

pub async fn a_deleted_group_leaves_nobody_in_it_and_its_name_kept_back(storage: &impl Backend) {
    let directory = storage.open().await;
    let physics = add_group(&directory, "physics").await.group;
    add_user(&directory, "ada").await;
    join(&directory, "physics", &["ada"]).await;
    directory.delete_group(name("physics"), None).await.unwrap();
    assert!(find_user(&directory, "ada").await.unwrap().groups.is_empty());
    assert!(directory.group(Key::Id(physics.gid.0)).await.unwrap().is_none());

    let message = refusal!(create_group(&directory, new_group("physics")).await, Conflict);
    assert!(message.contains("--reuse-name"), "{message}");
    let reused = NewGroup { reuse_name: true, ..new_group("physics") };
    let again = create_group(&directory, reused).await.unwrap();
    assert_ne!(again.group.gid, physics.gid);
    assert!(again.members.is_empty(), "a name carries nothing over");
}

pub async fn groups_are_listed_with_or_without_private_ones(storage: &impl Backend) {
    let directory = storage.open().await;
    for text in ["physics", "art"] {
        add_group(&directory, text).await;
    }
    add_user(&directory, "ada").await;
    let listed = async |after: Option<&str>, limit, private| {
        let page = directory.groups(after.map(name), limit, private).await.unwrap();
        (page.items.iter().map(|team| team.group.name).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(listed(None, 10, false).await, (names(&["art", "physics"]), false));
    assert_eq!(listed(None, 2, true).await, (names(&["ada", "art"]), true));
    assert_eq!(listed(Some("art"), 2, true).await, (names(&["physics"]), false));
    assert_eq!(directory.counts().await.unwrap().groups, 3);
}

/// `if_revision` and feeds of other nodes go by it, whichever way somebody joins.
pub async fn a_change_of_members_is_a_change_of_the_group(storage: &impl Backend) {
    let directory = storage.open().await;
    add_group(&directory, "physics").await;
    add_user(&directory, "ada").await;
    add_user(&directory, "bob").await;
    join(&directory, "physics", &["ada"]).await;
    let changed_now = async || {
        let revision = directory.position().await.unwrap().revision;
        find_group(&directory, "physics").await.unwrap().group.revision == revision
    };
    assert!(changed_now().await);
    let batch = Batch { members: vec![new_member("physics", "bob")], ..Batch::default() };
    directory.create(batch, &rules(), false).await.unwrap();
    assert!(changed_now().await);
    let change = UserChange { name: Some(name("countess")), ..UserChange::default() };
    directory.update_user(name("ada"), change, &rules()).await.unwrap();
    assert!(changed_now().await, "its list of members shows the new name");
    directory.delete_user(name("bob"), None).await.unwrap();
    assert!(changed_now().await);
}
