//! A record into the caller's struct and buffer: nothing is written before all of it is known to fit.

use core::ffi::c_char;

use libc::{group, passwd, spwd};
use snapshot::{AccountRecord, GroupRecord, Names, UserRecord};

use crate::answer::Refusal;

/// The caller's buffer.
pub struct Buffer {
    start: *mut c_char,
    length: usize,
}

impl Buffer {
    /// # Safety
    ///
    /// `start` points at `length` bytes that may be written as long as the buffer is used.
    pub const unsafe fn new(start: *mut c_char, length: usize) -> Self {
        Self { start, length }
    }

    /// The buffer, if it holds `needed` bytes.
    fn reserve(&self, needed: Option<usize>) -> Result<Strings, Refusal> {
        match needed {
            Some(needed) if needed <= self.length => Ok(Strings { next: self.start }),
            _ => Err(Refusal::BufferTooSmall),
        }
    }
}

/// Where the next bytes go.
struct Strings {
    next: *mut c_char,
}

impl Strings {
    /// Copies `text` and says where to.
    ///
    /// # Safety
    ///
    /// The room for `text` was reserved.
    unsafe fn copy(&mut self, text: &[u8]) -> *mut c_char {
        let at = self.next;
        // SAFETY: the caller reserved the room, and the caller's buffer does not overlap a read-only map.
        unsafe { core::ptr::copy_nonoverlapping(text.as_ptr().cast(), at, text.len()) };
        self.next = at.wrapping_add(text.len());
        at
    }
}

/// Fills a `struct passwd`.
///
/// # Safety
///
/// `result` points at a struct that may be written.
pub unsafe fn fill_passwd(
    user: &UserRecord<'_>,
    result: *mut passwd,
    buffer: &Buffer,
) -> Result<(), Refusal> {
    let mut strings = buffer.reserve(Some(user.text.len()))?;
    // SAFETY: just reserved.
    let text = unsafe { strings.copy(user.text) };
    let filled = passwd {
        pw_name: text,
        pw_passwd: text.wrapping_add(user.password.into()),
        pw_uid: user.uid.0,
        pw_gid: user.gid.0,
        pw_gecos: text.wrapping_add(user.gecos.into()),
        pw_dir: text.wrapping_add(user.home.into()),
        pw_shell: text.wrapping_add(user.shell.into()),
    };
    // SAFETY: the caller's promise.
    unsafe { result.write(filled) };
    Ok(())
}

/// Fills a `struct spwd`: the password matches nothing, and what is locked or expired shows as such to
/// programs that know no other account phase (sshd without PAM looks for the `!`).
///
/// # Safety
///
/// `result` points at a struct that may be written.
pub unsafe fn fill_spwd(
    account: &AccountRecord<'_>,
    result: *mut spwd,
    buffer: &Buffer,
) -> Result<(), Refusal> {
    /// shadow(5): an expired account, whatever the clock says; day 0 is understood differently by different programs.
    const LONG_EXPIRED: i64 = 1;
    /// shadow(5): an empty field.
    const NONE: i64 = -1;
    let password: &[u8] = if account.locked { b"!*\0" } else { b"*\0" };
    let mut strings = buffer.reserve(account.text.len().checked_add(password.len()))?;
    // SAFETY: just reserved.
    let name = unsafe { strings.copy(account.text) };
    // SAFETY: reserved with the name.
    let password = unsafe { strings.copy(password) };
    let expires = account.expires_at.map_or(NONE, i64::from);
    let filled = spwd {
        sp_namp: name,
        sp_pwdp: password,
        sp_lstchg: account.last_change.map_or(NONE, i64::from),
        sp_min: NONE,
        sp_max: NONE,
        sp_warn: NONE,
        sp_inact: NONE,
        sp_expire: if account.locked { LONG_EXPIRED } else { expires },
        sp_flag: u64::MAX,
    };
    // SAFETY: the caller's promise.
    unsafe { result.write(filled) };
    Ok(())
}

/// Fills a `struct group`: the members' pointers first, at an address fit for them, then the strings.
///
/// # Safety
///
/// `result` points at a struct that may be written.
pub unsafe fn fill_group(
    group_record: &GroupRecord<'_>,
    result: *mut group,
    buffer: &Buffer,
) -> Result<(), Refusal> {
    let members = &group_record.members;
    let (count, length) = if members.removed.offsets.is_empty() {
        let count = members.first.offsets.len().checked_add(members.then.offsets.len());
        (count, members.first.text.len().checked_add(members.then.text.len()))
    } else {
        measure(group_record)?
    };
    let padding = buffer.start.align_offset(align_of::<*mut c_char>());
    let table = count.and_then(|count| count.checked_add(1)?.checked_mul(size_of::<*mut c_char>()));
    let before = table.and_then(|table| table.checked_add(padding));
    let needed = before.and_then(|before| before.checked_add(group_record.text.len())?.checked_add(length?));
    let mut strings = buffer.reserve(needed)?;
    let table = strings.next.wrapping_add(padding).cast::<*mut c_char>();
    strings.next = strings.next.wrapping_add(before.unwrap_or(0));
    // SAFETY: reserved, with all that follows.
    let text = unsafe { strings.copy(group_record.text) };
    let mut pointers = Pointers { next: table };
    if members.removed.offsets.is_empty() {
        // SAFETY: the room for both was measured by their lengths.
        unsafe { pointers.copy_all(&members.first, &mut strings) }?;
        // SAFETY: as above.
        unsafe { pointers.copy_all(&members.then, &mut strings) }?;
    } else {
        for name in members.iter() {
            let name = name?;
            // SAFETY: measured: the file does not change.
            let copied = unsafe { strings.copy(name) };
            // SAFETY: measured with a NUL for each name.
            unsafe { strings.copy(b"\0") };
            // SAFETY: measured: there are as many pointers as names.
            unsafe { pointers.push(copied) };
        }
    }
    // SAFETY: the table has one pointer more than there are members.
    unsafe { pointers.push(core::ptr::null_mut()) };
    let filled = group {
        gr_name: text,
        gr_passwd: text.wrapping_add(group_record.password()),
        gr_gid: group_record.gid.0,
        gr_mem: table,
    };
    // SAFETY: the caller's promise.
    unsafe { result.write(filled) };
    Ok(())
}

/// How many members a patched group has, and how many bytes their names and NULs take.
fn measure(group_record: &GroupRecord<'_>) -> Result<(Option<usize>, Option<usize>), Refusal> {
    let mut count: usize = 0;
    let mut length: usize = 0;
    for name in group_record.members.iter() {
        count = count.saturating_add(1);
        length = length.saturating_add(name?.len()).saturating_add(1);
    }
    Ok((Some(count), Some(length)))
}

/// Where the next pointer to a member goes.
struct Pointers {
    next: *mut *mut c_char,
}

impl Pointers {
    /// # Safety
    ///
    /// The room for one more pointer was reserved.
    unsafe fn push(&mut self, member: *mut c_char) {
        // SAFETY: the caller's promise; the table is aligned.
        unsafe { self.next.write(member) };
        self.next = self.next.wrapping_add(1);
    }

    /// Copies all names at once and points at each. This is the loop that a group of 10 000 members takes
    /// its time in: no branch in it.
    ///
    /// # Safety
    ///
    /// The room for the names and for as many pointers was reserved.
    unsafe fn copy_all(&mut self, names: &Names<'_>, strings: &mut Strings) -> Result<(), Refusal> {
        // SAFETY: the caller's promise.
        let text = unsafe { strings.copy(names.text) };
        // SAFETY: the caller's promise; the table is aligned and not initialised, so it is only written.
        let table = unsafe {
            core::slice::from_raw_parts_mut(
                self.next.cast::<core::mem::MaybeUninit<*mut c_char>>(),
                names.offsets.len(),
            )
        };
        // An offset is inside if it is not negative and its distance from the end is: two cheap operations on
        // many offsets at once, where a comparison of unsigned numbers is dear.
        let end = names.text.len() as u32;
        let (any, all) = names.offsets.iter().fold((0, u32::MAX), |(any, all), offset| {
            let offset = u32::from_le_bytes(*offset);
            (any | offset, all & offset.wrapping_sub(end))
        });
        let inside = ((all & !any) as i32) < 0;
        for (pointer, offset) in table.iter_mut().zip(names.offsets) {
            pointer.write(text.wrapping_add(u32::from_le_bytes(*offset) as usize));
        }
        self.next = self.next.wrapping_add(names.offsets.len());
        if inside { Ok(()) } else { Err(snapshot::Unusable.into()) }
    }
}
