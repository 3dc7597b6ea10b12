//! How old what this node shows may be, and whether it and the owner of the directory agree on the time.

use std::time::Duration;

use super::Finding;
use super::Severity::{Problem, Warning};
use crate::directory::Contact;

/// A copy that was current within this is as good as current: a source that has nothing to say is heard of every half minute.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// The same where the source has it from another node, which may have it from another.
const STALE_IN_A_ROW_AFTER: Duration = Duration::from_secs(180);

/// Seconds that two clocks may differ by: more than an answer takes on its way.
const SKEW: u64 = 10;

/// Seconds after which others refuse what this node shows: what Kerberos and most tokens allow.
const GREAT_SKEW: u64 = 5 * 60;

/// What is to be said of a copy that was last known to be current then.
pub(super) fn staleness(contact: &Contact, uptime: Duration, max_age: Duration) -> Option<Finding> {
    let age = contact.current_at.map(|at| at.elapsed());
    let known_for = age.unwrap_or(uptime);
    let stale_after = if contact.trouble.is_some() { STALE_AFTER } else { STALE_IN_A_ROW_AFTER };
    if known_for <= stale_after {
        return None;
    }
    let finding = match (age, contact.trouble.as_deref()) {
        (Some(age), trouble) => {
            let why = trouble.unwrap_or("the node that it comes from has no newer one");
            format!("the copy of the directory on this node is {} old: {why}", span(age))
        }
        (None, Some(trouble)) => {
            format!("the directory did not answer since podyd started, {} ago: {trouble}", span(uptime))
        }
        (None, None) => "how old the copy of the directory on this node is, the node that it comes from does not know: it has \
                         not reached its own source since it started"
            .into(),
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
