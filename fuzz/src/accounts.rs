//! Accounts out of arbitrary bytes, as podyd would encode them. Few names and ids, so that they meet.

use arbitrary::Arbitrary;
use identity::{Day, Gid, Name, Uid};
use snapshot::{Account, BaseEncoder, DeltaEncoder, EncodeError, Encoded, GroupPatch, Info, UserEntry};

/// How many names, and how many ids of each kind, there are.
pub const VARIETY: u8 = 16;
const FIRST_UID: u32 = 70_000;
const FIRST_GID: u32 = 80_000;

/// A directory.
#[derive(Arbitrary, Debug)]
pub struct Accounts<'a> {
    seed: u64,
    complete: bool,
    enumerable: bool,
    users: Vec<User<'a>>,
    groups: Vec<Group>,
}

/// What happened to it afterwards.
#[derive(Arbitrary, Debug)]
pub struct Changes<'a> {
    seed: u64,
    users: Vec<User<'a>>,
    groups: Vec<Group>,
    /// Users and groups of the base, by their place, that are gone.
    gone: [u8; 2],
    patches: Vec<Patch>,
}

#[derive(Arbitrary, Debug)]
struct User<'a> {
    name: u8,
    ids: [u8; 2],
    fields: [&'a str; 3],
    groups: Vec<u8>,
    locked: bool,
    days: [Option<i32>; 2],
}

#[derive(Arbitrary, Debug)]
struct Group {
    name: u8,
    gid: u8,
    members: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Patch {
    /// Which group of the base.
    group: u8,
    /// Its new name, if it has one.
    name: Option<u8>,
    added: Vec<u8>,
}

/// The name of this number.
pub fn name(number: u8) -> Name {
    format!("n{}", number % VARIETY).parse().expect("a letter and digits")
}

/// The uid of this number.
pub fn uid(number: u8) -> Uid {
    Uid(FIRST_UID + u32::from(number % VARIETY))
}

/// The gid of this number.
pub fn gid(number: u8) -> Gid {
    Gid(FIRST_GID + u32::from(number % VARIETY))
}

impl Accounts<'_> {
    /// A base of them. Fails where two have the same name or id.
    pub fn base(&self) -> Result<Encoded, EncodeError> {
        let mut encoder = BaseEncoder::new(self.info(1, self.seed));
        for user in &self.users {
            user.give(|entry| encoder.user(entry))?;
        }
        for group in &self.groups {
            encoder.group(name(group.name), gid(group.gid), names(&group.members))?;
        }
        encoder.finish()
    }

    /// A delta over that base.
    pub fn delta(&self, changes: &Changes<'_>) -> Result<Encoded, EncodeError> {
        let mut encoder = DeltaEncoder::new(self.info(2, changes.seed));
        for user in &changes.users {
            user.give(|entry| encoder.user(entry))?;
        }
        for group in &changes.groups {
            encoder.group(name(group.name), gid(group.gid), names(&group.members))?;
        }
        if let Some(user) = self.users.get(usize::from(changes.gone[0])) {
            encoder.hide_user(name(user.name), uid(user.ids[0]))?;
        }
        if let Some(group) = self.groups.get(usize::from(changes.gone[1])) {
            encoder.hide_group(name(group.name), gid(group.gid))?;
        }
        for patch in &changes.patches {
            let Some(group) = self.groups.get(usize::from(patch.group)) else { continue };
            let (added, removed) = (names(&patch.added), names(&group.members[group.members.len() / 2..]));
            encoder.patch_group(&GroupPatch {
                gid: gid(group.gid),
                name: name(patch.name.unwrap_or(group.name)),
                added: &added,
                removed: &removed,
            })?;
        }
        encoder.finish()
    }

    fn info(&self, revision: u64, seed: u64) -> Info {
        Info { revision, seed, complete: self.complete, enumerable: self.enumerable }
    }
}

impl User<'_> {
    fn give<T>(&self, take: impl FnOnce(&UserEntry<'_>) -> T) -> T {
        let groups: Vec<Gid> = self.groups.iter().copied().map(gid).collect();
        take(&UserEntry {
            name: name(self.name),
            uid: uid(self.ids[0]),
            gid: gid(self.ids[1]),
            gecos: self.fields[0],
            home: self.fields[1],
            shell: self.fields[2],
            groups: &groups,
            account: Account {
                locked: self.locked,
                reserved: false,
                expires_at: self.days[0].map(Day),
                last_change: self.days[1].map(Day),
            },
        })
    }
}

fn names(numbers: &[u8]) -> Vec<Name> {
    numbers.iter().copied().map(name).collect()
}
