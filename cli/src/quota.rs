//! `podyctl quota …`: what users may use on this node.

mod differences;

use protocol::quota::{
    AppliedReply, Apply, GivenLimit, Report, Set, Show, ShownReply, Subject, UsageRecord, ValueRecord,
};

use crate::arguments::{QuotaCommand, QuotaOf, SetQuota, UnsetQuota};
use crate::daemon::Daemon;
use crate::table::{Listing, Value};
use crate::{Code, Failure, Output, Result, Session};

/// How wide a bar of use is, in characters.
const BAR: usize = 10;

/// From where on somebody is near to a limit, in thousandths.
const NEAR: u64 = 900;

/// The letters of sizes, by the powers of 1024.
const UNITS: [(u64, char); 5] =
    [(1 << 50, 'P'), (1 << 40, 'T'), (1 << 30, 'G'), (1 << 20, 'M'), (1 << 10, 'K')];

const ALL_IS_WELL: &str = "All limits are as they should be.\n";
const NOT_IN_FORCE: &str = "not all limits are in force: see above";

/// Runs a command about quotas.
pub fn run(command: QuotaCommand, session: &mut Session<'_>) -> Result<()> {
    match command {
        QuotaCommand::Set(wanted) => set(wanted, session),
        QuotaCommand::Show(of) => show(of, session),
        QuotaCommand::Unset(unwanted) => unset(unwanted, session),
        QuotaCommand::Report { filesystem, top } => report(filesystem, top, session),
        QuotaCommand::Apply { dry_run } => apply(dry_run, session),
        QuotaCommand::Check => check(session),
    }
}

fn subject(name: String, is_group: bool) -> Subject {
    match is_group {
        true => Subject { user: None, group: Some(name) },
        false => Subject { user: Some(name), group: None },
    }
}

fn set(SetQuota { name, limits, group, filesystem }: SetQuota, session: &mut Session<'_>) -> Result<()> {
    let limits = limits.into_iter().map(|(field, limit)| GivenLimit { field, limit: Some(limit) }).collect();
    change(Set { subject: subject(name, group), filesystem, limits, only: false }, session)
}

fn unset(
    UnsetQuota { name, fields, group, filesystem }: UnsetQuota,
    session: &mut Session<'_>,
) -> Result<()> {
    let only = fields.is_empty();
    let limits = fields.into_iter().map(|field| GivenLimit { field, limit: None }).collect();
    change(Set { subject: subject(name, group), filesystem, limits, only }, session)
}

fn change(change: Set, session: &mut Session<'_>) -> Result<()> {
    let shown = Daemon::connect(&session.socket)?.call(&change)?;
    print(&shown, &mut session.output)
}

fn show(QuotaOf { name, group }: QuotaOf, session: &mut Session<'_>) -> Result<()> {
    let subject = name.map(|name| subject(name, group)).unwrap_or_default();
    let shown = Daemon::connect(&session.socket)?.call(&Show { subject })?;
    print(&shown, &mut session.output)
}

fn print(shown: &ShownReply, output: &mut Output<'_>) -> Result<()> {
    if output.json {
        return output.object(shown);
    }
    if shown.values.is_empty() {
        output.text("Nothing is limited.\n")?;
    } else {
        let mut listing = Listing::new(["FIELD", "WHERE", "LIMIT", "USED", "", "BY"]);
        listing.page(output, shown.values.iter().map(value_row))?;
    }
    remark(&shown.findings, output);
    Ok(())
}

fn value_row(value: &ValueRecord) -> [Value; 6] {
    let ValueRecord { field, filesystem, limit, number, source, group, used } = value;
    let permille = used.zip(*number).and_then(|(used, number)| permille(used, number));
    let used =
        used.map(|used| if is_size(field) { size(used) } else { used.to_string() }).unwrap_or_default();
    let by = match group {
        Some(group) => format!("group {group}"),
        None => source.clone(),
    };
    let place = filesystem.clone().unwrap_or_else(|| "this node".into());
    [field.into(), place.into(), limit.into(), used.into(), bar(permille), by.into()]
}

fn report(filesystem: Option<String>, top: Option<u32>, session: &mut Session<'_>) -> Result<()> {
    let reply = Daemon::connect(&session.socket)?.call(&Report { filesystem, limit: top })?;
    let output = &mut session.output;
    if output.json {
        let mut array = output.array();
        reply.usage.iter().try_for_each(|one| array.push(one))?;
        return array.end();
    }
    if reply.usage.is_empty() && reply.findings.is_empty() {
        return output.text("Nobody has anything there, or a limit.\n");
    }
    let mut listing = Listing::new(["USER", "WHERE", "DATA", "OF", "FILES", "OF", "NEAREST"]);
    listing.page(output, reply.usage.iter().map(usage_row))?;
    if reply.more && top.is_none() {
        output.remark("There are more, who are farther from their limits.");
    }
    remark(&reply.findings, output);
    Ok(())
}

fn usage_row(usage: &UsageRecord) -> [Value; 7] {
    let UsageRecord { user, filesystem, bytes, inodes, limits, permille, .. } = usage;
    let data = if limits.hard_kib > 0 { limits.hard_kib } else { limits.soft_kib };
    let files = if limits.hard_inodes > 0 { limits.hard_inodes } else { limits.soft_inodes };
    let of = |limit: u64, shown: String| if limit > 0 { shown } else { "none".into() };
    [
        user.into(),
        filesystem.into(),
        size(*bytes).into(),
        of(data, size(data.saturating_mul(1024))).into(),
        inodes.into(),
        of(files, files.to_string()).into(),
        bar(*permille),
    ]
}

fn apply(dry_run: bool, session: &mut Session<'_>) -> Result<()> {
    let reply = apply_on_and_on(dry_run, session)?;
    let output = &mut session.output;
    if output.json {
        output.object(&reply)?;
    } else {
        differences::list(&reply, output)?;
        say_what_was_counted(&reply, output)?;
        let whose = differences::whose(&reply).replacen('t', "T", 1);
        match (reply.differed, dry_run) {
            (0, _) if reply.findings.is_empty() => output.text(ALL_IS_WELL)?,
            (0, _) => {}
            (_, false) => output.text(&format!("{whose} were put right.\n"))?,
            (_, true) => output.text(&format!("{whose} would be put right; nothing was changed.\n"))?,
        }
        remark(&reply.findings, output);
    }
    if dry_run || reply.findings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Code::Failed, NOT_IN_FORCE))
}

fn say_what_was_counted(reply: &AppliedReply, output: &mut Output<'_>) -> Result<()> {
    let AppliedReply { counted, left, .. } = reply;
    if *left > 0 {
        output
            .remark(&format!("{left} were left alone: they belong to somebody else, or have several names."));
    }
    match counted {
        0 => Ok(()),
        _ => output.text(&format!("{counted} files and directories in homes have their project id now.\n")),
    }
}

/// Homes with millions of files take more than one call, and each shows how far it got.
fn apply_on_and_on(dry_run: bool, session: &mut Session<'_>) -> Result<AppliedReply> {
    let (mut differed, mut counted, mut left) = (0, 0, 0);
    let (mut changes, mut slices) = (Vec::new(), Vec::new());
    loop {
        let reply = Daemon::connect(&session.socket)?.call(&Apply { dry_run })?;
        differed += reply.differed;
        counted += reply.counted;
        left += reply.left;
        changes.extend(reply.changes);
        slices.extend(reply.slices);
        if !reply.more || reply.counted == 0 {
            return Ok(AppliedReply { differed, counted, left, changes, slices, ..reply });
        }
        session
            .output
            .remark(&format!("{counted} files and directories in homes have their project id; going on."));
    }
}

fn check(session: &mut Session<'_>) -> Result<()> {
    let reply = Daemon::connect(&session.socket)?.call(&Apply { dry_run: true })?;
    let output = &mut session.output;
    if output.json {
        let mut array = output.array();
        reply.changes.iter().try_for_each(|one| array.push(one))?;
        reply.slices.iter().try_for_each(|one| array.push(one))?;
        array.end()?;
    } else {
        differences::list(&reply, output)?;
    }
    remark(&reply.findings, output);
    match reply.differed {
        0 if !reply.findings.is_empty() => Err(Failure::new(Code::Failed, NOT_IN_FORCE)),
        0 if output.json => Ok(()),
        0 => output.text(ALL_IS_WELL),
        _ => {
            let whose = differences::whose(&reply);
            let message =
                format!("{whose} are not what they should be: 'podyctl quota apply' puts them right");
            Err(Failure::new(Code::Failed, message))
        }
    }
}

fn remark(findings: &[String], output: &mut Output<'_>) {
    findings.iter().for_each(|finding| output.remark(finding));
}

fn permille(used: u64, limit: u64) -> Option<u64> {
    u64::try_from((u128::from(used) * 1000).checked_div(u128::from(limit))?).ok()
}

/// `[######----]  63%`; beyond a limit, it is full.
fn bar(permille: Option<u64>) -> Value {
    let Some(permille) = permille else { return "".into() };
    let full = usize::try_from(permille).map_or(BAR, |permille| (permille * BAR).div_ceil(1000).min(BAR));
    let text = format!("[{}{}] {:>3}%", "#".repeat(full), "-".repeat(BAR - full), permille / 10);
    if permille >= NEAR { Value::Striking(text) } else { Value::Plain(text) }
}

fn is_size(field: &str) -> bool {
    field.starts_with("blocks") || field.starts_with("memory")
}

/// A size for people, by the powers of 1024.
fn size(bytes: u64) -> String {
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, letter)) => format!("{:.1}{letter}", bytes as f64 / unit as f64).replace(".0", ""),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_what_is_used() {
        let text = |permille| match bar(Some(permille)) {
            Value::Plain(text) | Value::Striking(text) => text,
        };
        assert_eq!(text(0), "[----------]   0%");
        assert_eq!(text(1), "[#---------]   0%");
        assert_eq!(text(634), "[#######---]  63%");
        assert_eq!(text(1000), "[##########] 100%");
        assert_eq!(text(25_000), "[##########] 2500%");
        assert!(matches!(bar(Some(900)), Value::Striking(_)) && matches!(bar(Some(899)), Value::Plain(_)));
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [(0, "0B"), (1023, "1023B"), (1024, "1K"), (3 << 29, "1.5G"), (20 << 30, "20G")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
