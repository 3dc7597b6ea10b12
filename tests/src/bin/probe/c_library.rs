//! The C library's lookups, without an allocation: a forked child of a program with threads may call them.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

unsafe extern "C" {
    /// Of glibc's nss.h: which services a database asks, for this process.
    fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
}

/// What came of a lookup. "No such user" and "I cannot say" are different answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Found(u32),
    /// Supplementary groups and the primary one; there is no such thing as an error (see `getgrouplist(3)`).
    Groups([u32; MAX_GROUPS], usize),
    Absent,
    Error(c_int),
}

/// As many groups as anybody has in the stories.
pub const MAX_GROUPS: usize = 16;

/// Fits on the stack of a small thread.
const BUFFER_BYTES: usize = 2048;

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(id) => write!(f, "found {id}"),
            Self::Groups(gids, count) => write!(f, "groups {:?}", &gids[..*count]),
            Self::Absent => f.write_str("absent"),
            Self::Error(errno) => write!(f, "error {errno}"),
        }
    }
}

/// Looks `key` up as what `kind` says.
pub fn ask(kind: &str, key: &CStr) -> Answer {
    let id = key.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(u32::MAX);
    match kind {
        "user" => user(key),
        "uid" => uid(id),
        "group" => group(key),
        "gid" => gid(id),
        _ => groups(key),
    }
}

pub fn user(name: &CStr) -> Answer {
    let (mut entry, mut buffer) = (MaybeUninit::<libc::passwd>::uninit(), [0_u8; BUFFER_BYTES]);
    let mut found = ptr::null_mut();
    let (room, start) = (entry.as_mut_ptr(), buffer.as_mut_ptr().cast());
    // SAFETY: getpwnam_r(3) reads the name and writes to the entry, to as many bytes of the buffer as it is
    // told, and to the pointer.
    let status = unsafe { libc::getpwnam_r(name.as_ptr(), room, start, BUFFER_BYTES, &raw mut found) };
    // SAFETY: what was found is `entry`, filled.
    answer(status, unsafe { found.as_ref() }.map(|entry| entry.pw_uid))
}

fn uid(id: u32) -> Answer {
    let (mut entry, mut buffer) = (MaybeUninit::<libc::passwd>::uninit(), [0_u8; BUFFER_BYTES]);
    let mut found = ptr::null_mut();
    let (room, start) = (entry.as_mut_ptr(), buffer.as_mut_ptr().cast());
    // SAFETY: getpwuid_r(3), as above.
    let status = unsafe { libc::getpwuid_r(id, room, start, BUFFER_BYTES, &raw mut found) };
    // SAFETY: as above.
    answer(status, unsafe { found.as_ref() }.map(|entry| entry.pw_uid))
}

fn group(name: &CStr) -> Answer {
    let (mut entry, mut buffer) = (MaybeUninit::<libc::group>::uninit(), [0_u8; BUFFER_BYTES]);
    let mut found = ptr::null_mut();
    let (room, start) = (entry.as_mut_ptr(), buffer.as_mut_ptr().cast());
    // SAFETY: getgrnam_r(3), as above.
    let status = unsafe { libc::getgrnam_r(name.as_ptr(), room, start, BUFFER_BYTES, &raw mut found) };
    // SAFETY: as above.
    answer(status, unsafe { found.as_ref() }.map(|entry| entry.gr_gid))
}

fn gid(id: u32) -> Answer {
    let (mut entry, mut buffer) = (MaybeUninit::<libc::group>::uninit(), [0_u8; BUFFER_BYTES]);
    let mut found = ptr::null_mut();
    let (room, start) = (entry.as_mut_ptr(), buffer.as_mut_ptr().cast());
    // SAFETY: getgrgid_r(3), as above.
    let status = unsafe { libc::getgrgid_r(id, room, start, BUFFER_BYTES, &raw mut found) };
    // SAFETY: as above.
    answer(status, unsafe { found.as_ref() }.map(|entry| entry.gr_gid))
}

/// What initgroups(3) would give somebody whose primary group is 12345.
fn groups(name: &CStr) -> Answer {
    let (mut gids, mut count) = ([0; MAX_GROUPS], MAX_GROUPS as c_int);
    // SAFETY: getgrouplist(3) reads the name, writes `count` gids at the most and then their number.
    unsafe { libc::getgrouplist(name.as_ptr(), 12345, gids.as_mut_ptr(), &raw mut count) };
    Answer::Groups(gids, (count as usize).min(MAX_GROUPS))
}

fn answer(status: c_int, found: Option<u32>) -> Answer {
    match (status, found) {
        (0, Some(id)) => Answer::Found(id),
        (0, None) => Answer::Absent,
        (errno, _) => Answer::Error(errno),
    }
}

/// Has what a database holds looked up in these services alone. glibc then no longer looks at nsswitch.conf each time.
pub fn configure(database: &CStr, services: &CStr) {
    // SAFETY: both are strings that glibc reads.
    unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
}

/// How often this thread gave up the processor by itself, to wait for something.
pub fn times_waited() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage(2) fills the struct.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // SAFETY: it is numbers alone, which were zero before.
    unsafe { usage.assume_init() }.ru_nvcsw
}

/// How long this thread has had the processor.
pub fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) fills the struct.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Whether the kernel told this process that it has more rights than its caller.
pub fn is_secure() -> bool {
    // SAFETY: getauxval(3) has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// A system call that nothing else here makes: strace shows it between what is counted.
pub fn mark() {
    // SAFETY: getpgid(2) takes a number alone.
    unsafe { libc::getpgid(0) };
}
