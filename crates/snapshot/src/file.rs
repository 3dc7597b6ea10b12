//! One file, read without trust: every offset is checked where it is used, every loop is bounded.

use identity::{Gid, Uid};

use crate::hash;
use crate::layout::{
    Extent, HIDDEN, Header, Kind, RECORD_HEAD, REFERENCE_UNIT, Record, SLOT_BYTES, WORD_BYTES, round_up,
    u16_at, u32_at,
};

/// The file is damaged or was made by somebody who wishes us harm: nothing in it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable;

/// What a table says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<T> {
    /// Nothing: look in the base.
    Absent,
    /// The base's entry is gone.
    Hidden,
    /// Here it is.
    Found(T),
}

/// A snapshot file whose header was checked.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) header: &'a Header,
}

/// A file's bytes with their header read, wherever they come from.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotBytes<'a> {
    bytes: &'a [u8],
    header: Header,
}

impl<'a> SnapshotBytes<'a> {
    /// Checks the header of a file of `kind`.
    pub fn read(bytes: &'a [u8], kind: Kind) -> Result<Self, Unusable> {
        Header::read(bytes, kind).map(|header| Self { bytes, header }).ok_or(Unusable)
    }

    pub(crate) fn file(&self) -> File<'_> {
        File { bytes: self.bytes, header: &self.header }
    }
}

/// Where a record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position(usize);

impl<'a> File<'a> {
    /// Looks `name` up in `table`.
    pub(crate) fn find_name(&self, table: Extent, name: &[u8]) -> Result<Entry<Position>, Unusable> {
        let hash = hash::of_name(self.header.seed, name);
        let tag = (hash >> 32) as u32;
        for slot in self.probe(table, hash)? {
            let (found, reference) = slot?;
            if found != tag {
                continue;
            }
            let record = Position::of(reference)?;
            if self.name_is(record, name) {
                let hidden = self.word(record, 0)? == Record::HiddenName as u32;
                return Ok(if hidden { Entry::Hidden } else { Entry::Found(record) });
            }
        }
        Ok(Entry::Absent)
    }

    /// Looks `id` up in `table`.
    pub(crate) fn find_id(&self, table: Extent, id: u32) -> Result<Entry<Position>, Unusable> {
        for slot in self.probe(table, hash::of_id(self.header.seed, id))? {
            let (found, reference) = slot?;
            if found == id {
                return match reference {
                    HIDDEN => Ok(Entry::Hidden),
                    reference => Ok(Entry::Found(Position::of(reference)?)),
                };
            }
        }
        Ok(Entry::Absent)
    }

    /// The record at `index` of `list`.
    pub(crate) fn listed(&self, list: Extent, index: u64) -> Result<Position, Unusable> {
        let offset = index.checked_mul(WORD_BYTES as u64).and_then(|at| at.checked_add(list.offset));
        let offset = offset.filter(|_| index < list.count).ok_or(Unusable)?;
        Position::of(u32_at(self.bytes, size(offset)?).ok_or(Unusable)?)
    }

    /// The taken slots, tag and reference, from the one where `hash` belongs up to the first empty one.
    #[inline]
    fn probe(
        &self,
        table: Extent,
        hash: u64,
    ) -> Result<impl Iterator<Item = Result<(u32, u32), Unusable>> + 'a, Unusable> {
        let count = size(table.count)?;
        let start = size(table.offset)?;
        let end = count.checked_mul(SLOT_BYTES).and_then(|bytes| bytes.checked_add(start));
        let (slots, _) =
            self.bytes.get(start..end.ok_or(Unusable)?).ok_or(Unusable)?.as_chunks::<SLOT_BYTES>();
        let mask = count.wrapping_sub(1);
        let first = hash as usize;
        Ok((0..count).map_while(move |step| {
            let Some(slot) = slots.get(first.wrapping_add(step) & mask) else { return Some(Err(Unusable)) };
            let slot = u64::from_le_bytes(*slot);
            let reference = (slot >> 32) as u32;
            (reference != 0).then_some(Ok((slot as u32, reference)))
        }))
    }

    /// The `u32` at `offset` of the record.
    #[inline]
    pub(crate) fn word(&self, record: Position, offset: usize) -> Result<u32, Unusable> {
        record.0.checked_add(offset).and_then(|at| u32_at(self.bytes, at)).ok_or(Unusable)
    }

    /// The record is of this type.
    pub(crate) fn expect(&self, record: Position, wanted: Record) -> Result<(), Unusable> {
        if self.word(record, 0)? == wanted as u32 { Ok(()) } else { Err(Unusable) }
    }

    /// The bytes from `offset` of the record, `length` of them.
    #[inline]
    pub(crate) fn slice(&self, record: Position, offset: usize, length: usize) -> Result<&'a [u8], Unusable> {
        let start = record.0.checked_add(offset).ok_or(Unusable)?;
        self.bytes.get(start..start.checked_add(length).ok_or(Unusable)?).ok_or(Unusable)
    }

    #[inline]
    fn name_is(&self, record: Position, name: &[u8]) -> bool {
        let text = record.0.checked_add(RECORD_HEAD).and_then(|at| self.bytes.get(at..)).unwrap_or(&[]);
        text.get(..name.len()) == Some(name) && text.get(name.len()) == Some(&0)
    }

    /// Reads a user. Each lookup has a copy of this: handed from one function to the next, the record would be stored
    /// field by field and loaded in larger pieces at once, for which processors wait.
    #[inline(always)]
    pub(crate) fn user(&self, record: Position) -> Result<UserRecord<'a>, Unusable> {
        self.expect(record, Record::User)?;
        let half = |at: usize| record.0.checked_add(at).and_then(|at| u16_at(self.bytes, at)).ok_or(Unusable);
        let (password, gecos, home, shell) = (half(16)?, half(18)?, half(20)?, half(22)?);
        let length = half(24)?;
        let ordered = 0 < password && password < gecos && gecos < home && home < shell && shell < length;
        let length = usize::from(length);
        let text = self.slice(record, RECORD_HEAD, length)?;
        if !ordered || text.last() != Some(&0) {
            return Err(Unusable);
        }
        let groups_at = round_up(RECORD_HEAD + length, WORD_BYTES).ok_or(Unusable)?;
        let group_bytes = (self.word(record, 12)? as usize).checked_mul(WORD_BYTES).ok_or(Unusable)?;
        Ok(UserRecord {
            uid: Uid(self.word(record, 4)?),
            gid: Gid(self.word(record, 8)?),
            text,
            password,
            gecos,
            home,
            shell,
            groups: self.slice(record, groups_at, group_bytes)?.as_chunks().0,
        })
    }
}

impl Position {
    fn of(reference: u32) -> Result<Self, Unusable> {
        (reference as usize).checked_mul(REFERENCE_UNIT).map(Self).ok_or(Unusable)
    }
}

fn size(number: u64) -> Result<usize, Unusable> {
    usize::try_from(number).map_err(|_| Unusable)
}

/// A user, as the file holds it.
#[derive(Clone, Copy, Debug)]
pub struct UserRecord<'a> {
    /// The user id.
    pub uid: Uid,
    /// The primary group.
    pub gid: Gid,
    /// `name 0 * 0 comment 0 home 0 shell 0`: what passwd(5) shows, ready to be copied.
    pub text: &'a [u8],
    /// Where the password begins in `text`; like the following, inside of it.
    pub password: u16,
    /// Where the comment begins.
    pub gecos: u16,
    /// Where the home directory begins.
    pub home: u16,
    /// Where the shell begins.
    pub shell: u16,
    pub(crate) groups: &'a [[u8; WORD_BYTES]],
}

impl<'a> UserRecord<'a> {
    /// The name.
    pub fn name(&self) -> &'a [u8] {
        self.text.get(..usize::from(self.password).saturating_sub(1)).unwrap_or(&[])
    }

    /// The field that begins at `start`, one of the offsets above.
    pub fn field(&self, start: u16) -> &'a [u8] {
        until_nul(self.text.get(usize::from(start)..).unwrap_or(&[]))
    }
}

/// `text` up to its first NUL.
pub(crate) fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or(&[])
}
