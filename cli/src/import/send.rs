//! Sends records to podyd, batch by batch, and keeps the report.

use std::collections::{HashMap, HashSet};

use indicatif::ProgressBar;
use protocol::MAX_FRAME_BYTES;
use protocol::directory::{Import, ImportGroup, ImportMember, ImportUser, RefusedRecord};
use serde::Serialize;

use super::lines::Line;
use super::records::{Records, User};
use super::report::{Entry, Report};
use crate::Result;
use crate::daemon::Daemon;

/// How many records a call holds: enough that podyd's transactions cost little, and few enough that
/// logins get their turn in between.
const BATCH_RECORDS: usize = 500;

/// How large a call may get; what is above it is room for the frame itself.
const BATCH_BYTES: usize = MAX_FRAME_BYTES - 8192;

/// The line of what a batch of a dry run brings along: no file has it, and no report shows it.
const NO_LINE: u64 = 0;

/// How an import is made, and what its files are called.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Allocate fresh ids.
    pub new_ids: bool,
    /// Take names although they were deleted users' and groups'.
    pub reuse_name: bool,
    /// Change nothing.
    pub dry_run: bool,
    /// The file that users come from.
    pub user_file: String,
    /// The file that groups and memberships come from.
    pub group_file: String,
    /// The file that passwords come from.
    pub password_file: String,
}

/// Sends everything: groups, then users, then memberships, since each refers to what came before. What
/// was taken and refused before a failure stands in `report` all the same.
pub fn send(
    records: Records<'_>,
    order: &Order,
    daemon: &mut Daemon,
    progress: &ProgressBar,
    report: &mut Report,
) -> Result<()> {
    report.skipped = records.system_entries;
    report.refuse(&order.group_file, records.refused_groups);
    report.refuse(&order.password_file, records.refused_passwords);
    progress.set_length((records.groups.len() + records.user_lines + records.members.len()) as u64);
    let mut sender = Sender::new(order, daemon, progress, report);
    for group in records.groups {
        sender.push(Record::Group(group))?;
    }
    sender.flush()?;
    sender.file = &order.user_file;
    sender.push_users(records.users)?;
    sender.flush()?;
    sender.file = &order.group_file;
    for member in records.members {
        sender.push(Record::Member(member))?;
    }
    sender.flush()?;
    sender.wait()
}

enum Record {
    Group(ImportGroup),
    User(User),
    Member(ImportMember),
}

impl Record {
    fn bytes(&self) -> usize {
        match self {
            Self::Group(group) => bytes(group),
            Self::User(user) => bytes(&user.user),
            Self::Member(member) => bytes(member),
        }
    }

    fn refused(&self, reason: &str) -> RefusedRecord {
        let (line, name) = match self {
            Self::Group(group) => (group.line, &group.name),
            Self::User(user) => (user.user.line, &user.user.name),
            Self::Member(member) => (member.line, &member.user),
        };
        RefusedRecord { line, name: name.chars().take(64).collect(), reason: reason.to_owned() }
    }
}

/// A record's size in a frame, with the comma.
fn bytes(record: &impl Serialize) -> usize {
    serde_json::to_vec(record).expect("texts and numbers are always JSON").len() + 1
}

/// Names with the ids they had.
type Taken = HashMap<String, Option<u32>>;

struct Sender<'a> {
    order: &'a Order,
    daemon: &'a mut Daemon,
    progress: &'a ProgressBar,
    report: &'a mut Report,
    /// Where the records come from that are sent now.
    file: &'a str,
    batch: Import,
    batch_bytes: usize,
    /// What is to be said about users of the batch, if they are taken.
    notes: Vec<Entry>,
    /// In a dry run nothing stays: each batch brings along what earlier ones would have left behind.
    taken_groups: Taken,
    taken_users: Taken,
}

impl<'a> Sender<'a> {
    fn new(
        order: &'a Order,
        daemon: &'a mut Daemon,
        progress: &'a ProgressBar,
        report: &'a mut Report,
    ) -> Self {
        Self {
            order,
            daemon,
            progress,
            report,
            file: &order.group_file,
            batch: Import::default(),
            batch_bytes: 0,
            notes: Vec::new(),
            taken_groups: Taken::new(),
            taken_users: Taken::new(),
        }
    }

    /// Sends users. One name or uid twice is told here: podyd would know only that it is taken.
    fn push_users(&mut self, users: impl Iterator<Item = Line<User>>) -> Result<()> {
        let (mut names, mut uids) = (HashMap::new(), HashMap::new());
        for line in users {
            let user = match line {
                Line::Taken(user) => user,
                Line::Skipped => {
                    self.progress.inc(1);
                    continue;
                }
                Line::Refused(refusal) => {
                    self.refuse(refusal);
                    continue;
                }
            };
            let ImportUser { line, uid, .. } = user.user;
            let uid = uid.filter(|_| !self.order.new_ids);
            let same_name = names.insert(user.user.name.clone(), line).map(|line| (line, "name"));
            let same_uid = uid.and_then(|uid| uids.insert(uid, line)).map(|line| (line, "uid"));
            match same_name.or(same_uid) {
                Some((line, what)) => {
                    let record = Record::User(user);
                    self.refuse(record.refused(&format!("line {line} has the same {what}")));
                }
                None => self.push(Record::User(user))?,
            }
        }
        Ok(())
    }

    fn refuse(&mut self, refusal: RefusedRecord) {
        self.progress.inc(1);
        self.report.refuse(self.file, vec![refusal]);
    }

    /// Adds a record to the batch, which is sent first if it is full.
    fn push(&mut self, record: Record) -> Result<()> {
        let bytes = record.bytes();
        if bytes > BATCH_BYTES {
            self.refuse(record.refused("the record is too large for any user or group"));
            return Ok(());
        }
        // A membership of a dry run brings along its user and its group.
        let records = if self.order.dry_run { 3 } else { 1 };
        if self.batch_records() + records > BATCH_RECORDS || self.batch_bytes + bytes > BATCH_BYTES {
            self.flush()?;
        }
        if self.order.dry_run {
            self.bring_along(&record);
        }
        self.batch_bytes += bytes;
        match record {
            Record::Group(group) => self.batch.groups.push(group),
            Record::User(User { user, note }) => {
                let (line, name) = (user.line, user.name.clone());
                let note =
                    note.map(|note| Entry::new(self.file, RefusedRecord { line, name, reason: note.into() }));
                self.notes.extend(note);
                self.batch.users.push(user);
            }
            Record::Member(member) => self.batch.members.push(member),
        }
        Ok(())
    }

    fn batch_records(&self) -> usize {
        self.batch.groups.len() + self.batch.users.len() + self.batch.members.len()
    }

    fn bring_along(&mut self, record: &Record) {
        match record {
            Record::Group(_) => {}
            Record::User(user) => user.user.group.iter().for_each(|group| self.bring_group(group)),
            Record::Member(member) => {
                self.bring_group(&member.group);
                self.bring_user(&member.user);
            }
        }
    }

    fn bring_group(&mut self, name: &str) {
        let Some(&gid) = self.taken_groups.get(name) else {
            // It may be a user's private group.
            return self.bring_user(name);
        };
        if self.batch.groups.iter().all(|group| group.name != name) {
            let group = ImportGroup { line: NO_LINE, name: name.to_owned(), gid };
            self.batch_bytes += bytes(&group);
            self.batch.groups.push(group);
        }
    }

    fn bring_user(&mut self, name: &str) {
        let Some(&uid) = self.taken_users.get(name) else { return };
        if self.batch.users.iter().all(|user| user.name != name) {
            let user = ImportUser { line: NO_LINE, name: name.to_owned(), uid, ..Default::default() };
            self.batch_bytes += bytes(&user);
            self.batch.users.push(user);
        }
    }

    /// Sends the batch, if there is something in it, and takes the reply into the report.
    fn flush(&mut self) -> Result<()> {
        let notes = std::mem::take(&mut self.notes);
        let mut batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        batch.new_ids = self.order.new_ids;
        batch.reuse_name = self.order.reuse_name;
        batch.dry_run = self.order.dry_run;
        batch.more = true;
        if batch.groups.is_empty() && batch.users.is_empty() && batch.members.is_empty() {
            return Ok(());
        }
        let mut refused = self.daemon.call(&batch)?.refused;
        refused.retain(|refusal| refusal.line != NO_LINE);

        batch.groups.retain(|group| group.line != NO_LINE);
        batch.users.retain(|user| user.line != NO_LINE);
        let sent = (batch.groups.len() + batch.users.len() + batch.members.len()) as u64;
        let refused_lines: HashSet<u64> = refused.iter().map(|refusal| refusal.line).collect();
        batch.groups.retain(|group| !refused_lines.contains(&group.line));
        batch.users.retain(|user| !refused_lines.contains(&user.line));

        self.report.taken += sent.saturating_sub(refused.len() as u64);
        self.report.without_password +=
            batch.users.iter().filter(|user| user.password_hash.is_none()).count() as u64;
        self.report.notes.extend(notes.into_iter().filter(|note| !refused_lines.contains(&note.line)));
        self.report.refuse(self.file, refused);
        if self.order.dry_run {
            self.taken_groups.extend(batch.groups.into_iter().map(|group| (group.name, group.gid)));
            self.taken_users.extend(batch.users.into_iter().map(|user| (user.name, user.uid)));
        }
        self.progress.inc(sent);
        Ok(())
    }

    /// Waits until lookups show what was taken: once at the end, not for every batch.
    fn wait(&mut self) -> Result<()> {
        if !self.order.dry_run && self.report.taken > 0 {
            self.daemon.call(&Import::default())?;
        }
        Ok(())
    }
}
