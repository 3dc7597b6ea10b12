//! What a process sees: a base and, over it, the delta of everything that changed since.

use identity::{Gid, Uid};

use crate::file::{Entry, File, Position, until_nul};
use crate::layout::{MAX_NAMES_BYTES, RECORD_HEAD, Record, WORD_BYTES, round_up};
use crate::{SnapshotBytes, Unusable, UserRecord};

/// A base with at most one delta. Copying it is free.
#[derive(Clone, Copy)]
pub struct View<'a> {
    base: File<'a>,
    delta: Option<File<'a>>,
}

impl<'a> View<'a> {
    /// The view of files that are in memory already.
    pub fn of_bytes(base: &'a SnapshotBytes<'_>, delta: Option<&'a SnapshotBytes<'_>>) -> Self {
        Self::new(base.file(), delta.map(SnapshotBytes::file))
    }

    pub(crate) const fn new(base: File<'a>, delta: Option<File<'a>>) -> Self {
        Self { base, delta }
    }

    /// The newest file, whose header speaks for the whole.
    fn newest(&self) -> File<'a> {
        self.delta.unwrap_or(self.base)
    }

    /// Whether somebody who is not found does not exist.
    pub fn is_complete(&self) -> bool {
        self.newest().header.is_complete()
    }

    /// Whether the accounts may be enumerated.
    pub fn is_enumerable(&self) -> bool {
        self.newest().header.is_enumerable()
    }

    /// The directory's revision that is shown.
    pub fn revision(&self) -> u64 {
        self.newest().header.revision
    }

    /// The user of this name.
    pub fn user_by_name(&self, name: &[u8]) -> Result<Option<UserRecord<'a>>, Unusable> {
        match self.find_user(|file| file.find_name(file.header.user_names, name))? {
            Some((file, record)) => Ok(Some(file.user(record)?)),
            None => Ok(None),
        }
    }

    /// The user of this id.
    pub fn user_by_uid(&self, uid: Uid) -> Result<Option<UserRecord<'a>>, Unusable> {
        match self.find_user(|file| file.find_id(file.header.user_ids, uid.0))? {
            Some((file, record)) => Ok(Some(file.user(record)?)),
            None => Ok(None),
        }
    }

    /// The supplementary groups of the user of this name, or none if there is no such user.
    pub fn groups_of(&self, name: &[u8]) -> Result<Option<Groups<'a>>, Unusable> {
        let found = self.find_user(|file| file.find_name(file.header.user_names, name))?;
        let Some((file, record)) = found else { return Ok(None) };
        let in_base = file.header.kind == self.base.header.kind;
        let hiding = self.delta.filter(|delta| in_base && delta.header.hidden_gids > 0);
        Ok(Some(Groups { gids: file.user(record)?.groups, hiding }))
    }

    /// Which file has the user's record, and where: the record is read once, by the caller, where it stays.
    #[inline]
    fn find_user(
        &self,
        find: impl Fn(&File<'a>) -> Result<Entry<Position>, Unusable>,
    ) -> Result<Option<(&File<'a>, Position)>, Unusable> {
        if let Some(delta) = &self.delta {
            match find(delta)? {
                Entry::Found(record) => return Ok(Some((delta, record))),
                Entry::Hidden => return Ok(None),
                Entry::Absent => {}
            }
        }
        let Entry::Found(record) = find(&self.base)? else { return Ok(None) };
        Ok(if self.user_is_replaced(record)? { None } else { Some((&self.base, record)) })
    }

    /// Whether the delta knows this user of the base by another name or id.
    #[inline]
    fn user_is_replaced(&self, record: Position) -> Result<bool, Unusable> {
        self.delta.as_ref().map_or(Ok(false), |delta| self.user_is_replaced_by(delta, record))
    }

    #[inline(never)]
    fn user_is_replaced_by(&self, delta: &File<'_>, record: Position) -> Result<bool, Unusable> {
        let user = self.base.user(record)?;
        Ok(delta.find_id(delta.header.user_ids, user.uid.0)? != Entry::Absent
            || delta.find_name(delta.header.user_names, user.name())? != Entry::Absent)
    }

    /// The group of this name.
    pub fn group_by_name(&self, name: &[u8]) -> Result<Option<GroupRecord<'a>>, Unusable> {
        self.find_group(|file| file.find_name(file.header.group_names, name))
    }

    /// The group of this id.
    pub fn group_by_gid(&self, gid: Gid) -> Result<Option<GroupRecord<'a>>, Unusable> {
        self.find_group(|file| file.find_id(file.header.group_ids, gid.0))
    }

    fn find_group(
        &self,
        find: impl Fn(&File<'a>) -> Result<Entry<Position>, Unusable>,
    ) -> Result<Option<GroupRecord<'a>>, Unusable> {
        if let Some(delta) = &self.delta {
            match find(delta)? {
                Entry::Found(record) => return self.delta_group(delta, record).map(Some),
                Entry::Hidden => return Ok(None),
                Entry::Absent => {}
            }
        }
        let Entry::Found(record) = find(&self.base)? else { return Ok(None) };
        let group = whole_group(&self.base, record)?;
        Ok(if self.group_is_replaced(&group)? { None } else { Some(group) })
    }

    fn group_is_replaced(&self, group: &GroupRecord<'_>) -> Result<bool, Unusable> {
        let Some(delta) = &self.delta else { return Ok(false) };
        Ok(delta.find_id(delta.header.group_ids, group.gid.0)? != Entry::Absent
            || delta.find_name(delta.header.group_names, group.name())? != Entry::Absent)
    }

    /// A group of the delta, its members completed from the base if it is a patch.
    fn delta_group(&self, delta: &File<'a>, record: Position) -> Result<GroupRecord<'a>, Unusable> {
        if delta.word(record, 0)? == Record::Group as u32 {
            return whole_group(delta, record);
        }
        delta.expect(record, Record::GroupPatch)?;
        let parts = Parts::read(delta, record)?;
        let found = self.base.find_id(self.base.header.group_ids, parts.gid.0)?;
        let Entry::Found(patched) = found else { return Err(Unusable) };
        let base = whole_group(&self.base, patched)?;
        Ok(GroupRecord {
            gid: parts.gid,
            text: parts.text,
            members: GroupMembers { first: base.members.first, removed: parts.removed, then: parts.members },
        })
    }

    /// How far `user_at` counts.
    pub fn user_count(&self) -> u64 {
        let delta = self.delta.map_or(0, |delta| delta.header.users.count);
        self.base.header.users.count.saturating_add(delta)
    }

    /// The user at this place of the enumeration, or none if the delta hides or replaces it.
    pub fn user_at(&self, index: u64) -> Result<Option<UserRecord<'a>>, Unusable> {
        let (file, record) = match index.checked_sub(self.base.header.users.count) {
            None => {
                let record = self.base.listed(self.base.header.users, index)?;
                if self.user_is_replaced(record)? {
                    return Ok(None);
                }
                (&self.base, record)
            }
            Some(index) => {
                let delta = self.delta.as_ref().ok_or(Unusable)?;
                (delta, delta.listed(delta.header.users, index)?)
            }
        };
        file.user(record).map(Some)
    }

    /// How far `group_at` counts.
    pub fn group_count(&self) -> u64 {
        let delta = self.delta.map_or(0, |delta| delta.header.groups.count);
        self.base.header.groups.count.saturating_add(delta)
    }

    /// The group at this place of the enumeration, or none if the delta hides or replaces it.
    pub fn group_at(&self, index: u64) -> Result<Option<GroupRecord<'a>>, Unusable> {
        match index.checked_sub(self.base.header.groups.count) {
            None => {
                let group = whole_group(&self.base, self.base.listed(self.base.header.groups, index)?)?;
                Ok(if self.group_is_replaced(&group)? { None } else { Some(group) })
            }
            Some(index) => {
                let delta = self.delta.as_ref().ok_or(Unusable)?;
                self.delta_group(delta, delta.listed(delta.header.groups, index)?).map(Some)
            }
        }
    }
}

/// What follows the name in a group's text: its end, and a password that matches nothing.
const AFTER_NAME: &[u8] = b"\0*\0";

/// A user's supplementary groups, one after the other.
#[derive(Clone, Copy)]
pub struct Groups<'a> {
    gids: &'a [[u8; WORD_BYTES]],
    /// The delta, if groups of the base are gone in it: then each gid is looked for there.
    hiding: Option<File<'a>>,
}

impl<'a> Groups<'a> {
    /// All that are left, little-endian, if none of them can be gone.
    #[inline]
    pub fn whole(&self) -> Option<&'a [[u8; WORD_BYTES]]> {
        if self.hiding.is_none() { Some(self.gids) } else { None }
    }
}

impl Iterator for Groups<'_> {
    type Item = Result<Gid, Unusable>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (gid, rest) = self.gids.split_first()?;
            self.gids = rest;
            let gid = u32::from_le_bytes(*gid);
            let Some(delta) = &self.hiding else { return Some(Ok(Gid(gid))) };
            match delta.find_id(delta.header.group_ids, gid) {
                Ok(Entry::Hidden) => {}
                Ok(_) => return Some(Ok(Gid(gid))),
                Err(unusable) => return Some(Err(unusable)),
            }
        }
    }
}

/// A group, with the delta's changes.
#[derive(Clone, Copy, Debug)]
pub struct GroupRecord<'a> {
    /// The group id.
    pub gid: Gid,
    /// `name 0 * 0`, ready to be copied.
    pub text: &'a [u8],
    /// Who is in it.
    pub members: GroupMembers<'a>,
}

impl<'a> GroupRecord<'a> {
    /// The name.
    pub fn name(&self) -> &'a [u8] {
        self.text.strip_suffix(AFTER_NAME).unwrap_or(&[])
    }

    /// Where the password begins in [`text`](Self::text): after the name and its NUL.
    pub fn password(&self) -> usize {
        self.text.len().saturating_sub(AFTER_NAME.len()).saturating_add(1)
    }
}

/// The members of a group: those of the base without the removed, then those of the delta.
#[derive(Clone, Copy, Debug)]
pub struct GroupMembers<'a> {
    /// The base's; or the delta's own, if the group is whole there.
    pub first: Names<'a>,
    /// Which of these are members no more.
    pub removed: Names<'a>,
    /// Those added by the delta.
    pub then: Names<'a>,
}

impl<'a> GroupMembers<'a> {
    /// The members' names, without their NUL.
    pub fn iter(&self) -> impl Iterator<Item = Result<&'a [u8], Unusable>> + 'a {
        let removed = self.removed;
        let kept =
            self.first.iter().filter(move |name| !name.is_ok_and(|name| removed.contains_sorted(name)));
        kept.chain(self.then.iter())
    }
}

/// Names one after the other, a NUL after each, and where each begins.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Where each name begins in `text`, little-endian.
    pub offsets: &'a [[u8; WORD_BYTES]],
    /// The names; ends with a NUL unless there are none.
    pub text: &'a [u8],
}

impl<'a> Names<'a> {
    fn read(offsets: &'a [u8], text: &'a [u8]) -> Result<Self, Unusable> {
        let (offsets, _) = offsets.as_chunks();
        if text.len() > MAX_NAMES_BYTES {
            return Err(Unusable);
        }
        let ended = if offsets.is_empty() { text.is_empty() } else { text.last() == Some(&0) };
        if ended { Ok(Self { offsets, text }) } else { Err(Unusable) }
    }

    /// The names, without their NUL.
    pub fn iter(&self) -> impl Iterator<Item = Result<&'a [u8], Unusable>> + 'a {
        let text = self.text;
        self.offsets.iter().map(move |offset| name_at(text, *offset))
    }

    /// Whether `name` is among these, which are sorted.
    fn contains_sorted(&self, name: &[u8]) -> bool {
        self.offsets.binary_search_by(|offset| name_at(self.text, *offset).unwrap_or(&[]).cmp(name)).is_ok()
    }
}

fn name_at(text: &[u8], offset: [u8; WORD_BYTES]) -> Result<&[u8], Unusable> {
    text.get(u32::from_le_bytes(offset) as usize..)
        .filter(|rest| !rest.is_empty())
        .map(until_nul)
        .ok_or(Unusable)
}

/// A group's or patch's record, taken apart.
struct Parts<'a> {
    gid: Gid,
    text: &'a [u8],
    members: Names<'a>,
    removed: Names<'a>,
}

impl<'a> Parts<'a> {
    fn read(file: &File<'a>, record: Position) -> Result<Self, Unusable> {
        let number = |at: usize| file.word(record, at).map(|word| word as usize);
        let text_length = number(8)?;
        let offset_bytes = |at: usize| number(at)?.checked_mul(WORD_BYTES).ok_or(Unusable);
        let mut at = RECORD_HEAD;
        let mut next = |length: usize| {
            let slice = file.slice(record, at, length)?;
            at = at.checked_add(length).ok_or(Unusable)?;
            Ok::<_, Unusable>(slice)
        };
        let padded = next(round_up(text_length, WORD_BYTES).ok_or(Unusable)?)?;
        let text = padded.get(..text_length).filter(|text| text.ends_with(AFTER_NAME)).ok_or(Unusable)?;
        let member_offsets = next(offset_bytes(12)?)?;
        let removed_offsets = next(offset_bytes(20)?)?;
        let members = Names::read(member_offsets, next(number(16)?)?)?;
        let removed = Names::read(removed_offsets, next(number(24)?)?)?;
        Ok(Self { gid: Gid(file.word(record, 4)?), text, members, removed })
    }
}

fn whole_group<'a>(file: &File<'a>, record: Position) -> Result<GroupRecord<'a>, Unusable> {
    file.expect(record, Record::Group)?;
    let parts = Parts::read(file, record)?;
    let none = Names { offsets: &[], text: &[] };
    let members = GroupMembers { first: parts.members, removed: none, then: none };
    Ok(GroupRecord { gid: parts.gid, text: parts.text, members })
}
