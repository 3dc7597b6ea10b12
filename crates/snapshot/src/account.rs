//! The account part: who may log in. Only root can read it.

use identity::Uid;

use crate::file::{Entry, File, Position, until_nul};
use crate::layout::{CHANGED, EXPIRES, LOCKED, RECORD_HEAD, RESERVED, Record};
use crate::{SnapshotBytes, Unusable};

/// The account parts of a base and, if there is one, of the delta over it.
#[derive(Clone, Copy)]
pub struct AccountView<'a> {
    base: File<'a>,
    delta: Option<File<'a>>,
}

/// What decides whether a user may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRecord<'a> {
    /// The name and its NUL.
    pub text: &'a [u8],
    /// The user id.
    pub uid: Uid,
    /// Locked by an admin.
    pub locked: bool,
    /// Kept for somebody whose first login is under way.
    pub reserved: bool,
    /// The first day, counted from 1970-01-01, on which the account has expired.
    pub expires_at: Option<i32>,
    /// The day of the last password change, if there ever was a password.
    pub last_change: Option<i32>,
}

impl<'a> AccountView<'a> {
    /// The view of files that are in memory already.
    pub fn of_bytes(base: &'a SnapshotBytes<'_>, delta: Option<&'a SnapshotBytes<'_>>) -> Self {
        Self::new(base.file(), delta.map(SnapshotBytes::file))
    }

    pub(crate) const fn new(base: File<'a>, delta: Option<File<'a>>) -> Self {
        Self { base, delta }
    }

    /// Whether somebody who is not found does not exist.
    pub fn is_complete(&self) -> bool {
        self.delta.unwrap_or(self.base).header.is_complete()
    }

    /// Whether the accounts may be enumerated.
    pub fn is_enumerable(&self) -> bool {
        self.delta.unwrap_or(self.base).header.is_enumerable()
    }

    /// The account of this name.
    pub fn account_by_name(&self, name: &[u8]) -> Result<Option<AccountRecord<'a>>, Unusable> {
        if let Some(delta) = &self.delta {
            match delta.find_name(delta.header.user_names, name)? {
                Entry::Found(record) => return AccountRecord::read(delta, record).map(Some),
                Entry::Hidden => return Ok(None),
                Entry::Absent => {}
            }
        }
        let found = self.base.find_name(self.base.header.user_names, name)?;
        let Entry::Found(record) = found else { return Ok(None) };
        let account = AccountRecord::read(&self.base, record)?;
        Ok(if self.is_replaced(&account)? { None } else { Some(account) })
    }

    /// How far `account_at` counts.
    pub fn account_count(&self) -> u64 {
        let delta = self.delta.map_or(0, |delta| delta.header.users.count);
        self.base.header.users.count.saturating_add(delta)
    }

    /// The account at this place of the enumeration, or none if the delta hides or replaces it.
    pub fn account_at(&self, index: u64) -> Result<Option<AccountRecord<'a>>, Unusable> {
        let Some(index) = index.checked_sub(self.base.header.users.count) else {
            let account = AccountRecord::read(&self.base, self.base.listed(self.base.header.users, index)?)?;
            return Ok(if self.is_replaced(&account)? { None } else { Some(account) });
        };
        let delta = self.delta.as_ref().ok_or(Unusable)?;
        AccountRecord::read(delta, delta.listed(delta.header.users, index)?).map(Some)
    }

    fn is_replaced(&self, account: &AccountRecord<'_>) -> Result<bool, Unusable> {
        let Some(delta) = &self.delta else { return Ok(false) };
        Ok(delta.find_id(delta.header.user_ids, account.uid.0)? != Entry::Absent
            || delta.find_name(delta.header.user_names, account.name())? != Entry::Absent)
    }
}

impl<'a> AccountRecord<'a> {
    /// The name.
    pub fn name(&self) -> &'a [u8] {
        until_nul(self.text)
    }

    fn read(file: &File<'a>, record: Position) -> Result<Self, Unusable> {
        file.expect(record, Record::Account)?;
        let flags = file.word(record, 8)?;
        let day = |flag: u32, at: usize| {
            Ok(if flags & flag == 0 { None } else { Some(file.word(record, at)? as i32) })
        };
        let length = file.word(record, 24)? as usize;
        let text = file.slice(record, RECORD_HEAD, length)?;
        if text.last() != Some(&0) {
            return Err(Unusable);
        }
        Ok(Self {
            text,
            uid: Uid(file.word(record, 4)?),
            locked: flags & LOCKED != 0,
            reserved: flags & RESERVED != 0,
            expires_at: day(EXPIRES, 12)?,
            last_change: day(CHANGED, 16)?,
        })
    }
}
