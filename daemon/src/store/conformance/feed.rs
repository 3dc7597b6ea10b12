//! What followers of the directory are told.

use std::collections::BTreeSet;

use identity::{Group, Name, State, Uid};

use super::{Backend, HASH};
use crate::directory::{
    Batch, Change, Counts, Directory, Feed, Member, Position, Result, Sink, Team, Tombstone, UserChange,
};
use crate::testing::{
    Everything, add_group, add_user, create_user, find_group, find_user, join, leave, name, new_member,
    new_user, new_user_in, new_user_with, rules,
};

fn user(member: &Member) -> Change {
    Change::User { uuid: member.user.uuid.clone() }
}

fn group(group: &Group) -> Change {
    Change::Group { uuid: group.uuid.clone() }
}

fn membership(group: &Group, member: &Member) -> Change {
    Change::Member { group: group.uuid.clone(), user: member.user.uuid.clone() }
}

async fn changes_since(directory: &impl Directory, since: &Position) -> BTreeSet<Change> {
    match directory.changes(since).await.unwrap() {
        Feed::Changes { changes, .. } => changes,
        Feed::StartOver => panic!("history reaches back to {since:?}"),
    }
}

/// Follows a directory, and says what has appeared since it was last asked.
struct Follower<'a, D>(&'a D, Position);

impl<D: Directory> Follower<'_, D> {
    async fn sees(&mut self, expected: impl IntoIterator<Item = Change>) {
        let Feed::Changes { changes, position, .. } = self.0.changes(&self.1).await.unwrap() else {
            panic!("history reaches back to {:?}", self.1);
        };
        assert_eq!(changes, expected.into_iter().collect());
        assert_eq!(position, self.0.position().await.unwrap());
        self.1 = position;
    }
}

pub async fn every_kind_of_change_appears(storage: &impl Backend) {
    let directory = &storage.open().await;
    let mut follower = Follower(directory, directory.position().await.unwrap());
    let physics = add_group(directory, "physics").await.group;
    follower.sees([group(&physics)]).await;
    let ada = add_user(directory, "ada").await;
    let private = find_group(directory, "ada").await.unwrap().group;
    follower.sees([user(&ada), group(&private)]).await;
    join(directory, "physics", &["ada"]).await;
    follower.sees([membership(&physics, &ada)]).await;

    let change = UserChange { state: Some(State::Locked), ..UserChange::default() };
    directory.update_user(ada.user.name, change, &rules()).await.unwrap();
    follower.sees([user(&ada)]).await;
    directory.set_password(ada.user.name, Some(HASH.into())).await.unwrap();
    follower.sees([user(&ada)]).await;
    let change = UserChange { name: Some(name("countess")), ..UserChange::default() };
    directory.update_user(ada.user.name, change, &rules()).await.unwrap();
    follower.sees([user(&ada), group(&private), membership(&physics, &ada)]).await;

    leave(directory, "physics", &["countess"]).await;
    follower.sees([membership(&physics, &ada)]).await;
    let batch = Batch { members: vec![new_member("physics", "countess")], ..Batch::default() };
    directory.create(batch, &rules(), false).await.unwrap();
    follower.sees([membership(&physics, &ada)]).await;
    directory.delete_user(name("countess"), None).await.unwrap();
    follower.sees([user(&ada), group(&private), membership(&physics, &ada)]).await;
    directory.delete_group(name("physics"), None).await.unwrap();
    follower.sees([group(&physics)]).await;
    follower.sees([]).await;
}

pub async fn nothing_has_changed_since_now(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    let now = directory.position().await.unwrap();
    assert_eq!(changes_since(&directory, &now).await, BTreeSet::new());
}

pub async fn a_cursor_of_elsewhere_starts_over<B: Backend>(storage: &B) {
    let (directory, other) = (storage.open().await, B::fresh().await);
    let elsewhere = other.open().await.position().await.unwrap();
    let here = directory.position().await.unwrap();
    assert_ne!(here.epoch, elsewhere.epoch);
    assert_eq!(directory.changes(&elsewhere).await.unwrap(), Feed::StartOver);
    let future = Position { revision: here.revision + 1, ..here };
    assert_eq!(directory.changes(&future).await.unwrap(), Feed::StartOver);
}

pub async fn a_revision_that_came_out_differently_starts_over(storage: &impl Backend) {
    let directory = storage.open().await;
    add_user(&directory, "ada").await;
    let here = directory.position().await.unwrap();
    add_user(&directory, "bob").await;
    assert_eq!(changes_since(&directory, &here).await.len(), 2);
    // As after a backup was restored that had ada's revision not yet, and somebody else was created instead.
    let elsewhere = Position { stamp: here.stamp ^ 1, ..here };
    assert_eq!(directory.changes(&elsewhere).await.unwrap(), Feed::StartOver);
}

pub async fn changes_come_with_the_state_that_they_led_to(storage: &impl Backend) {
    let directory = storage.open().await;
    add_group(&directory, "physics").await;
    add_user(&directory, "gone").await;
    let beginning = directory.position().await.unwrap();
    add_user(&directory, "ada").await;
    join(&directory, "physics", &["ada"]).await;
    directory.delete_user(name("gone"), None).await.unwrap();
    let Feed::Changes { changes, present, position } = directory.changes(&beginning).await.unwrap() else {
        panic!("three changes are followed")
    };
    assert_eq!(position, directory.position().await.unwrap());
    let (users, groups) = crate::directory::named(&changes);
    assert_eq!(present, directory.present(&users, &groups).await.unwrap());
    assert_eq!(present.users, [find_user(&directory, "ada").await.unwrap()]);
    assert_eq!(present.gone_users.len(), 1);
}

pub async fn too_much_to_follow_starts_over(storage: &impl Backend) {
    let directory = storage.open().await;
    let beginning = directory.position().await.unwrap();
    let mut later = Position::default();
    for batch in 0..6 {
        later = directory.position().await.unwrap();
        let users = (0..2000).map(|number| new_user(&format!("user{batch}-{number}"))).collect();
        directory.create(Batch { users, ..Batch::default() }, &rules(), false).await.unwrap();
    }
    assert_eq!(directory.changes(&beginning).await.unwrap(), Feed::StartOver);
    assert_eq!(changes_since(&directory, &later).await.len(), 4000, "2000 users and their private groups");
}

pub async fn the_present_holds_the_living_and_the_tombstones(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = add_user(&directory, "ada").await.user;
    let gone = add_user(&directory, "gone").await.user;
    let physics = add_group(&directory, "physics").await.group;
    let art = add_group(&directory, "art").await.group;
    join(&directory, "physics", &["ada"]).await;
    for to in ["renamed", "gone", "last"] {
        let from = directory.user(crate::directory::Key::Id(gone.uid.0)).await.unwrap().unwrap().user.name;
        let change = UserChange { name: Some(name(to)), ..UserChange::default() };
        directory.update_user(from, change, &rules()).await.unwrap();
    }
    directory.delete_user(name("last"), None).await.unwrap();
    directory.delete_group(name("art"), None).await.unwrap();

    let users = [ada.uuid.clone(), gone.uuid.clone(), "never seen".into()];
    let groups = [physics.uuid.clone(), art.uuid.clone()];
    let present = directory.present(&users, &groups).await.unwrap();
    assert_eq!(present.users, [find_user(&directory, "ada").await.unwrap()]);
    assert_eq!(present.gone_users, [Tombstone { uuid: gone.uuid, name: name("last"), id: gone.uid.0 }]);
    assert_eq!(present.groups.len(), 1);
    assert_eq!(present.groups[0].group.name, physics.name);
    assert_eq!(present.gone_groups, [Tombstone { uuid: art.uuid, name: name("art"), id: art.gid.0 }]);
}

pub async fn holders_of_names_and_ids_come_with_their_memberships(storage: &impl Backend) {
    let directory = storage.open().await;
    let ada = create_user(&directory, new_user_with("ada", 5000)).await.unwrap();
    let private = find_group(&directory, "ada").await.unwrap().group;
    let physics = add_group(&directory, "physics").await.group;
    let kim = create_user(&directory, new_user_in("kim", "physics")).await.unwrap();
    join(&directory, "physics", &["ada"]).await;
    let holders = async |names: &[&str], ids: &[u32]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        directory.holders(&names, ids).await.unwrap()
    };
    let all_of_ada = BTreeSet::from([user(&ada), group(&private), membership(&physics, &ada)]);
    assert_eq!(holders(&["ada"], &[]).await, all_of_ada);
    assert_eq!(holders(&["root", "daemon"], &[0, 5000]).await, all_of_ada);
    assert_eq!(holders(&["physics"], &[]).await, [group(&physics)].into());
    assert_eq!(holders(&[], &[physics.gid.0]).await, [user(&kim), group(&physics)].into());
    assert_eq!(holders(&["nobody-here"], &[1]).await, [].into());
}

/// A dump, kept.
#[derive(Default)]
pub struct Dump {
    pub position: Option<Position>,
    pub counts: Counts,
    pub users: Vec<Member>,
    pub groups: Vec<(Group, Vec<(Name, Uid)>)>,
}

impl Sink for Dump {
    async fn begin(&mut self, position: &Position, counts: Counts) -> Result<()> {
        assert_eq!((&self.position, self.users.len(), self.groups.len()), (&None, 0, 0));
        (self.position, self.counts) = (Some(position.clone()), counts);
        Ok(())
    }

    async fn users(&mut self, page: Vec<Member>) -> Result<()> {
        assert!(self.position.is_some() && self.groups.is_empty(), "users come before groups");
        self.users.extend(page);
        Ok(())
    }

    async fn groups(&mut self, page: Vec<(Team, Vec<(Name, Uid)>)>) -> Result<()> {
        for (team, mut members) in page {
            members.sort_unstable();
            self.groups.push((team.group, members));
        }
        Ok(())
    }
}

pub async fn a_dump_is_what_reads_say(storage: &impl Backend) {
    let directory = storage.open().await;
    // More than a page of what a dump reads at a time, with members on both sides of every seam.
    let users: Vec<String> = (0..6000).map(|number| format!("user{number:04}")).collect();
    add_group(&directory, "aaa").await;
    add_group(&directory, "zzz").await;
    for users in users.chunks(2000) {
        let members = |group| users.iter().step_by(7).map(move |user| new_member(group, user));
        let batch = Batch {
            users: users.iter().map(|user| new_user(user)).collect(),
            members: members("aaa").chain(members("zzz")).collect(),
            ..Batch::default()
        };
        assert_eq!(directory.create(batch, &rules(), false).await.unwrap().0, []);
    }
    let mut dump = Dump::default();
    let position = directory.dump(&mut dump).await.unwrap();
    assert_eq!((Some(&position), &position), (dump.position.as_ref(), &directory.position().await.unwrap()));
    assert_eq!(dump.counts, directory.counts().await.unwrap());
    let reads = Everything::of(&directory).await;
    assert_eq!(dump.users, reads.users);
    let uids: std::collections::HashMap<Name, Uid> =
        reads.users.iter().map(|member| (member.user.name, member.user.uid)).collect();
    let groups: Vec<_> = reads
        .groups
        .into_iter()
        .map(|team| {
            (team.group, team.members.iter().map(|member| (*member, uids[member])).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(dump.groups, groups);
}

pub async fn a_restart_keeps_everything(storage: &impl Backend) {
    let (before, position, beginning) = {
        let directory = storage.open().await;
        let beginning = directory.position().await.unwrap();
        add_group(&directory, "physics").await;
        add_user(&directory, "ada").await;
        add_user(&directory, "gone").await;
        join(&directory, "physics", &["ada"]).await;
        directory.set_password(name("ada"), Some(HASH.into())).await.unwrap();
        directory.delete_user(name("gone"), None).await.unwrap();
        (Everything::of(&directory).await, directory.position().await.unwrap(), beginning)
    };
    let directory = storage.open().await;
    assert_eq!(Everything::of(&directory).await, before);
    assert_eq!(directory.position().await.unwrap(), position, "the same epoch, so that followers go on");
    assert_eq!(directory.credential(name("ada")).await.unwrap().unwrap().hash.as_deref(), Some(HASH));
    assert!(create_user(&directory, new_user("gone")).await.is_err());
    assert!(changes_since(&directory, &beginning).await.len() >= 6);
    let next = add_user(&directory, "next").await.user.uid.0;
    assert_eq!(next, 1_900_000_003, "ids go on behind those that were given");
}
