//! Batches.

use std::time::{Duration, Instant};

use super::{Backend, refusal};
use crate::directory::{Batch, Directory, Error, NewGroup, NewMember, NewUser, Refusal};
use crate::testing::{
    Everything, add_user, create_group, create_user, find_group, find_user, name, names, new_group,
    new_group_with, new_member, new_user, new_user_in, new_user_with, rules,
};

/// Lines of a file, some of which cannot be taken. `ada` exists already.
fn mixed() -> Batch {
    let group = |line, group: NewGroup| NewGroup { line, ..group };
    let user = |line, user: NewUser| NewUser { line, ..user };
    let member = |line, member: NewMember| NewMember { line, ..member };
    Batch {
        groups: vec![group(1, new_group("physics")), group(2, new_group("sudo")), group(3, new_group("ada"))],
        users: vec![
            user(10, new_user("ada")),
            user(11, new_user("bob")),
            user(12, new_user_with("low", 12)),
            user(13, new_user_in("eve", "nowhere")),
            user(14, new_user_in("kim", "physics")),
        ],
        members: vec![
            member(20, new_member("physics", "ada")),
            member(21, new_member("physics", "nobody-here")),
            member(22, new_member("ada", "bob")),
            member(23, new_member("physics", "bob")),
            member(24, new_member("physics", "low")),
        ],
        all_or_nothing: false,
    }
}

fn lines(refused: &[Refusal]) -> Vec<u64> {
    refused.iter().map(|refusal| refusal.line).collect()
}

pub async fn each_record_is_taken_or_refused_by_itself(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    let (refused, position) = directory.create(mixed(), &rules(), false).await.unwrap();
    assert_eq!(lines(&refused), [2, 3, 10, 12, 13, 21, 22, 24]);
    assert_eq!(refused[0].name, "sudo");
    assert!(matches!(refused[0].error, Error::Refused(_)) && matches!(refused[2].error, Error::Conflict(_)));
    assert!(matches!(&refused[4].error, Error::NotFound(message) if message.contains("nowhere")));
    assert_eq!(refused[5].name, "nobody-here in physics");
    assert_eq!(directory.position().await.unwrap(), position);
    assert_eq!(Everything::of(&directory).await.user_names(), ["ada", "bob", "kim"]);
    assert_eq!(find_group(&directory, "physics").await.unwrap().members, names(&["ada", "bob"]));
}

pub async fn records_of_a_batch_see_those_before_them(storage: &impl Backend) {
    let directory = storage.open().await;
    let batch = Batch {
        groups: vec![new_group("physics"), new_group("physics")],
        users: vec![
            new_user("bob"),
            new_user("bob"),
            new_user("physics"),
            new_user_with("eve", 1_900_000_001),
        ],
        members: vec![new_member("physics", "bob"), new_member("physics", "bob")],
        all_or_nothing: false,
    };
    let (refused, position) = directory.create(batch, &rules(), false).await.unwrap();
    let names: Vec<&str> = refused.iter().map(|refusal| refusal.name.as_str()).collect();
    assert_eq!(names, ["physics", "bob", "physics", "eve"], "eve's id had just been given to bob");
    assert_eq!(position.revision, 1, "a batch is one change");
    assert_eq!(find_user(&directory, "bob").await.unwrap().groups.len(), 1);
}

pub async fn a_dry_run_reports_the_same_and_leaves_nothing(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    let (before, position) = (Everything::of(&directory).await, directory.position().await.unwrap());
    let (would_refuse, _) = directory.create(mixed(), &rules(), true).await.unwrap();
    assert_eq!(Everything::of(&directory).await, before);
    assert_eq!(directory.position().await.unwrap(), position);
    let (refused, _) = directory.create(mixed(), &rules(), false).await.unwrap();
    assert_eq!(would_refuse, refused);
    let physics = find_group(&directory, "physics").await.unwrap().group.gid.0;
    assert_eq!(physics, before.users[0].user.uid.0 + 1, "the dry run took no id");
}

pub async fn all_or_nothing_means_nothing_when_one_record_is_refused(storage: &impl Backend) {
    let directory = storage.open().await;
    let before = directory.position().await.unwrap();
    let batch = Batch {
        users: vec![new_user("ada")],
        members: vec![new_member("nowhere", "ada")],
        all_or_nothing: true,
        ..Batch::default()
    };
    assert!(refusal!(directory.create(batch, &rules(), false).await, NotFound).contains("nowhere"));
    assert_eq!(Everything::of(&directory).await, Everything::default());
    assert_eq!(directory.position().await.unwrap(), before);
}

pub async fn a_batch_of_which_nothing_is_taken_is_no_change(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    let before = directory.position().await.unwrap();
    for users in [vec![], vec![new_user("ada")]] {
        let (_, position) =
            directory.create(Batch { users, ..Batch::default() }, &rules(), false).await.unwrap();
        assert_eq!(position, before);
    }
}

pub async fn two_thousand_users_come_in_one_batch(storage: &impl Backend) {
    let directory = storage.open().await;
    create_user(&directory, new_user_with("first", 30_000)).await.unwrap();
    create_group(&directory, new_group_with("everybody", 40_000)).await.unwrap();
    let texts: Vec<String> = (0..2000).map(|number| format!("user{number:04}")).collect();
    let batch = Batch {
        users: texts
            .iter()
            .map(|text| NewUser { password: Some("a hash".into()), ..new_user(text) })
            .collect(),
        members: texts.iter().map(|text| new_member("everybody", text)).collect(),
        ..Batch::default()
    };
    let began = Instant::now();
    let (refused, _) = directory.create(batch, &rules(), false).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "logins wait for it: {:?}", began.elapsed());
    assert_eq!(refused, []);
    assert_eq!(directory.counts().await.unwrap().users, 2001);
    assert_eq!(find_group(&directory, "everybody").await.unwrap().members.len(), 2000);
    let last = directory.credential(name("user1999")).await.unwrap().unwrap();
    assert_eq!(last.hash.as_deref(), Some("a hash"));
}
