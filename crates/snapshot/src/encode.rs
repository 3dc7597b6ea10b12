//! Accounts into bytes: a whole base, or a delta over one.
//!
//! The encoders hold one copy of what they were given and 16 bytes an entry for the tables. They know
//! nothing of files and generations; [`Publisher`](crate::Publisher) does.

use std::fmt;

use identity::{Day, Gid, Name, Uid};

use crate::file::File;
use crate::layout::{
    CHANGED, EXPIRES, Extent, HEADER_BYTES, HIDDEN, Header, Kind, LOCKED, MAX_NAMES_BYTES, RECORD_HEAD,
    REFERENCE_UNIT, RESERVED, Record, SLOT_BYTES, WORD_BYTES,
};
use crate::{View, hash};

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The directory's revision that it shows.
    pub revision: u64,
    /// Random: keeps anybody from choosing names that collide.
    pub seed: u64,
    /// Whoever is not in it does not exist.
    pub complete: bool,
    /// `getpwent` and `getgrent` may walk it.
    pub enumerable: bool,
}

/// A user.
#[derive(Clone, Copy, Debug)]
pub struct UserEntry<'a> {
    /// The login name.
    pub name: Name,
    /// The user id.
    pub uid: Uid,
    /// The primary group.
    pub gid: Gid,
    /// The comment.
    pub gecos: &'a str,
    /// The home directory.
    pub home: &'a str,
    /// The login shell.
    pub shell: &'a str,
    /// The supplementary groups.
    pub groups: &'a [Gid],
    /// Whether the user may log in.
    pub account: Account,
}

/// Whether a user may log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Locked by an admin.
    pub locked: bool,
    /// Kept for somebody whose first login is under way.
    pub reserved: bool,
    /// The first day on which the account has expired.
    pub expires_at: Option<Day>,
    /// When the password was last changed, if there ever was one.
    pub last_change: Option<Day>,
}

/// What changed in a group of the base, all told since the base.
#[derive(Clone, Copy, Debug)]
pub struct GroupPatch<'a> {
    /// The base's group.
    pub gid: Gid,
    /// Its name now. If it had another one in the base, that one is hidden without being told.
    pub name: Name,
    /// Who was not a member in the base and is one now.
    pub added: &'a [Name],
    /// Who was a member in the base and is one no more.
    pub removed: &'a [Name],
}

/// The bytes of a file and of its account part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// For everybody.
    pub snapshot: Vec<u8>,
    /// For root.
    pub account: Vec<u8>,
}

impl Encoded {
    /// Looks into a base before it is published; none if this is a delta.
    pub fn look<T>(&self, look: impl FnOnce(View<'_>) -> T) -> Option<T> {
        let header = Header::read(&self.snapshot, Kind::Base)?;
        Some(look(View::new(File { bytes: &self.snapshot, header: &header }, None)))
    }
}

/// Why accounts cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// Two users, or two groups, have this name.
    DuplicateName(Name),
    /// Two users have this uid, or two groups this gid.
    DuplicateId(u32),
    /// A field of this user holds a NUL, a ':' or a line break, or is longer than 16 KiB.
    BadField(Name),
    /// More than 32 GiB, or a group whose members' names take 2 GiB.
    TooLarge,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName(name) => write!(f, "two accounts are called {name}: rename one"),
            Self::DuplicateId(id) => write!(f, "two accounts have the id {id}: one must go"),
            Self::BadField(name) => {
                write!(f, "a field of {name} is too long or holds ':', NUL or a line break: correct it")
            }
            Self::TooLarge => f.write_str("the accounts do not fit into one snapshot"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// The longest comment, home or shell: three of them and a name stay below the 64 KiB of a `u16`.
const MAX_FIELD_BYTES: usize = 16 * 1024;

/// Users begin at a multiple of this, so that a lookup of an ordinary one touches two lines and not three.
const CACHE_LINE: usize = 64;

/// Encodes a base.
#[derive(Debug)]
pub struct BaseEncoder {
    files: Files,
}

impl BaseEncoder {
    /// Begins a base.
    pub fn new(info: Info) -> Self {
        Self { files: Files::new(info, Kind::Base) }
    }

    /// Adds a user.
    pub fn user(&mut self, user: &UserEntry<'_>) -> Result<(), EncodeError> {
        self.files.user(user)
    }

    /// Adds a group with all its members.
    pub fn group(
        &mut self,
        name: Name,
        gid: Gid,
        members: impl IntoIterator<Item = Name>,
    ) -> Result<(), EncodeError> {
        self.files.group(Record::Group, name, gid, members, [])
    }

    /// Builds the tables.
    pub fn finish(self) -> Result<Encoded, EncodeError> {
        self.files.finish()
    }
}

/// Encodes a delta: all that changed since the base.
///
/// A record takes the place of the base's record with the same name or id, so a renamed user needs no more
/// than [`user`](Self::user). What is gone is hidden by name *and* by id.
#[derive(Debug)]
pub struct DeltaEncoder {
    files: Files,
}

impl DeltaEncoder {
    /// Begins a delta.
    pub fn new(info: Info) -> Self {
        Self { files: Files::new(info, Kind::Delta) }
    }

    /// A user, new or changed, with all supplementary groups.
    pub fn user(&mut self, user: &UserEntry<'_>) -> Result<(), EncodeError> {
        self.files.user(user)
    }

    /// The base's user of this name and id is gone.
    pub fn hide_user(&mut self, name: Name, uid: Uid) -> Result<(), EncodeError> {
        self.files.accounts.hide(Map::Users, name, uid.0)?;
        self.files.snapshot.hide(Map::Users, name, uid.0)
    }

    /// A group, new or with so many changes that all members are given.
    pub fn group(
        &mut self,
        name: Name,
        gid: Gid,
        members: impl IntoIterator<Item = Name>,
    ) -> Result<(), EncodeError> {
        self.files.group(Record::Group, name, gid, members, [])
    }

    /// A group of the base of which a little changed.
    pub fn patch_group(&mut self, patch: &GroupPatch<'_>) -> Result<(), EncodeError> {
        let mut removed = patch.removed.to_vec();
        removed.sort_unstable();
        self.files.group(Record::GroupPatch, patch.name, patch.gid, patch.added.iter().copied(), removed)
    }

    /// The base's group of this name and id is gone, also from the users of the base who were in it.
    pub fn hide_group(&mut self, name: Name, gid: Gid) -> Result<(), EncodeError> {
        self.files.snapshot.hide(Map::Groups, name, gid.0)
    }

    /// Builds the tables.
    pub fn finish(self) -> Result<Encoded, EncodeError> {
        self.files.finish()
    }
}

/// The two files that are made together.
#[derive(Debug)]
struct Files {
    snapshot: FileEncoder,
    accounts: FileEncoder,
    member_offsets: Vec<u32>,
    member_text: Vec<u8>,
}

impl Files {
    fn new(info: Info, kind: Kind) -> Self {
        Self {
            snapshot: FileEncoder::new(info, kind),
            accounts: FileEncoder::new(info, kind.accounts()),
            member_offsets: Vec::new(),
            member_text: Vec::new(),
        }
    }

    fn user(&mut self, user: &UserEntry<'_>) -> Result<(), EncodeError> {
        let fields = [user.name.as_str(), "*", user.gecos, user.home, user.shell];
        let forbidden = |field: &str| {
            field.len() > MAX_FIELD_BYTES
                || field.bytes().any(|byte| matches!(byte, b'\0' | b':' | b'\n' | b'\r'))
        };
        if fields.into_iter().any(forbidden) {
            return Err(EncodeError::BadField(user.name));
        }
        let mut groups = user.groups.to_vec();
        groups.sort_unstable();
        groups.dedup();
        let count = u32::try_from(groups.len()).map_err(|_| EncodeError::TooLarge)?;
        let file = &mut self.snapshot;
        file.pad(CACHE_LINE);
        file.begin(Map::Users, Record::User, user.name, user.uid.0)?;
        file.words(&[user.gid.0, count]);
        let mut end: u16 = 0;
        for (index, field) in fields.iter().enumerate() {
            end += field.len() as u16 + 1;
            let offset = 16 + 2 * index;
            file.head()[offset..offset + 2].copy_from_slice(&end.to_le_bytes());
        }
        for field in fields {
            file.text(field);
        }
        file.pad(WORD_BYTES);
        for gid in groups {
            file.bytes.extend(gid.0.to_le_bytes());
        }
        self.account(user)
    }

    fn account(&mut self, user: &UserEntry<'_>) -> Result<(), EncodeError> {
        let Account { locked, reserved, expires_at, last_change } = user.account;
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = flag(locked, LOCKED)
            | flag(reserved, RESERVED)
            | flag(expires_at.is_some(), EXPIRES)
            | flag(last_change.is_some(), CHANGED);
        let day = |day: Option<Day>| day.map_or(0, |day| day.0 as u32);
        self.accounts.begin(Map::Users, Record::Account, user.name, user.uid.0)?;
        let length = user.name.as_bytes().len() as u32 + 1;
        self.accounts.words(&[flags, day(expires_at), day(last_change), 0, length]);
        self.accounts.text(user.name.as_str());
        Ok(())
    }

    fn group(
        &mut self,
        record: Record,
        name: Name,
        gid: Gid,
        members: impl IntoIterator<Item = Name>,
        removed: impl IntoIterator<Item = Name>,
    ) -> Result<(), EncodeError> {
        self.member_offsets.clear();
        self.member_text.clear();
        let [count, length] = self.names(members)?;
        let [all, both] = self.names(removed)?;
        let text_length = name.as_bytes().len() as u32 + 3;
        let file = &mut self.snapshot;
        file.begin(Map::Groups, record, name, gid.0)?;
        file.words(&[text_length, count, length, all - count, both - length]);
        file.text(name.as_str());
        file.text("*");
        file.pad(WORD_BYTES);
        for offset in &self.member_offsets {
            file.bytes.extend(offset.to_le_bytes());
        }
        file.bytes.extend(&self.member_text);
        Ok(())
    }

    /// Appends names, and says how many names and how many bytes there are now.
    fn names(&mut self, names: impl IntoIterator<Item = Name>) -> Result<[u32; 2], EncodeError> {
        let start = self.member_text.len();
        for name in names {
            let offset = u32::try_from(self.member_text.len() - start).map_err(|_| EncodeError::TooLarge)?;
            self.member_offsets.push(offset);
            self.member_text.extend(name.as_bytes());
            self.member_text.push(0);
        }
        let number = |length: usize| match u32::try_from(length) {
            Ok(number) if length <= MAX_NAMES_BYTES => Ok(number),
            _ => Err(EncodeError::TooLarge),
        };
        Ok([number(self.member_offsets.len())?, number(self.member_text.len())?])
    }

    fn finish(self) -> Result<Encoded, EncodeError> {
        Ok(Encoded { snapshot: self.snapshot.finish()?, account: self.accounts.finish()? })
    }
}

/// Which pair of tables.
#[derive(Clone, Copy, Debug)]
enum Map {
    Users,
    Groups,
}

/// One file in the making.
#[derive(Debug)]
struct FileEncoder {
    info: Info,
    kind: Kind,
    bytes: Vec<u8>,
    /// Where the record that is being written begins.
    record: usize,
    users: Index,
    groups: Index,
}

/// What will become a list and two tables.
#[derive(Debug, Default)]
struct Index {
    records: Vec<u32>,
    names: Vec<Key>,
    ids: Vec<Key>,
    hidden_names: Vec<Key>,
    hidden_ids: Vec<Key>,
}

/// What will become a slot: for a name, `id` is not used.
#[derive(Clone, Copy, Debug)]
struct Key {
    hash: u64,
    tag: u32,
    reference: u32,
}

impl FileEncoder {
    fn new(info: Info, kind: Kind) -> Self {
        let bytes = vec![0; HEADER_BYTES];
        Self { info, kind, bytes, record: 0, users: Index::default(), groups: Index::default() }
    }

    fn index(&mut self, map: Map) -> &mut Index {
        match map {
            Map::Users => &mut self.users,
            Map::Groups => &mut self.groups,
        }
    }

    /// Begins a record with its type and id.
    fn begin(&mut self, map: Map, record: Record, name: Name, id: u32) -> Result<(), EncodeError> {
        let reference = self.head_of(record)?;
        self.words_at(4, &[id]);
        let (name, id) = (self.name_key(name, reference), self.id_key(id, reference));
        let index = self.index(map);
        index.records.push(reference);
        index.names.push(name);
        index.ids.push(id);
        Ok(())
    }

    /// Appends the head of a record and returns the reference to it.
    fn head_of(&mut self, record: Record) -> Result<u32, EncodeError> {
        self.pad(REFERENCE_UNIT);
        self.record = self.bytes.len();
        self.bytes.resize(self.record + RECORD_HEAD, 0);
        self.words_at(0, &[record as u32]);
        u32::try_from(self.record / REFERENCE_UNIT).map_err(|_| EncodeError::TooLarge)
    }

    fn name_key(&self, name: Name, reference: u32) -> Key {
        let hash = hash::of_name(self.info.seed, name.as_bytes());
        Key { hash, tag: (hash >> 32) as u32, reference }
    }

    fn id_key(&self, id: u32, reference: u32) -> Key {
        Key { hash: hash::of_id(self.info.seed, id), tag: id, reference }
    }

    fn hide(&mut self, map: Map, name: Name, id: u32) -> Result<(), EncodeError> {
        let reference = self.head_of(Record::HiddenName)?;
        self.text(name.as_str());
        let (name, id) = (self.name_key(name, reference), self.id_key(id, HIDDEN));
        let index = self.index(map);
        index.hidden_names.push(name);
        index.hidden_ids.push(id);
        Ok(())
    }

    fn head(&mut self) -> &mut [u8] {
        &mut self.bytes[self.record..self.record + RECORD_HEAD]
    }

    /// The record's numbers from offset 8.
    fn words(&mut self, words: &[u32]) {
        self.words_at(8, words);
    }

    fn words_at(&mut self, offset: usize, words: &[u32]) {
        for (place, word) in self.head()[offset..].chunks_exact_mut(WORD_BYTES).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    fn pad(&mut self, unit: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(unit), 0);
    }

    fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        let (users, groups) = (std::mem::take(&mut self.users), std::mem::take(&mut self.groups));
        let hidden_gids = groups.hidden_ids.len() as u32;
        let header = Header {
            kind: self.kind as u32,
            generation: 0,
            revision: self.info.revision,
            seed: self.info.seed,
            flags: Header::flags(self.info.complete, self.info.enumerable),
            hidden_gids,
            users: self.list(&users.records),
            groups: self.list(&groups.records),
            user_names: self.table(&users.names, &users.hidden_names, Self::same_name)?,
            user_ids: self.table(&users.ids, &users.hidden_ids, Self::same_id)?,
            group_names: self.table(&groups.names, &groups.hidden_names, Self::same_name)?,
            group_ids: self.table(&groups.ids, &groups.hidden_ids, Self::same_id)?,
            length: self.bytes.len() as u64,
        };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        Ok(self.bytes)
    }

    fn list(&mut self, references: &[u32]) -> Extent {
        self.pad(REFERENCE_UNIT);
        let extent = Extent { offset: self.bytes.len() as u64, count: references.len() as u64 };
        self.bytes.extend(references.iter().flat_map(|reference| reference.to_le_bytes()));
        extent
    }

    /// Writes a table of `shown`, and of those `hidden` keys that are not shown again.
    fn table(
        &mut self,
        shown: &[Key],
        hidden: &[Key],
        same: fn(&Self, Key, Key) -> Option<EncodeError>,
    ) -> Result<Extent, EncodeError> {
        self.pad(REFERENCE_UNIT);
        let entries = shown.len() + hidden.len();
        let count = if entries == 0 { 0 } else { (2 * entries).next_power_of_two() };
        let extent = Extent { offset: self.bytes.len() as u64, count: count as u64 };
        let mut slots = vec![(0, 0); count];
        for (number, key) in shown.iter().chain(hidden).enumerate() {
            let mut at = key.hash as usize & (count - 1);
            let taken = loop {
                let (tag, reference) = slots[at];
                if reference == 0 {
                    slots[at] = (key.tag, key.reference);
                    break None;
                }
                let there = Key { hash: key.hash, tag, reference };
                if let Some(error) = (tag == key.tag).then(|| same(self, there, *key)).flatten() {
                    break Some(error);
                }
                at = (at + 1) & (count - 1);
            };
            if let Some(error) = taken.filter(|_| number < shown.len()) {
                return Err(error);
            }
        }
        self.bytes.reserve_exact(count * SLOT_BYTES);
        for (tag, reference) in slots {
            self.bytes.extend(tag.to_le_bytes());
            self.bytes.extend(reference.to_le_bytes());
        }
        Ok(extent)
    }

    fn same_name(&self, one: Key, other: Key) -> Option<EncodeError> {
        let name = |key: Key| {
            let start = key.reference as usize * REFERENCE_UNIT + RECORD_HEAD;
            crate::file::until_nul(&self.bytes[start..])
        };
        let duplicate = name(one) == name(other);
        duplicate.then(|| Name::new(name(one)).ok().map(EncodeError::DuplicateName)).flatten()
    }

    fn same_id(&self, one: Key, _: Key) -> Option<EncodeError> {
        Some(EncodeError::DuplicateId(one.tag))
    }
}
