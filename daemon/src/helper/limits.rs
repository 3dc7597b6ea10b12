//! Everything that podyd, or whoever has taken it over, could make grow in podyd-helper: each limit with its reason.

use std::time::Duration;

/// Connections at a time, a thread each; others wait. podyd has at most 8 calls under way, and calls that it has given up are those
/// that hang: of these there are no more than [`MAX_ABOUT_HOMES`] and [`MAX_ABOUT_QUOTAS`].
pub const MAX_CONNECTIONS: usize = 32;

/// Calls about homes at a time, on all file servers.
pub const MAX_ABOUT_HOMES: usize = 16;

/// The same on one file server: as many as podyd makes, and half of all, so that one that is away does not hold up others.
pub const MAX_ABOUT_HOMES_ON_A_SERVER: usize = 8;

/// How many of all are for file servers that no other call is about: where several servers are away, homes on one that is there
/// are made one after the other.
pub const KEPT_FOR_OTHER_SERVERS: usize = 4;

/// Calls about quotas at a time.
pub const MAX_ABOUT_QUOTAS: usize = 8;

/// The same on one filesystem, which may be frozen.
pub const MAX_ABOUT_QUOTAS_OF_A_FILESYSTEM: usize = 4;

/// How long a call waits for others before it is said that these hang: podyd waits for 2 s for either.
pub const OTHERS_GO_FIRST_FOR: Duration = Duration::from_millis(1500);

/// How long a call may take to arrive, a reply to leave, and a connection to say nothing: podyd sends what it has and waits.
pub const CALL_ARRIVES: Duration = Duration::from_secs(10);

/// After how long without a connection a helper that systemd has started ends: root's processes that do nothing are of no use.
pub const IDLE_EXIT: Duration = Duration::from_secs(60);

/// What a new home may hold: somebody waits for it to log in. Skeletons have some ten files; those with a whole shell
/// framework in them a thousand.
pub const MAX_SKEL_ENTRIES: usize = 10_000;

/// The same in bytes.
pub const MAX_SKEL_BYTES: u64 = 64 * 1024 * 1024;

/// Directories of a skeleton inside each other: each keeps two descriptors open.
pub const MAX_SKEL_DEPTH: usize = 32;

/// How long one call deletes: a home may have millions of files, and podyd asks again.
pub const DELETE_FOR: Duration = Duration::from_secs(2);

/// How long one call gives files their project id: as with deleting, podyd asks again.
pub const COUNT_FOR: Duration = Duration::from_secs(2);

/// Directories of a home inside each other whose contents get their project id: each keeps two descriptors open.
pub const MAX_COUNTED_DEPTH: usize = 64;

/// Homes of one user that are archived on one day.
pub const MAX_ARCHIVED_A_DAY: u32 = 100;

/// How long systemd or logind may take for one answer, and for all of what is asked at a time.
pub const BUS_CALL: Duration = Duration::from_secs(2);
/// See [`BUS_CALL`]; connecting has no deadline of its own.
pub const BUS_ANSWERS: Duration = Duration::from_secs(4);

/// Questions on a bus that hangs, each of them a thread.
pub const MAX_BUS_QUESTIONS: usize = 8;

/// How long processes may take to end when they are asked to: editors save what was not saved.
pub const TERMINATED_WITHIN: Duration = Duration::from_secs(2);

/// How often it is looked whether they have.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a process that was killed may take to be gone, before whatever is there is killed again.
pub const KILLED_WITHIN: Duration = Duration::from_millis(50);

/// How often everything that is found is killed: what starts itself anew that fast wins in the end, and is told of.
pub const MAX_KILLS: usize = 100;
