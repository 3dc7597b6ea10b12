//! Whatever the bytes are, a reader comes back: it may say anything, but it neither panics nor loops.

use identity::{Gid, Uid};
use proptest::prelude::*;

use super::model::{Model, changes, name};
use crate::layout::{HEADER_BYTES, Kind};
use crate::{
    Account, AccountView, BaseEncoder, DeltaEncoder, Encoded, GroupPatch, Info, SnapshotBytes, UserEntry,
    View,
};

/// Asks everything that can be asked.
fn exercise(base: &[u8], delta: Option<&[u8]>) {
    let Ok(base) = SnapshotBytes::read(base, Kind::Base) else { return };
    let delta = delta.map(|delta| SnapshotBytes::read(delta, Kind::Delta));
    let Ok(delta) = delta.transpose() else { return };
    let view = View::of_bytes(&base, delta.as_ref());
    for number in 0..16 {
        let name = name(&format!("n{number}"));
        let _ = view.user_by_name(name.as_bytes()).map(|user| user.map(|user| user.field(user.shell).len()));
        let _ = view.groups_of(name.as_bytes()).map(|gids| gids.map(Iterator::count));
        let _ =
            view.group_by_name(name.as_bytes()).map(|group| group.map(|group| group.members.iter().count()));
    }
    for id in (70_000..70_012).chain(80_000..80_008) {
        let _ = view.user_by_uid(Uid(id));
        let _ = view.group_by_gid(Gid(id)).map(|group| group.map(|group| group.members.iter().count()));
    }
    for index in 0..view.user_count().min(64) {
        let _ = view.user_at(index);
    }
    for index in 0..view.group_count().min(64) {
        let _ = view.group_at(index);
    }
}

fn exercise_accounts(base: &[u8]) {
    let Ok(base) = SnapshotBytes::read(base, Kind::BaseAccounts) else { return };
    let view = AccountView::of_bytes(&base, None);
    for number in 0..16 {
        let _ = view.account_by_name(name(&format!("n{number}")).as_bytes());
    }
    for index in 0..view.account_count().min(64) {
        let _ = view.account_at(index);
    }
}

fn small() -> (Encoded, Encoded) {
    let info = Info { revision: 1, seed: 9, complete: true, enumerable: true };
    let user = |text: &str, uid: u32| UserEntry {
        name: name(text),
        uid: Uid(uid),
        gid: Gid(uid),
        gecos: "Ada",
        home: "/home/ada",
        shell: "/bin/sh",
        groups: &[Gid(80_000), Gid(80_001)],
        account: Account::default(),
    };
    let mut base = BaseEncoder::new(info);
    base.user(&user("n1", 70_001)).unwrap();
    base.user(&user("n2", 70_002)).unwrap();
    base.group(name("n3"), Gid(80_000), [name("n1"), name("n2")]).unwrap();
    base.group(name("n4"), Gid(80_001), [name("n1"), name("n2")]).unwrap();
    let mut delta = DeltaEncoder::new(info);
    delta.user(&user("n5", 70_001)).unwrap();
    delta.hide_user(name("n2"), Uid(70_002)).unwrap();
    delta.hide_group(name("n4"), Gid(80_001)).unwrap();
    let (added, removed) = ([name("n5")], [name("n1")]);
    delta
        .patch_group(&GroupPatch { gid: Gid(80_000), name: name("n3"), added: &added, removed: &removed })
        .unwrap();
    (base.finish().unwrap(), delta.finish().unwrap())
}

fn each_damage(file: &[u8], mut read: impl FnMut(&[u8])) {
    for length in 0..file.len() {
        read(&file[..length]);
    }
    let mut damaged = file.to_vec();
    for at in 0..file.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, file[at] ^ 1, file[at] ^ 0x40, file[at].wrapping_add(1)] {
            damaged[at] = value;
            read(&damaged);
        }
        damaged[at] = file[at];
    }
}

#[test]
fn no_damaged_or_short_file_harms_its_reader() {
    let (base, delta) = small();
    each_damage(&base.snapshot, |damaged| exercise(damaged, None));
    each_damage(&base.snapshot, |damaged| exercise(damaged, Some(&delta.snapshot)));
    each_damage(&delta.snapshot, |damaged| exercise(&base.snapshot, Some(damaged)));
    each_damage(&base.account, exercise_accounts);
}

#[test]
fn a_table_without_an_empty_slot_does_not_hold_a_lookup() {
    let (base, _) = small();
    let mut full = base.snapshot;
    for slot in full[HEADER_BYTES..].chunks_exact_mut(4) {
        slot.copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    }
    exercise(&full, None);
}

#[test]
fn a_file_of_another_kind_or_version_is_refused() {
    let (base, delta) = small();
    assert!(SnapshotBytes::read(&base.snapshot, Kind::Delta).is_err());
    assert!(SnapshotBytes::read(&delta.account, Kind::BaseAccounts).is_err());
    assert!(SnapshotBytes::read(&base.snapshot[..HEADER_BYTES], Kind::Base).is_err());
    let mut newer = base.snapshot;
    newer[8] = 2;
    assert!(SnapshotBytes::read(&newer, Kind::Base).is_err());
}

proptest! {
    #[test]
    fn no_scribbled_file_harms_its_reader(
        content in changes(40),
        scribbles in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..6),
    ) {
        let mut base = Model::after(&content).base();
        for (place, value) in scribbles {
            let at = place.index(base.snapshot.len() / 4) * 4;
            base.snapshot[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        exercise(&base.snapshot, None);
    }
}
