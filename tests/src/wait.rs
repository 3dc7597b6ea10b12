//! Waits for a condition, with a deadline. The only place where a test may sleep.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Returns as soon as `condition` holds; panics with `what` was waited for when it does not within `deadline`.
#[track_caller]
pub fn until(what: &str, deadline: Duration, condition: impl FnMut() -> bool) {
    assert!(comes_true(deadline, condition), "waited {deadline:?} in vain for {what}");
}

/// Whether `condition` holds within `deadline`; returns as soon as it does.
pub fn comes_true(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= deadline {
            return false;
        }
        thread::sleep(INTERVAL);
    }
}
