//! What became of an import: numbers, and each line that was refused or needs a remark.

use std::collections::BTreeSet;
use std::io::Write;

use protocol::directory::RefusedRecord;
use serde::Serialize;

use crate::output::plain;
use crate::{Output, Result};

/// How many lines are shown to a person; more would push the first ones off the screen.
const SHOWN_LINES: usize = 50;

/// What became of an import.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How many records were taken: users, groups and memberships.
    pub taken: u64,
    /// How many lines were left out, since they belong to the system.
    pub skipped: u64,
    /// How many of the taken users have no password.
    pub without_password: u64,
    /// What was refused.
    pub refused: Vec<Entry>,
    /// What was taken, with a remark.
    pub notes: Vec<Entry>,
}

/// A line, and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Entry {
    /// The file.
    pub file: String,
    /// The line, or the row of a database.
    pub line: u64,
    /// The user or group.
    pub name: String,
    /// Why, and what to do.
    pub reason: String,
}

impl Entry {
    /// What podyd or a parser says about a line of `file`.
    pub fn new(file: &str, RefusedRecord { line, name, reason }: RefusedRecord) -> Self {
        Self { file: file.to_owned(), line, name, reason }
    }
}

impl Report {
    /// Takes refusals of `file` into the report.
    pub fn refuse(&mut self, file: &str, refused: Vec<RefusedRecord>) {
        self.refused.extend(refused.into_iter().map(|refusal| Entry::new(file, refusal)));
    }

    /// Writes all lines, one a line.
    pub fn write_lines(&self, writer: &mut dyn Write) -> std::io::Result<()> {
        self.lines().try_for_each(|line| writeln!(writer, "{line}"))?;
        writer.flush()
    }

    /// Shows the summary, and before it the lines: all of them, unless a person is to read them.
    pub fn show(&self, all_are_in_a_file: bool, output: &mut Output<'_>) -> Result<()> {
        if output.json {
            return output.object(self);
        }
        let limit = match (all_are_in_a_file, output.err_is_terminal) {
            (true, _) => 0,
            (false, true) => SHOWN_LINES,
            (false, false) => usize::MAX,
        };
        self.lines().take(limit).for_each(|line| output.remark(&line));
        let more = (self.refused.len() + self.notes.len()).saturating_sub(limit);
        if more > 0 && !all_are_in_a_file {
            output.remark(&format!("… and {more} more; write them to a file with --report FILE"));
        }
        output.text(&format!("{}\n", self.summary()))
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let refused: BTreeSet<&Entry> = self.refused.iter().collect();
        let refused = refused.into_iter().map(|entry| (entry, "refused"));
        let notes = self.notes.iter().map(|entry| (entry, "note"));
        refused.chain(notes).map(|(Entry { file, line, name, reason }, kind)| {
            plain(&format!("{file}:{line}: {kind}: {name}: {reason}").replace('\n', " "))
        })
    }

    fn summary(&self) -> String {
        let mut summary = format!("taken {}, refused {}", self.taken, self.refused.len());
        if self.skipped > 0 {
            summary += &format!(", left out {} of the system", self.skipped);
        }
        if self.without_password > 0 {
            summary += &format!(", {} users without a password", self.without_password);
        }
        if self.dry_run {
            summary += " (dry run: nothing was changed)";
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(refused: usize) -> Report {
        let entry = |line| Entry { file: "passwd".into(), line, name: "x\x1b".into(), reason: "no".into() };
        Report { taken: 7, refused: (1..=refused as u64).map(entry).collect(), ..Report::default() }
    }

    fn show(report: &Report, in_file: bool, on_terminal: bool) -> (String, usize) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output::new(Box::new(&mut out), Box::new(&mut err)).on_terminals(false, on_terminal);
        report.show(in_file, &mut output).unwrap();
        drop(output);
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap().lines().count())
    }

    #[test]
    fn a_person_sees_fifty_lines_and_a_file_all() {
        let report = report(120);
        assert_eq!(show(&report, false, true), ("taken 7, refused 120\n".into(), SHOWN_LINES + 1));
        assert_eq!(show(&report, false, false).1, 120);
        assert_eq!(show(&report, true, true).1, 0);
    }

    #[test]
    fn a_line_of_the_report_says_where_who_and_why() {
        let mut text = Vec::new();
        report(1).write_lines(&mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "passwd:1: refused: x\u{fffd}: no\n");
    }
}
