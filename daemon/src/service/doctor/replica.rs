//! How old what this node shows may be, and whether it and the owner of the directory agree on the time.

use std::time::Duration;

use super::Finding;
use super::Severity::{Problem, Warning};
use crate::directory::Contact;

/// A copy that was current within this is as good as current: a source that has nothing to say is heard of every half minute.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// Seconds that two clocks may differ by: more than an answer takes on its way.
const SKEW: u64 = 10;

/// Seconds after which others refuse what this node shows: what Kerberos and most tokens allow.
const GREAT_SKEW: u64 = 5 * 60;

/// What is to be said of a copy that was last known to be current then.
pub(super) fn staleness(contact: &Contact, uptime: Duration, max_age: Duration) -> Option<Finding> {
    let age = contact.current_at.map(|at| at.elapsed());
    let known_for = age.unwrap_or(uptime);
    if known_for <= STALE_AFTER {
        return None;
    }
    let trouble = contact.trouble.as_deref().unwrap_or("it does not answer");
    let finding = match age {
        Some(age) => format!("the copy of the directory on this node is {} old: {trouble}", span(age)),
        None => format!("the directory did not answer since podyd started, {} ago: {trouble}", span(uptime)),
    };
    let (severity, then) = match known_for > max_age {
        true => (Problem, "remembered passwords are not taken any more"),
        false => (Warning, "whoever logged in here lately still can"),
    };
    Some(severity.of("replica", finding, format!("bring the directory back ({then}); see: podyctl status")))
}

/// What is to be said of a clock that is ahead of the other's by so many seconds.
pub(super) fn clock(skew: Option<i64>) -> Option<Finding> {
    let skew = skew.filter(|skew| skew.unsigned_abs() > SKEW)?;
    let severity = if skew.unsigned_abs() > GREAT_SKEW { Problem } else { Warning };
    let direction = if skew > 0 { "ahead of" } else { "behind" };
    let finding = format!(
        "this node's clock is {} {direction} that of its directory: accounts and tokens expire at another time here",
        span(Duration::from_secs(skew.unsigned_abs()))
    );
    Some(severity.of("clock", finding, "set both by NTP; see: timedatectl"))
}

/// A span of time as people say it.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
