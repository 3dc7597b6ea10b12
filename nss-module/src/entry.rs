//! The functions that glibc calls: `_nss_pody_*`, with the signatures of its nss/ directory.
//!
//! # Safety
//!
//! All of them are called by glibc (or by somebody who promises the same): strings end with NUL, `result`
//! points at a struct and `buffer` at `length` bytes that may be written, `errnop` at the errno to set.

use core::ffi::c_char;

use identity::{Gid, Uid};
use libc::{c_int, c_long, gid_t, group, passwd, size_t, spwd, uid_t};
use snapshot::LoadedAccounts;

use crate::answer::{Refusal, answer};
use crate::fill::{Buffer, fill_group, fill_passwd, fill_spwd};
use crate::initgroups::GidList;
use crate::local::{LocalAccounts, Sieves};
use crate::lookup::{self, name_of};
use crate::paths;
use crate::process::{Mapped, Mappings, Process};
use crate::walk::Walk;

static MAPPINGS: Mappings = Mappings::new();
static SIEVES: Sieves = Sieves::new();
const LOCAL: LocalAccounts = LocalAccounts::new(paths::PASSWD, paths::GROUP, &SIEVES);
static PROCESS: Process = Process::new(paths::SNAPSHOT, paths::ID_RANGES, LOCAL, &MAPPINGS);
static USERS: Walk<Mapped> = Walk::new();
static GROUPS: Walk<Mapped> = Walk::new();
static SHADOWS: Walk<LoadedAccounts> = Walk::new();

/// `getpwnam_r`.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_getpwnam_r(
    name: *const c_char,
    result: *mut passwd,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> c_int {
    let find = || {
        // SAFETY: the caller's promise.
        let name = unsafe { name_of(name) }?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { Buffer::new(buffer, length) };
        // SAFETY: the caller's promise.
        lookup::user_by_name(&PROCESS, name, |user| unsafe { fill_passwd(user, result, &buffer) })
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, find) }
}

/// `getpwuid_r`.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_getpwuid_r(
    uid: uid_t,
    result: *mut passwd,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> c_int {
    let find = || {
        // SAFETY: the caller's promise.
        let buffer = unsafe { Buffer::new(buffer, length) };
        // SAFETY: the caller's promise.
        lookup::user_by_uid(&PROCESS, Uid(uid), |user| unsafe { fill_passwd(user, result, &buffer) })
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, find) }
}

/// `setpwent`.
#[unsafe(no_mangle)]
pub extern "C" fn _nss_pody_setpwent(_stay_open: c_int) -> c_int {
    reset(&USERS)
}

/// `endpwent`.
#[unsafe(no_mangle)]
pub extern "C" fn _nss_pody_endpwent() -> c_int {
    reset(&USERS)
}

/// `getpwent_r`.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_getpwent_r(
    result: *mut passwd,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> c_int {
    let next = || {
        // SAFETY: the caller's promise.
        let buffer = unsafe { Buffer::new(buffer, length) };
        let count = |mapped: &Mapped| mapped.view().user_count();
        USERS.next(map_enumerable, count, |mapped, index| {
            // SAFETY: the caller's promise.
            lookup::user_at(mapped, index, |user| unsafe { fill_passwd(user, result, &buffer) })
        })
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, next) }
}

/// `getgrnam_r`.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_getgrnam_r(
    name: *const c_char,
    result: *mut group,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> c_int {
    let find = || {
        // SAFETY: the caller's promise.
        let name = unsafe { name_of(name) }?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { Buffer::new(buffer, length) };
        // SAFETY: the caller's promise.
        lookup::group_by_name(&PROCESS, name, |group| unsafe { fill_group(group, result, &buffer) })
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, find) }
}

/// `getgrgid_r`.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_getgrgid_r(
    gid: gid_t,
    result: *mut group,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> c_int {
    let find = || {
        // SAFETY: the caller's promise.
        let buffer = unsafe { Buffer::new(buffer, length) };
        // SAFETY: the caller's promise.
        lookup::group_by_gid(&PROCESS, Gid(gid), |group| unsafe { fill_group(group, result, &buffer) })
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, find) }
}

/// `setgrent`.
#[unsafe(no_mangle)]
pub extern "C" fn _nss_pody_setgrent(_stay_open: c_int) -> c_int {
    reset(&GROUPS)
}

/// `endgrent`.
#[unsafe(no_mangle)]
pub extern "C" fn _nss_pody_endgrent() -> c_int {
    reset(&GROUPS)
}

/// `getgrent_r`.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_getgrent_r(
    result: *mut group,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> c_int {
    let next = || {
        // SAFETY: the caller's promise.
        let buffer = unsafe { Buffer::new(buffer, length) };
        let count = |mapped: &Mapped| mapped.view().group_count();
        GROUPS.next(map_enumerable, count, |mapped, index| {
            // SAFETY: the caller's promise.
            lookup::group_at(mapped, index, |group| unsafe { fill_group(group, result, &buffer) })
        })
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, next) }
}

/// `initgroups_dyn`: the supplementary groups of a user of ours. A user of another service is not found
/// without any cost: whoever logs in locally passes here, too.
///
/// # Safety
///
/// See the module; `start`, `size` and `gids` point at glibc's list, whose array is of malloc(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_initgroups_dyn(
    user: *const c_char,
    skip: gid_t,
    start: *mut c_long,
    size: *mut c_long,
    gids: *mut *mut gid_t,
    limit: c_long,
    errnop: *mut c_int,
) -> c_int {
    let append = || {
        // SAFETY: the caller's promise.
        let name = unsafe { name_of(user) }?;
        // SAFETY: the caller's promise.
        let start = unsafe { &mut *start };
        // SAFETY: the caller's promise.
        let size = unsafe { &mut *size };
        // SAFETY: the caller's promise.
        let gids = unsafe { &mut *gids };
        let given = *start;
        lookup::append_groups(&PROCESS, name, Gid(skip), &mut GidList { start, size, gids, limit, given })
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, append) }
}

/// `getspnam_r`: for root, since nobody else can read the account part.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_getspnam_r(
    name: *const c_char,
    result: *mut spwd,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> c_int {
    let find = || {
        // SAFETY: the caller's promise.
        let name = unsafe { name_of(name) }?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { Buffer::new(buffer, length) };
        let accounts = LoadedAccounts::open(paths::SNAPSHOT)?;
        let account = accounts.view().account_by_name(name)?.ok_or(Refusal::NotFound)?;
        // SAFETY: the caller's promise.
        unsafe { fill_spwd(&account, result, &buffer) }
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, find) }
}

/// `setspent`.
#[unsafe(no_mangle)]
pub extern "C" fn _nss_pody_setspent(_stay_open: c_int) -> c_int {
    reset(&SHADOWS)
}

/// `endspent`.
#[unsafe(no_mangle)]
pub extern "C" fn _nss_pody_endspent() -> c_int {
    reset(&SHADOWS)
}

/// `getspent_r`.
///
/// # Safety
///
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _nss_pody_getspent_r(
    result: *mut spwd,
    buffer: *mut c_char,
    length: size_t,
    errnop: *mut c_int,
) -> c_int {
    let next = || {
        // SAFETY: the caller's promise.
        let buffer = unsafe { Buffer::new(buffer, length) };
        let open = || {
            let accounts = LoadedAccounts::open(paths::SNAPSHOT)?;
            if accounts.view().is_enumerable() { Ok(accounts) } else { Err(Refusal::NotFound) }
        };
        let count = |accounts: &LoadedAccounts| accounts.view().account_count();
        SHADOWS.next(open, count, |accounts, index| {
            let account = accounts.view().account_at(index)?.ok_or(Refusal::NotFound)?;
            if !lookup::is_served_name(account.name()) {
                return Err(Refusal::NotFound);
            }
            // SAFETY: the caller's promise.
            unsafe { fill_spwd(&account, result, &buffer) }
        })
    };
    // SAFETY: the caller's promise.
    unsafe { answer(errnop, next) }
}

/// A walk over a snapshot that may not be enumerated ends before its first entry.
fn map_enumerable() -> Result<Mapped, Refusal> {
    let mapped = PROCESS.map()?;
    if mapped.view().is_enumerable() { Ok(mapped) } else { Err(Refusal::NotFound) }
}

/// setXXent and endXXent have no errno to report by.
fn reset<M>(walk: &Walk<M>) -> c_int {
    // SAFETY: a null pointer is not written to.
    unsafe { answer(core::ptr::null_mut(), || walk.reset()) }
}
