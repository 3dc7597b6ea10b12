//! Limits that are not what they should be, as a table for people: a line for each, in the words of `podyctl quota set`.

use std::collections::BTreeSet;

use protocol::helper::quota::DiskLimits;
use protocol::quota::{AppliedReply, ChangeRecord, FieldChangeRecord, SliceChangeRecord};

use super::UNITS;
use crate::table::{Listing, Value};
use crate::{Output, Result};

const NONE: &str = "none";

/// Writes all that there are, or nothing.
pub fn list(reply: &AppliedReply, output: &mut Output<'_>) -> Result<()> {
    if reply.changes.is_empty() && reply.slices.is_empty() {
        return Ok(());
    }
    let rows = reply.changes.iter().flat_map(of_disk).chain(reply.slices.iter().flat_map(of_slice));
    Listing::new(["USER", "WHERE", "FIELD", "IS", "SHOULD BE", "BECAUSE"]).page(output, rows)?;
    if has_more(reply) {
        output.remark("There are more, which are not listed.");
    }
    Ok(())
}

/// Whose limits they are, for a sentence: `the limits of 3 users`.
pub fn whose(reply: &AppliedReply) -> String {
    let uids = reply.changes.iter().map(|one| one.uid).chain(reply.slices.iter().map(|one| one.uid));
    let users = uids.collect::<BTreeSet<u32>>().len();
    let at_least = if has_more(reply) { "at least " } else { "" };
    format!("the limits of {at_least}{users} user{}", if users == 1 { "" } else { "s" })
}

/// podyd tells no more than a thousand of each kind.
fn has_more(reply: &AppliedReply) -> bool {
    reply.differed > (reply.changes.len() + reply.slices.len()) as u64
}

fn of_disk(change: &ChangeRecord) -> Vec<[Value; 6]> {
    let ChangeRecord { user, uid, filesystem, from, to, drift } = change;
    let pairs = fields(from).into_iter().zip(fields(to)).filter(|(from, to)| from != to);
    let row = |((field, is), (_, should)): ((&str, String), (_, String))| {
        let [who, place, field] = [who(user, *uid), filesystem.clone(), field.to_owned()];
        [who.into(), place.into(), field.into(), is.into(), should.into(), why(user, *drift)]
    };
    pairs.map(row).collect()
}

fn of_slice(change: &SliceChangeRecord) -> Vec<[Value; 6]> {
    let SliceChangeRecord { user, uid, fields, drift, .. } = change;
    let row = |FieldChangeRecord { field, from, to }: &FieldChangeRecord| {
        let should = to.map_or_else(|| "as everybody".into(), |to| shown(field, Some(to)));
        let is = shown(field, *from);
        [
            who(user, *uid).into(),
            "this node".into(),
            field.into(),
            is.into(),
            should.into(),
            why(user, *drift),
        ]
    };
    fields.iter().map(row).collect()
}

fn who(user: &Option<String>, uid: u32) -> String {
    user.clone().unwrap_or_else(|| format!("uid {uid}"))
}

fn why(user: &Option<String>, drift: bool) -> Value {
    match (user, drift) {
        (None, _) => "the user was deleted".into(),
        (Some(_), true) => Value::Striking("somebody else changed it".into()),
        (Some(_), false) => "not in force yet".into(),
    }
}

/// To the kernel, 0 is no limit.
fn fields(limits: &DiskLimits) -> [(&'static str, String); 4] {
    let limit = |field, number: u64| (field, shown(field, (number > 0).then_some(number)));
    [
        limit("blocks_soft", limits.soft_kib.saturating_mul(1024)),
        limit("blocks_hard", limits.hard_kib.saturating_mul(1024)),
        limit("inodes_soft", limits.soft_inodes),
        limit("inodes_hard", limits.hard_inodes),
    ]
}

fn shown(field: &str, limit: Option<u64>) -> String {
    match limit {
        None => NONE.into(),
        Some(bytes) if super::is_size(field) => exactly(bytes),
        Some(percent) if field == "cpu_quota" => format!("{percent}%"),
        Some(number) => number.to_string(),
    }
}

/// Two sizes that differ are not to look the same.
fn exactly(bytes: u64) -> String {
    let fitting = UNITS.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    fitting.map_or_else(|| bytes.to_string(), |(unit, letter)| format!("{}{letter}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_that_differs_has_a_line_and_says_why() {
        let gib = 1 << 20;
        let disk = |soft_kib, hard_kib| DiskLimits { soft_kib, hard_kib, ..DiskLimits::default() };
        let field = |field: &str, from, to| FieldChangeRecord { field: field.into(), from, to };
        let reply = AppliedReply {
            differed: 3,
            changes: vec![ChangeRecord {
                user: Some("ada".into()),
                filesystem: "/home".into(),
                from: disk(0, 20 * gib),
                to: disk(18 * gib, 20 * gib + 4),
                drift: true,
                ..ChangeRecord::default()
            }],
            slices: vec![SliceChangeRecord {
                uid: 1_900_000_007,
                fields: vec![field("memory_max", Some(8 << 30), None), field("cpu_quota", None, Some(150))],
                ..SliceChangeRecord::default()
            }],
            ..AppliedReply::default()
        };
        let mut text = Vec::new();
        list(&reply, &mut Output::new(Box::new(&mut text), Box::new(std::io::sink()))).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let [_, soft, hard, memory, cpu] = lines.as_slice() else { panic!("{text}") };
        assert_eq!(soft[..5], ["ada", "/home", "blocks_soft", "none", "18G"]);
        assert_eq!(hard[..5], ["ada", "/home", "blocks_hard", "20G", "20971524K"]);
        assert_eq!(
            memory.join(" "),
            "uid 1900000007 this node memory_max 8G as everybody the user was deleted"
        );
        assert_eq!(cpu.join(" "), "uid 1900000007 this node cpu_quota none 150% the user was deleted");
        assert_eq!(soft[5..].join(" "), "somebody else changed it");
        assert_eq!(whose(&reply), "the limits of at least 2 users");
        assert_eq!(whose(&AppliedReply { differed: 2, ..reply }), "the limits of 2 users");
    }
}
