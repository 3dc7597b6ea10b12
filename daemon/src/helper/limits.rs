//! Everything that podyd, or whoever has taken it over, could make grow in podyd-helper: each limit with its reason.

use std::time::Duration;

/// Connections at a time. podyd has one for each call that is under way, and there are few of them.
pub const MAX_CONNECTIONS: usize = 16;

/// How long a call may take to arrive, a reply to leave, and a connection to say nothing: podyd sends what it has and waits.
pub const CALL_ARRIVES: Duration = Duration::from_secs(10);

/// After how long without a connection a helper that systemd has started ends: root's processes that do nothing are of no use.
pub const IDLE_EXIT: Duration = Duration::from_secs(60);
