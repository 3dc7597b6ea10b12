//! `org.pody.Quota`: what users may use on this node. It is of this node alone: no other is told of it.

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::helper::quota::DiskLimits;

/// Of whom a policy is: exactly one of the two, or, where that makes sense, neither for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// A user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Says something of a user's or a group's limits, and has it in force; for root and admins.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Whose.
    pub subject: Subject,
    /// Where, for fields that are about filesystems; may be left out where there is one.
    #[serde(default)]
    pub filesystem: Option<String>,
    /// What is said.
    #[serde(default)]
    pub limits: Vec<GivenLimit>,
    /// Whether everything else that was said of it is forgotten.
    #[serde(default)]
    pub only: bool,
}

/// A field, and what is said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenLimit {
    /// Such as `blocks_hard`.
    pub field: String,
    /// Such as `20G` or `none`; nothing: what was said is forgotten.
    #[serde(default)]
    pub limit: Option<String>,
}

impl Method for Set {
    const NAME: &'static str = "org.pody.Quota.Set";
    type Reply = ShownReply;
}

/// Shows what holds for a user, or what is said of a group or of everybody; a user may look at themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Of whom; of neither: what the configuration says of everybody.
    #[serde(default)]
    pub subject: Subject,
}

impl Method for Show {
    const NAME: &'static str = "org.pody.Quota.Show";
    type Reply = ShownReply;
}

/// Limits, each with where it comes from (`podyctl quota show --json` prints exactly this).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownReply {
    /// Of whom.
    pub subject: Subject,
    /// The limits.
    #[serde(default)]
    pub values: Vec<ValueRecord>,
    /// What is not in force, and why.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// One limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueRecord {
    /// Such as `blocks_hard`.
    pub field: String,
    /// Where, if it is about a filesystem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<String>,
    /// As it is written: `20G`, `none`.
    pub limit: String,
    /// In bytes, things or percent; nothing: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Who says so: `default`, `group` or `user`.
    pub source: String,
    /// The group, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How much of it is used now, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

/// Lists who uses how much, whoever is nearest to a limit first; for root and admins.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Only there.
    #[serde(default)]
    pub filesystem: Option<String>,
    /// How many at the most, 1 to 1 000 (default 1 000).
    #[serde(default)]
    pub limit: Option<u32>,
}

impl Method for Report {
    const NAME: &'static str = "org.pody.Quota.Report";
    type Reply = ReportReply;
}

/// Who uses how much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportReply {
    /// A user and a filesystem each.
    #[serde(default)]
    pub usage: Vec<UsageRecord>,
    /// Whether there are more, farther from their limits.
    #[serde(default)]
    pub more: bool,
    /// What is not in force, and why.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// What somebody uses of a filesystem (`podyctl quota report --json` prints exactly this).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// Who.
    pub user: String,
    /// The user id.
    pub uid: u32,
    /// Where the filesystem is mounted, with `project:` before that where projects count.
    pub filesystem: String,
    /// Data, in bytes.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
    /// What the kernel allows.
    pub limits: DiskLimits,
    /// How much of what is nearest to its limit is used, in thousandths; nothing: there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permille: Option<u64>,
}

/// Compares all limits with what they should be, and puts them right; for root and admins.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Whether nothing is changed.
    #[serde(default)]
    pub dry_run: bool,
}

impl Method for Apply {
    const NAME: &'static str = "org.pody.Quota.Apply";
    type Reply = AppliedReply;
}

/// What was not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedReply {
    /// How many limits were others than they should be.
    pub differed: u64,
    /// The first of those that are about disks.
    #[serde(default)]
    pub changes: Vec<ChangeRecord>,
    /// The first of those that are about memory, processors and tasks.
    #[serde(default)]
    pub slices: Vec<SliceChangeRecord>,
    /// How many files and directories in homes that were there before a project quota got their project id.
    #[serde(default)]
    pub counted: u64,
    /// How many in these homes were left alone: those of others, and files with several names.
    #[serde(default)]
    pub left: u64,
    /// Whether there are more: the same call goes on.
    #[serde(default)]
    pub more: bool,
    /// What is not in force, and why.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// Limits on a filesystem that were not what they should be (`podyctl quota check --json` prints exactly this).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// Whose; nothing: of somebody who was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user id.
    pub uid: u32,
    /// Where the filesystem is mounted, with `project:` before that where projects count.
    pub filesystem: String,
    /// What the kernel had.
    pub from: DiskLimits,
    /// What it should have.
    pub to: DiskLimits,
    /// Whether somebody else than podyd made it so.
    #[serde(default)]
    pub drift: bool,
}

/// Limits of a user's slice that were not what they should be (`podyctl quota check --json` prints exactly this, after the others).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceChangeRecord {
    /// Whose; nothing: of somebody who was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user id.
    pub uid: u32,
    /// systemd's name of it.
    pub slice: String,
    /// What differed.
    #[serde(default)]
    pub fields: Vec<FieldChangeRecord>,
    /// Whether somebody else than podyd made it so.
    #[serde(default)]
    pub drift: bool,
}

/// One limit of a slice, in bytes, things or percent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChangeRecord {
    /// Such as `memory_max`.
    pub field: String,
    /// What systemd had; null: no limit.
    pub from: Option<u64>,
    /// What it should have; null: none of Pody's, but what everybody has.
    pub to: Option<u64>,
}
