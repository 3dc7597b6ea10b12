//! Waits for a condition, with a deadline. The only place where a test may sleep.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Returns as soon as `condition` holds; panics with `what` was waited for when it does not within `deadline`.
#[track_caller]
pub fn until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        thread::sleep(INTERVAL);
    }
}
