//! A base and a delta show what two maps say, whatever changed in between.

use std::collections::{BTreeMap, BTreeSet};

use identity::{Day, Gid, Name, Uid};
use proptest::prelude::*;

use crate::layout::Kind;
use crate::{
    Account, AccountView, BaseEncoder, DeltaEncoder, Encoded, GroupPatch, GroupRecord, Info, SnapshotBytes,
    UserEntry, UserRecord, View,
};

pub(super) const INFO: Info = Info { revision: 3, seed: 0x5eed, complete: true, enumerable: true };

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelUser {
    name: Name,
    gid: u32,
    gecos: String,
    groups: BTreeSet<u32>,
    account: (bool, Option<i32>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelGroup {
    name: Name,
    members: BTreeSet<Name>,
}

/// What the directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    users: BTreeMap<u32, ModelUser>,
    groups: BTreeMap<u32, ModelGroup>,
}

/// What an admin may do; the numbers pick among a few users, groups and names.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Add { uid: u32, name: u32, gecos: String },
    Remove { uid: u32 },
    Rename { uid: u32, name: u32 },
    Lock { uid: u32, expires: Option<i32> },
    AddGroup { gid: u32, name: u32 },
    RenameGroup { gid: u32, name: u32 },
    RemoveGroup { gid: u32 },
    Join { uid: u32, gid: u32 },
    Leave { uid: u32, gid: u32 },
}

pub(super) fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    let (uid, gid, name) = (70_000..70_012_u32, 80_000..80_008_u32, 0..16_u32);
    let change = prop_oneof![
        3 => (uid.clone(), name.clone(), "[ -9;-~]{0,40}").prop_map(|(uid, name, gecos)| Change::Add { uid, name, gecos }),
        2 => uid.clone().prop_map(|uid| Change::Remove { uid }),
        2 => (uid.clone(), name.clone()).prop_map(|(uid, name)| Change::Rename { uid, name }),
        1 => (uid.clone(), any::<Option<i32>>()).prop_map(|(uid, expires)| Change::Lock { uid, expires }),
        2 => (gid.clone(), name.clone()).prop_map(|(gid, name)| Change::AddGroup { gid, name }),
        1 => (gid.clone(), name).prop_map(|(gid, name)| Change::RenameGroup { gid, name }),
        1 => gid.clone().prop_map(|gid| Change::RemoveGroup { gid }),
        6 => (uid.clone(), gid.clone()).prop_map(|(uid, gid)| Change::Join { uid, gid }),
        3 => (uid, gid).prop_map(|(uid, gid)| Change::Leave { uid, gid }),
    ];
    proptest::collection::vec(change, 0..most)
}

impl Model {
    pub(super) fn after(changes: &[Change]) -> Self {
        let mut model = Self::default();
        model.apply(changes);
        model
    }

    pub(super) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: &Change) {
        match *change {
            Change::Add { uid, name: number, ref gecos } => {
                let name = numbered(number);
                if !self.users.contains_key(&uid) && !self.user_is_called(name) {
                    let (gecos, groups) = (gecos.clone(), BTreeSet::new());
                    self.users
                        .insert(uid, ModelUser { name, gid: uid, gecos, groups, account: (false, None) });
                }
            }
            Change::Remove { uid } => {
                if let Some(user) = self.users.remove(&uid) {
                    for group in self.groups.values_mut() {
                        group.members.remove(&user.name);
                    }
                }
            }
            Change::Rename { uid, name: number } => {
                let to = numbered(number);
                if !self.user_is_called(to)
                    && let Some(user) = self.users.get_mut(&uid)
                {
                    let from = std::mem::replace(&mut user.name, to);
                    for group in self.groups.values_mut() {
                        if group.members.remove(&from) {
                            group.members.insert(to);
                        }
                    }
                }
            }
            Change::Lock { uid, expires } => {
                if let Some(user) = self.users.get_mut(&uid) {
                    user.account = (!user.account.0, expires);
                }
            }
            Change::AddGroup { gid, name: number } => {
                let name = numbered(number);
                if !self.groups.contains_key(&gid) && !self.group_is_called(name) {
                    self.groups.insert(gid, ModelGroup { name, members: BTreeSet::new() });
                }
            }
            Change::RenameGroup { gid, name: number } => {
                let name = numbered(number);
                if !self.group_is_called(name)
                    && let Some(group) = self.groups.get_mut(&gid)
                {
                    group.name = name;
                }
            }
            Change::RemoveGroup { gid } => {
                if self.groups.remove(&gid).is_some() {
                    self.users.values_mut().for_each(|user| {
                        user.groups.remove(&gid);
                    });
                }
            }
            Change::Join { uid, gid } => {
                if let (Some(user), Some(group)) = (self.users.get_mut(&uid), self.groups.get_mut(&gid)) {
                    user.groups.insert(gid);
                    group.members.insert(user.name);
                }
            }
            Change::Leave { uid, gid } => {
                if let (Some(user), Some(group)) = (self.users.get_mut(&uid), self.groups.get_mut(&gid)) {
                    user.groups.remove(&gid);
                    group.members.remove(&user.name);
                }
            }
        }
    }

    fn user_is_called(&self, name: Name) -> bool {
        self.users.values().any(|user| user.name == name)
    }

    fn group_is_called(&self, name: Name) -> bool {
        self.groups.values().any(|group| group.name == name)
    }

    pub(super) fn base(&self) -> Encoded {
        let mut encoder = BaseEncoder::new(INFO);
        for (uid, user) in &self.users {
            user.with_entry(*uid, |entry| encoder.user(entry)).unwrap();
        }
        for (gid, group) in &self.groups {
            encoder.group(group.name, Gid(*gid), group.members.iter().copied()).unwrap();
        }
        encoder.finish().unwrap()
    }

    /// What changed since `base`, as little of it as will do.
    pub(super) fn delta_over(&self, base: &Self) -> Encoded {
        let mut encoder = DeltaEncoder::new(Info { revision: 4, ..INFO });
        for (uid, old) in &base.users {
            if !self.users.contains_key(uid) {
                encoder.hide_user(old.name, Uid(*uid)).unwrap();
            }
        }
        for (gid, old) in &base.groups {
            if !self.groups.contains_key(gid) {
                encoder.hide_group(old.name, Gid(*gid)).unwrap();
            }
        }
        for (uid, user) in &self.users {
            let mut in_base = base.users.get(uid).cloned();
            if let Some(user) = &mut in_base {
                user.groups.retain(|gid| self.groups.contains_key(gid));
            }
            if in_base.as_ref() != Some(user) {
                user.with_entry(*uid, |entry| encoder.user(entry)).unwrap();
            }
        }
        for (gid, group) in &self.groups {
            match base.groups.get(gid) {
                Some(old) if old == group => {}
                Some(old) if gid % 4 != 0 => {
                    let added: Vec<Name> = group.members.difference(&old.members).copied().collect();
                    let mut removed: Vec<Name> = old.members.difference(&group.members).copied().collect();
                    removed.reverse();
                    let (gid, name) = (Gid(*gid), group.name);
                    encoder.patch_group(&GroupPatch { gid, name, added: &added, removed: &removed }).unwrap();
                }
                _ => encoder.group(group.name, Gid(*gid), group.members.iter().copied()).unwrap(),
            }
        }
        encoder.finish().unwrap()
    }

    fn expect_of(&self, view: &View<'_>) {
        for uid in 70_000..70_012 {
            let found = view.user_by_uid(Uid(uid)).unwrap();
            assert_eq!(
                found.map(|user| shown_user(view, &user)),
                self.users.get(&uid).map(|user| (uid, user.shown()))
            );
        }
        for gid in 80_000..80_008 {
            let found = view.group_by_gid(Gid(gid)).unwrap();
            assert_eq!(
                found.map(|group| shown_group(&group)),
                self.groups.get(&gid).map(|group| (gid, group.clone()))
            );
        }
        for number in 0..16 {
            let name = numbered(number);
            let user =
                self.users.iter().find(|(_, user)| user.name == name).map(|(uid, user)| (*uid, user.shown()));
            let found = view.user_by_name(name.as_bytes()).unwrap();
            assert_eq!(found.map(|found| shown_user(view, &found)), user);
            let group = self.groups.iter().find(|(_, group)| group.name == name);
            let found = view.group_by_name(name.as_bytes()).unwrap();
            assert_eq!(
                found.map(|found| shown_group(&found)),
                group.map(|(gid, group)| (*gid, group.clone()))
            );
        }
        let users = (0..view.user_count()).filter_map(|index| view.user_at(index).unwrap());
        let users: Vec<_> = users.map(|user| user.uid.0).collect();
        assert_eq!(sorted(users), self.users.keys().copied().collect::<Vec<_>>());
        let groups = (0..view.group_count()).filter_map(|index| view.group_at(index).unwrap());
        let groups: Vec<_> = groups.map(|group| group.gid.0).collect();
        assert_eq!(sorted(groups), self.groups.keys().copied().collect::<Vec<_>>());
    }

    fn expect_of_accounts(&self, view: &AccountView<'_>) {
        for number in 0..16 {
            let name = numbered(number);
            let account = self.users.values().find(|user| user.name == name).map(|user| user.account);
            let found = view.account_by_name(name.as_bytes()).unwrap();
            assert_eq!(found.map(|found| (found.locked, found.expires_at)), account);
            assert!(found.is_none_or(|found| found.reserved != found.locked));
        }
        let listed = (0..view.account_count()).filter_map(|index| view.account_at(index).unwrap());
        let listed: Vec<_> = listed.map(|account| account.uid.0).collect();
        assert_eq!(sorted(listed), self.users.keys().copied().collect::<Vec<_>>());
    }
}

impl ModelUser {
    fn with_entry<T>(&self, uid: u32, use_entry: impl FnOnce(&UserEntry<'_>) -> T) -> T {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid).collect();
        let (locked, expires) = self.account;
        use_entry(&UserEntry {
            name: self.name,
            uid: Uid(uid),
            gid: Gid(self.gid),
            gecos: &self.gecos,
            home: "/home/x",
            shell: "/bin/sh",
            groups: &groups,
            account: Account { locked, reserved: !locked, expires_at: expires.map(Day), last_change: None },
        })
    }

    fn shown(&self) -> Shown {
        let groups = self.groups.iter().copied().collect();
        (self.name, self.gid, ["*".into(), self.gecos.clone(), "/home/x".into(), "/bin/sh".into()], groups)
    }
}

type Shown = (Name, u32, [String; 4], Vec<u32>);

fn shown_user(view: &View<'_>, user: &UserRecord<'_>) -> (u32, Shown) {
    let text = |start| String::from_utf8(user.field(start).to_vec()).unwrap();
    let groups = view.groups_of(user.name()).unwrap().unwrap().map(|gid| gid.unwrap().0).collect();
    let fields = [text(user.password), text(user.gecos), text(user.home), text(user.shell)];
    (user.uid.0, (Name::new(user.name()).unwrap(), user.gid.0, fields, groups))
}

fn shown_group(group: &GroupRecord<'_>) -> (u32, ModelGroup) {
    let members: Vec<Name> = group.members.iter().map(|member| Name::new(member.unwrap()).unwrap()).collect();
    let set: BTreeSet<Name> = members.iter().copied().collect();
    assert_eq!(set.len(), members.len(), "nobody is listed twice");
    (group.gid.0, ModelGroup { name: Name::new(group.name()).unwrap(), members: set })
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers
}

fn numbered(number: u32) -> Name {
    name(&format!("n{number}"))
}

proptest! {
    #[test]
    fn a_base_and_its_delta_show_what_the_directory_holds(before in changes(60), then in changes(30)) {
        let old = Model::after(&before);
        let mut new = old.clone();
        new.apply(&then);
        let (base, delta) = (old.base(), new.delta_over(&old));
        let read = |bytes, kind| SnapshotBytes::read(bytes, kind).unwrap();
        let (snapshot, changed) = (read(&base.snapshot, Kind::Base), read(&delta.snapshot, Kind::Delta));
        old.expect_of(&View::of_bytes(&snapshot, None));
        new.expect_of(&View::of_bytes(&snapshot, Some(&changed)));
        let (accounts, changed) =
            (read(&base.account, Kind::BaseAccounts), read(&delta.account, Kind::DeltaAccounts));
        old.expect_of_accounts(&AccountView::of_bytes(&accounts, None));
        new.expect_of_accounts(&AccountView::of_bytes(&accounts, Some(&changed)));
    }
}

#[test]
fn one_join_of_a_large_group_is_a_small_delta() {
    let mut encoder = BaseEncoder::new(INFO);
    encoder.group(name("all"), Gid(90_000), (0..100_000).map(numbered)).unwrap();
    let base = encoder.finish().unwrap();
    let mut encoder = DeltaEncoder::new(INFO);
    let (gid, joined, left) = (Gid(90_000), [name("ada")], [numbered(7)]);
    encoder.patch_group(&GroupPatch { gid, name: name("all"), added: &joined, removed: &left }).unwrap();
    let delta = encoder.finish().unwrap();
    assert!(delta.snapshot.len() < 1024, "{} bytes", delta.snapshot.len());
    let base = SnapshotBytes::read(&base.snapshot, Kind::Base).unwrap();
    let delta = SnapshotBytes::read(&delta.snapshot, Kind::Delta).unwrap();
    let group = View::of_bytes(&base, Some(&delta)).group_by_gid(gid).unwrap().unwrap();
    let members: Vec<&[u8]> = group.members.iter().map(Result::unwrap).collect();
    assert_eq!((members.len(), members.last()), (100_000, Some(&&b"ada"[..])));
    assert!(!members.contains(&&b"n7"[..]));
}

#[test]
fn two_accounts_of_one_name_or_id_are_refused() {
    let add = |encoder: &mut BaseEncoder, text: &str, uid| {
        let user = ModelUser {
            name: name(text),
            gid: uid,
            gecos: String::new(),
            groups: BTreeSet::new(),
            account: (false, None),
        };
        user.with_entry(uid, |entry| encoder.user(entry))
    };
    let finish = |pairs: [(&str, u32); 2]| {
        let mut encoder = BaseEncoder::new(INFO);
        for (text, uid) in pairs {
            add(&mut encoder, text, uid).unwrap();
        }
        encoder.finish().map(|_| ())
    };
    assert_eq!(
        finish([("ada", 70_000), ("ada", 70_001)]),
        Err(crate::EncodeError::DuplicateName(name("ada")))
    );
    assert_eq!(finish([("ada", 70_000), ("bob", 70_000)]), Err(crate::EncodeError::DuplicateId(70_000)));
    assert_eq!(finish([("ada", 70_000), ("bob", 70_001)]), Ok(()));
}

#[test]
fn no_field_can_forge_another() {
    let mut encoder = BaseEncoder::new(INFO);
    for gecos in ["a\0b", "a:b", "a\nroot::0:0:::", &"x".repeat(17_000)] {
        let gecos = gecos.to_owned();
        let user = ModelUser {
            name: name("ada"),
            gid: 70_000,
            gecos,
            groups: BTreeSet::new(),
            account: (false, None),
        };
        let result = user.with_entry(70_000, |entry| encoder.user(entry));
        assert_eq!(result, Err(crate::EncodeError::BadField(name("ada"))));
    }
}
