//! Everything that podyd, or whoever has taken it over, could make grow in podyd-helper: each limit with its reason.

use std::time::Duration;

/// Connections at a time, a thread each; others wait. podyd has one for each call that is under way, and there are few of them.
pub const MAX_CONNECTIONS: usize = 16;

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

/// Homes of one user that are archived on one day.
pub const MAX_ARCHIVED_A_DAY: u32 = 100;
