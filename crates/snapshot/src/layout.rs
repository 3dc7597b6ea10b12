//! The format of the snapshot's files: this page is its specification, and the only place that knows.
//!
//! All numbers are little-endian; an *offset* counts bytes from the start of the file; a *reference*
//! is a `u32` that counts in units of 8 bytes, so that it reaches 32 GiB. Four kinds of file share
//! one format ([`Kind`]): a **base** holds all accounts, a **delta** everything that changed since
//! its base, and each has an **account part**, readable by root alone, which says who may log in.
//!
//! ```text
//! header   192 bytes, see Header
//! records  each begins at a multiple of 8, see below
//! tables   four hash tables: users by name and by uid, groups by name and by gid
//! lists    references of all user records and of all group records, for enumeration
//! ```
//!
//! # Tables
//!
//! A table has a power of two of *slots* (or none), half of them empty at the least; a slot is a
//! `u32` tag and a `u32` reference, 0 when the slot is empty. A key is looked for from the slot
//! `hash & (slots - 1)` onwards, wrapping round, up to the first empty slot.
//!
//! - By name: the hash is rapidhash V3 (nano) of the name with the header's seed, its upper half is
//!   the tag, and the record's name decides.
//! - By id: the hash is a multiplication (`hash::of_id`), the tag is the id itself, so that nothing more needs
//!   comparing. In a delta a reference may be [`HIDDEN`]: the base's entry with this id is gone.
//!
//! # Records
//!
//! Every record has a head of [`RECORD_HEAD`] bytes, then its name and a NUL. Bytes not named are 0.
//!
//! | offset | user | group, group patch | account | hidden name |
//! |---|---|---|---|---|
//! | 0 | `u32` [`Record::User`] | `u32` [`Record::Group`] or [`Record::GroupPatch`] | `u32` [`Record::Account`] | `u32` [`Record::HiddenName`] |
//! | 4 | `u32` uid | `u32` gid | `u32` uid | |
//! | 8 | `u32` gid | `u32` length of the text | `u32` flags: locked 1, expires 2, changed 4, reserved 8 | |
//! | 12 | `u32` number of supplementary groups | `u32` number of members | `i32` first day on which it has expired | |
//! | 16 | `u16` where the password begins in the text | `u32` length of the members' names | `i32` day of the last password change | |
//! | 18 | `u16` … the comment | | | |
//! | 20 | `u16` … the home | `u32` number of removed members | `u32` length of the access rules | |
//! | 22 | `u16` … the shell | | | |
//! | 24 | `u16` length of the text | `u32` length of their names | `u32` length of the text | |
//! | 32 | text `name 0 * 0 comment 0 home 0 shell 0` | text `name 0 * 0` | `name 0` | `name 0` |
//! | after | to a multiple of 4, then the gids, `u32` each | to a multiple of 4, then a `u32` offset into the members' names for each, then one for each removed member, then the members' names, then those of the removed, NUL after each name | the access rules, reserved | |
//!
//! The texts are what `getpwnam_r` and `getgrnam_r` put into the caller's buffer, so a reader copies
//! them whole. The password is `*` and not `x`: no program looks for a shadow entry before it
//! trusts the account. Removed members are sorted by name.
//!
//! # What a delta means
//!
//! A record of a delta replaces the base's record with the same name *or* the same id. A hidden name
//! or id has no record any more (a renamed user: the old name is hidden, the record is new). A user is
//! always whole. A [group](Record::Group) is whole too; a [patch](Record::GroupPatch) takes the members
//! of the base's group with the same gid, without the removed ones and with its own members at the end.
//! Where the delta hides gids, a user whose record is the base's has lost those groups as well.
//!
//! # Names of files, and who is current
//!
//! See [`Generation`](crate::Generation) for the names, [`GenerationPage`](crate::GenerationPage) for
//! the page, and [`CURRENT_MAGIC`] for the file `current`.

/// The first eight bytes of every snapshot file.
pub const MAGIC: [u8; 8] = *b"PODYSNAP";
/// The first eight bytes of the generation page.
pub const PAGE_MAGIC: [u8; 8] = *b"PODYPAGE";
/// The first eight bytes of `current`, whose other eight are the generation word.
pub const CURRENT_MAGIC: [u8; 8] = *b"PODYCURR";
/// The length of `current`.
pub const CURRENT_BYTES: usize = 16;
/// Changes whenever a reader of the old format would misread the new one.
pub const VERSION: u32 = 1;
/// The length of the header; the first record follows.
pub const HEADER_BYTES: usize = 192;
/// The length of a record's head: its name begins here.
pub const RECORD_HEAD: usize = 32;
/// The reference in a delta's id table that says "gone"; it points into the header, where no record is.
pub const HIDDEN: u32 = 1;
/// The unit in which references count.
pub const REFERENCE_UNIT: usize = 8;
/// The size of a slot of a table.
pub const SLOT_BYTES: usize = 8;
/// The size of an entry of a list, of a gid and of a member's offset.
pub const WORD_BYTES: usize = 4;

/// How many bytes the names of a group's members may take: offsets stay positive as `i32`, which lets a
/// reader check them without a branch.
pub const MAX_NAMES_BYTES: usize = i32::MAX as usize;

/// Header flag: whoever is not in the snapshot does not exist.
const COMPLETE: u32 = 1;
/// Header flag: `getpwent` and `getgrent` may walk it.
const ENUMERABLE: u32 = 2;

/// Account flag: the account is locked.
pub const LOCKED: u32 = 1;
/// Account flag: the day of expiry is given.
pub const EXPIRES: u32 = 2;
/// Account flag: the day of the last password change is given.
pub const CHANGED: u32 = 4;
/// Account flag: nobody has this account yet; it is kept for a first login that is under way.
pub const RESERVED: u32 = 8;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// All accounts.
    Base = 1,
    /// What changed since the base.
    Delta = 2,
    /// The account part of a base.
    BaseAccounts = 3,
    /// The account part of a delta.
    DeltaAccounts = 4,
}

impl Kind {
    /// The kind of this file's account part.
    pub const fn accounts(self) -> Self {
        match self {
            Self::Base | Self::BaseAccounts => Self::BaseAccounts,
            Self::Delta | Self::DeltaAccounts => Self::DeltaAccounts,
        }
    }
}

/// What a record is: its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Record {
    /// A user.
    User = 1,
    /// A group with all its members.
    Group = 2,
    /// What changed in a group of the base.
    GroupPatch = 3,
    /// A name of the base that is gone.
    HiddenName = 4,
    /// Who may log in.
    Account = 5,
}

/// Where a table or list lies, and how many slots or entries it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Slots of a table, entries of a list.
    pub count: u64,
}

/// The header, in the order in which its fields lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 12: what the file is.
    pub kind: u32,
    /// 16: its length in bytes, which the file's size must equal.
    pub length: u64,
    /// 24: the generation word under which it was published.
    pub generation: u64,
    /// 32: the directory's revision that it shows.
    pub revision: u64,
    /// 40: random; keeps anybody from choosing names that collide.
    pub seed: u64,
    /// 48: complete 1, enumerable 2.
    pub flags: u32,
    /// 52: how many gids of the base a delta hides.
    pub hidden_gids: u32,
    /// 56: list of users (in an account part: of accounts).
    pub users: Extent,
    /// 72: list of groups.
    pub groups: Extent,
    /// 88: table of users by name (in an account part: of accounts).
    pub user_names: Extent,
    /// 104: table of users by uid.
    pub user_ids: Extent,
    /// 120: table of groups by name.
    pub group_names: Extent,
    /// 136: table of groups by gid.
    pub group_ids: Extent,
}

/// Where the generation word lies in the header: the publisher stamps it.
pub const GENERATION_OFFSET: usize = 24;

impl Header {
    /// Whether a miss is final.
    pub const fn is_complete(&self) -> bool {
        self.flags & COMPLETE != 0
    }

    /// Whether the accounts may be enumerated.
    pub const fn is_enumerable(&self) -> bool {
        self.flags & ENUMERABLE != 0
    }

    /// The header's flags.
    pub const fn flags(complete: bool, enumerable: bool) -> u32 {
        (if complete { COMPLETE } else { 0 }) | (if enumerable { ENUMERABLE } else { 0 })
    }

    /// Reads the header of `file` and checks that it is one of `kind`, whole, and that its tables and
    /// lists lie inside of it.
    pub fn read(file: &[u8], kind: Kind) -> Option<Self> {
        let magic = file.get(..8)?;
        if magic != MAGIC || u32_at(file, 8)? != VERSION || u32_at(file, 12)? != kind as u32 {
            return None;
        }
        let header = Self {
            kind: kind as u32,
            length: u64_at(file, 16)?,
            generation: u64_at(file, GENERATION_OFFSET)?,
            revision: u64_at(file, 32)?,
            seed: u64_at(file, 40)?,
            flags: u32_at(file, 48)?,
            hidden_gids: u32_at(file, 52)?,
            users: extent_at(file, 56)?,
            groups: extent_at(file, 72)?,
            user_names: extent_at(file, 88)?,
            user_ids: extent_at(file, 104)?,
            group_names: extent_at(file, 120)?,
            group_ids: extent_at(file, 136)?,
        };
        let length = u64::try_from(file.len()).ok()?;
        let tables = [header.user_names, header.user_ids, header.group_names, header.group_ids];
        let sound = header.length == length
            && tables.iter().all(|table| table.is_table(length))
            && header.users.lies_within(length, WORD_BYTES as u64)
            && header.groups.lies_within(length, WORD_BYTES as u64);
        sound.then_some(header)
    }

    /// The header's bytes.
    #[cfg(any(test, feature = "std"))]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.kind.to_le_bytes());
        for number in [self.length, self.generation, self.revision, self.seed] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.hidden_gids.to_le_bytes());
        let extents =
            [self.users, self.groups, self.user_names, self.user_ids, self.group_names, self.group_ids];
        for extent in extents {
            bytes.extend(extent.offset.to_le_bytes());
            bytes.extend(extent.count.to_le_bytes());
        }
        bytes.resize(HEADER_BYTES, 0);
        bytes.try_into().expect("resized to the header's length")
    }
}

impl Extent {
    fn is_table(self, length: u64) -> bool {
        (self.count == 0 || self.count.is_power_of_two()) && self.lies_within(length, SLOT_BYTES as u64)
    }

    fn lies_within(self, length: u64, size: u64) -> bool {
        let end = self.count.checked_mul(size).and_then(|bytes| bytes.checked_add(self.offset));
        end.is_some_and(|end| end <= length) && usize::try_from(length).is_ok()
    }
}

/// The two bytes at `at`.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The four bytes at `at`.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The eight bytes at `at`.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn extent_at(bytes: &[u8], at: usize) -> Option<Extent> {
    Some(Extent { offset: u64_at(bytes, at)?, count: u64_at(bytes, at.checked_add(8)?)? })
}

/// `length` rounded up to a multiple of `unit`, a power of two.
#[inline]
pub(crate) const fn round_up(length: usize, unit: usize) -> Option<usize> {
    match length.checked_add(unit - 1) {
        Some(sum) => Some(sum & !(unit - 1)),
        None => None,
    }
}
