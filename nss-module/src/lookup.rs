//! Which entries this module serves: the rules between glibc's question and the snapshot's record.
//!
//! The snapshot comes from podyd, and podyd is not trusted with more than ordinary accounts: no `root`, no id
//! outside the ranges of this node, no group whose name gives power, no local account's name or id.

use core::ffi::{CStr, c_char};

use identity::{Gid, Name, Uid, is_privileged_group};
use snapshot::{GroupRecord, UserRecord};

use crate::answer::Refusal;
use crate::initgroups::{Added, GidList};
use crate::process::{Mapped, Process};
use crate::{paths, resolve};

/// The one account that must work whatever happens to this module's data.
const ROOT: &[u8] = b"root";

/// Reads the name that a C caller asks for; whatever is not a name of ours is not found.
///
/// # Safety
///
/// `name` is null or points at a NUL-terminated string that lives as long as the result is used.
pub unsafe fn name_of<'a>(name: *const c_char) -> Result<&'a [u8], Refusal> {
    if name.is_null() {
        return Err(Refusal::NotFound);
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    if is_served_name(name) { Ok(name) } else { Err(Refusal::NotFound) }
}

/// Runs `take` on the user of this name.
pub fn user_by_name<T>(
    process: &Process,
    name: &[u8],
    mut take: impl FnMut(&UserRecord<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut look = || {
        let mut room = None;
        let pinned = process.pin(&mut room)?;
        let mapped = pinned.mapped();
        match mapped.view().user_by_name(name)? {
            Some(user) => take_user(mapped, &user, &mut take).map(Some),
            None if mapped.view().is_complete() => Err(Refusal::NotFound),
            None => Ok(None),
        }
    };
    match look()? {
        Some(taken) => return Ok(taken),
        None if !resolve::caller_may_ask() => return Err(Refusal::NotFound),
        None => {}
    }
    match resolve::ask(name, paths::RESOLVE, paths::SNAPSHOT)? {
        resolve::Resolved::Absent => Err(Refusal::NotFound),
        // What podyd has just published cannot be seen: that is trouble.
        resolve::Resolved::LookAgain => look()?.ok_or(Refusal::Unavailable(libc::EAGAIN)),
    }
}

/// Runs `take` on the user of this id.
pub fn user_by_uid<T>(
    process: &Process,
    uid: Uid,
    take: impl FnOnce(&UserRecord<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if uid.0 == 0 {
        return Err(Refusal::NotFound);
    }
    let mut room = None;
    let pinned = process.pin(&mut room)?;
    let mapped = pinned.mapped();
    let user = mapped.view().user_by_uid(uid)?.ok_or(Refusal::NotFound)?;
    take_named_user(mapped, &user, take)
}

/// Runs `take` on the user at this place of the enumeration.
pub fn user_at(
    mapped: &Mapped,
    index: u64,
    take: impl FnOnce(&UserRecord<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let user = mapped.view().user_at(index)?.ok_or(Refusal::NotFound)?;
    take_named_user(mapped, &user, take)
}

/// Runs `take` on a user who was not asked for by name: the record's own may be any.
fn take_named_user<T>(
    mapped: &Mapped,
    user: &UserRecord<'_>,
    take: impl FnOnce(&UserRecord<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if is_served_name(user.name()) { take_user(mapped, user, take) } else { Err(Refusal::NotFound) }
}

fn take_user<T>(
    mapped: &Mapped,
    user: &UserRecord<'_>,
    take: impl FnOnce(&UserRecord<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let (uid, gid) = (user.uid, user.gid);
    let served =
        mapped.allows_uid(uid)? && mapped.allows_gid(gid)? && !mapped.local().hold_user_name(user.name())?;
    if served { take(user) } else { Err(Refusal::NotFound) }
}

/// Whether a record's name is one that this module serves: it was not asked for by name, perhaps.
pub fn is_served_name(name: &[u8]) -> bool {
    Name::is_valid(name) && name != ROOT
}

/// Appends the supplementary groups of the user of this name, but for `skip`.
pub fn append_groups(
    process: &Process,
    name: &[u8],
    skip: Gid,
    list: &mut GidList<'_>,
) -> Result<(), Refusal> {
    let mut room = None;
    let pinned = process.pin(&mut room)?;
    let mapped = pinned.mapped();
    let gids = mapped.view().groups_of(name)?.ok_or(Refusal::NotFound)?;
    if mapped.local().hold_user_name(name)? {
        return Err(Refusal::NotFound);
    }
    if let Some(whole) = gids.whole()
        && mapped.allows_all_gids(whole)
        && list.add_all(whole, skip)? == Added::Yes
    {
        return Ok(());
    }
    for gid in gids {
        let gid = gid?;
        let wanted = gid != skip && mapped.allows_gid(gid)?;
        if wanted && list.add(gid)? == Added::Full {
            break;
        }
    }
    Ok(())
}

/// Runs `take` on the group of this name.
pub fn group_by_name<T>(
    process: &Process,
    name: &[u8],
    take: impl FnOnce(&GroupRecord<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if is_privileged_group(name) {
        return Err(Refusal::NotFound);
    }
    let mut room = None;
    let pinned = process.pin(&mut room)?;
    let mapped = pinned.mapped();
    let group = mapped.view().group_by_name(name)?.ok_or(Refusal::NotFound)?;
    take_group(mapped, &group, take)
}

/// Runs `take` on the group of this id.
pub fn group_by_gid<T>(
    process: &Process,
    gid: Gid,
    take: impl FnOnce(&GroupRecord<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if gid.0 == 0 {
        return Err(Refusal::NotFound);
    }
    let mut room = None;
    let pinned = process.pin(&mut room)?;
    let mapped = pinned.mapped();
    let group = mapped.view().group_by_gid(gid)?.ok_or(Refusal::NotFound)?;
    take_group(mapped, &group, take)
}

/// Runs `take` on the group at this place of the enumeration.
pub fn group_at(
    mapped: &Mapped,
    index: u64,
    take: impl FnOnce(&GroupRecord<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let group = mapped.view().group_at(index)?.ok_or(Refusal::NotFound)?;
    take_group(mapped, &group, take)
}

fn take_group<T>(
    mapped: &Mapped,
    group: &GroupRecord<'_>,
    take: impl FnOnce(&GroupRecord<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let name = group.name();
    let served = Name::is_valid(name)
        && !is_privileged_group(name)
        && mapped.allows_gid(group.gid)?
        && !mapped.local().hold_group_name(name)?;
    if served { take(group) } else { Err(Refusal::NotFound) }
}
