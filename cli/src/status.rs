//! `podyctl status`.

use protocol::node::{NodeStatus, Replica, Served, Status};

use crate::daemon::Daemon;
use crate::table::{Value, record};
use crate::{Code, Failure, Result, Session};

/// How many hidden accounts are listed for people; `--json` lists all that podyd tells of.
const SHOWN_HIDDEN: usize = 10;

/// A copy that is younger than this, in seconds, is as good as current: nodes hear of each other every half minute, and may
/// stand some in a row.
const CURRENT_WITHIN: u64 = 180;

/// Shows how the node is doing; a directory that cannot be reached is a failure to report.
pub fn run(session: &mut Session<'_>) -> Result<()> {
    let status = Daemon::connect(&session.socket)?.call(&Status {})?;
    if session.output.json {
        session.output.object(&status)?;
    } else {
        record(&mut session.output, fields(&status))?;
        for hidden in status.hidden.iter().take(SHOWN_HIDDEN) {
            session.output.remark(&format!("not served on this node: {hidden}"));
        }
        for warning in &status.warnings {
            session.output.remark(&format!("warning: {warning}"));
        }
    }
    if status.reachable {
        return Ok(());
    }
    let is = match refusal(&status) {
        Some(trouble) => format!("answers, and cannot be followed: {trouble}"),
        None => "cannot be reached".into(),
    };
    let away = format!(
        "the directory at {} {is}; users keep what they had. See: journalctl -u podyd",
        status.location
    );
    Err(Failure::new(Code::Away, away))
}

/// Why a directory that answers is not followed.
fn refusal(status: &NodeStatus) -> Option<&str> {
    status.replica.as_ref().filter(|replica| !replica.is_away)?.trouble.as_deref()
}

fn fields(status: &NodeStatus) -> Vec<(&'static str, Value)> {
    let reachable = match status.reachable {
        true => "",
        false if refusal(status).is_some() => ", answers, and cannot be followed",
        false => ", cannot be reached",
    };
    let directory = format!("{}, {}{reachable}", status.directory, status.location);
    let mut fields = vec![
        ("podyd", format!("{}, up {}", status.version, duration(status.uptime_seconds)).into()),
        ("directory", if status.reachable { directory.into() } else { Value::Striking(directory) }),
        ("revision", revision(status)),
        ("users", status.users.into()),
        ("groups", status.groups.into()),
    ];
    if let Some(replica) = &status.replica {
        fields.push(("copy on this node", copy(status, replica)));
    }
    if let (Some(median), Some(longest)) = (status.delay_milliseconds, status.longest_delay_milliseconds) {
        fields.push(("changes seen after", format!("{median} ms, {longest} ms at most").into()));
    }
    if let Some(served) = &status.service {
        fields.push(("serves other nodes", service(served).into()));
    }
    if !status.hidden.is_empty() {
        fields.push(("hidden", Value::Striking(format!("{}, see below", status.hidden.len()))));
    }
    fields
}

/// How far the replica can be trusted.
fn copy(status: &NodeStatus, replica: &Replica) -> Value {
    if let Some([users, of]) = replica.copying {
        return Value::Striking(format!("copying: {users} of {of} users"));
    }
    match replica.current_seconds_ago {
        Some(seconds) if status.reachable && seconds < CURRENT_WITHIN => "current".into(),
        Some(seconds) => Value::Striking(format!("as of {} ago", duration(seconds))),
        None if status.reachable => {
            Value::Striking("of an age that the node it comes from does not know".into())
        }
        None => Value::Striking("of an earlier run of podyd".into()),
    }
}

fn service(served: &Served) -> String {
    let spoken = if served.tls { "TLS" } else { "plain http" };
    let readonly = if served.readonly { ", read only" } else { "" };
    format!(
        "at {}, {spoken}{readonly}; {} connections, {} requests so far",
        served.address, served.connections, served.requests
    )
}

fn revision(status: &NodeStatus) -> Value {
    match status.revision.saturating_sub(status.published_revision) {
        0 => status.revision.into(),
        _ => Value::Striking(format!(
            "{}; programs here still see {}",
            status.revision, status.published_revision
        )),
    }
}

fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_people_want_them() {
        let table = [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_500, "2 h 5 min"), (200_000, "2 d 7 h")];
        for (seconds, text) in table {
            assert_eq!(duration(seconds), text);
        }
    }
}
