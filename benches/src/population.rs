//! Who lives in a benchmark: names and ids that follow from a number, so that no list has to be kept.
//!
//! `u0000001`… with one group of their own number each; 100 users `mu001`… who are in twenty groups `m00`…; a group
//! of ten for every hundredth user; and one group of 10 000.

use identity::{Gid, Name, Uid};

/// The first uid; gids begin there, too.
const FIRST_ID: u32 = 1_900_000_001;
const FIRST_MULTI_ID: u32 = 1_980_000_001;
const FIRST_SMALL_GROUP: u32 = 1_970_000_001;
const FIRST_SHARED_GROUP: u32 = 1_990_000_001;
/// How many are in many groups, and in how many.
pub const MULTI_USERS: u32 = 100;
/// How many groups each of them is in, the primary one not counted.
pub const SHARED_GROUPS: u32 = 20;
/// The large group.
pub const LARGE_GROUP: &str = "g10k";
/// Its gid.
pub const LARGE_GROUP_ID: u32 = 1_995_000_001;
/// The primary group of all, which nobody looks up.
pub const PRIMARY_GROUP: u32 = 1_999_000_001;
const LARGE_GROUP_MEMBERS: u32 = 10_000;
const SMALL_GROUP_MEMBERS: u32 = 10;

/// So many ordinary users.
#[derive(Clone, Copy, Debug)]
pub struct Population(pub u32);

/// A user.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// The login name.
    pub name: Name,
    /// The user id.
    pub uid: u32,
    number: u32,
}

/// A group and the numbers of its members.
pub struct Team {
    /// The name.
    pub name: Name,
    /// The group id.
    pub gid: u32,
    /// Who is in it.
    pub members: Vec<Name>,
}

impl Person {
    /// An ordinary user, from 1.
    pub fn ordinary(number: u32) -> Self {
        Self { name: name(format!("u{number:07}")), uid: FIRST_ID + number, number }
    }

    /// One who is in many groups, from 1.
    pub fn multi(number: u32) -> Self {
        Self { name: name(format!("mu{number:03}")), uid: FIRST_MULTI_ID + number, number: 0 }
    }

    /// The comment.
    pub fn gecos(&self) -> String {
        format!("User Number {}", self.number)
    }

    /// The home directory.
    pub fn home(&self) -> String {
        format!("/home/{}", self.name)
    }

    /// The supplementary groups that [`Population::teams`] gives to a user who is in many.
    pub fn shared_groups(&self) -> Vec<Gid> {
        let count = if self.uid >= FIRST_MULTI_ID { SHARED_GROUPS } else { 0 };
        (0..count).map(|number| Gid(FIRST_SHARED_GROUP + number)).collect()
    }

    /// The uid as `identity` has it.
    pub fn id(&self) -> Uid {
        Uid(self.uid)
    }
}

impl Population {
    /// Everybody.
    pub fn people(self) -> impl Iterator<Item = Person> {
        (1..=self.0).map(Person::ordinary).chain((1..=MULTI_USERS).map(Person::multi))
    }

    /// All groups.
    pub fn teams(self) -> impl Iterator<Item = Team> {
        let small = (0..(self.0 / 100).max(20)).map(move |number| Team {
            name: name(format!("g{number:07}")),
            gid: FIRST_SMALL_GROUP + number,
            members: self.some(SMALL_GROUP_MEMBERS, number),
        });
        let shared = (0..SHARED_GROUPS).map(|number| Team {
            name: name(format!("m{number:02}")),
            gid: FIRST_SHARED_GROUP + number,
            members: (1..=MULTI_USERS).map(|number| Person::multi(number).name).collect(),
        });
        let large = Team {
            name: name(LARGE_GROUP.to_owned()),
            gid: LARGE_GROUP_ID,
            members: self.some(self.large_group_members(), 7),
        };
        let primary = Team { name: name("everybody".to_owned()), gid: PRIMARY_GROUP, members: Vec::new() };
        small.chain(shared).chain([large, primary])
    }

    /// How many are in the large group: there may not be enough.
    pub fn large_group_members(self) -> u32 {
        LARGE_GROUP_MEMBERS.min(self.0)
    }

    /// Some users, each once, spread over all.
    fn some(self, count: u32, first: u32) -> Vec<Name> {
        let step = (self.0 / count).max(1);
        (0..count).map(|number| Person::ordinary((first + number * step) % self.0 + 1).name).collect()
    }
}

fn name(text: String) -> Name {
    text.parse().expect("letters and digits")
}
