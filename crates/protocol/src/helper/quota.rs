//! The part of `org.pody.Helper` that is about disk quotas. Which filesystems have them, and what counts there, the helper knows
//! from the configuration: a call names one by where it is mounted, and `project:/home` are the quotas of projects there. Ids are
//! uids, also where projects count.

use serde::{Deserialize, Serialize};

use crate::Method;

/// How many quotas are read or set by one call: a message is 64 KiB at the most.
pub const MAX_QUOTAS: usize = 200;

/// How many homes are looked at by one call: their paths have 255 bytes at the most.
pub const MAX_HOMES: usize = 100;

/// Tells how the configured filesystems are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filesystems {}

impl Method for Filesystems {
    const NAME: &'static str = "org.pody.Helper.Quota.Filesystems";
    type Reply = FilesystemsReply;
}

/// All of them, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemsReply {
    /// The filesystems.
    #[serde(default)]
    pub filesystems: Vec<FilesystemRecord>,
}

/// A filesystem with quotas, or one that should have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemRecord {
    /// Its name: where it is mounted, with `project:` before that where projects count.
    pub path: String,
    /// `ext4`, `xfs`, …; empty: nothing is mounted there.
    #[serde(default)]
    pub type_name: String,
    /// Whether the kernel counts what people have.
    #[serde(default)]
    pub counts: bool,
    /// Whether it holds them to their limits.
    #[serde(default)]
    pub enforces: bool,
    /// Whether nothing can be written there, quotas included.
    #[serde(default)]
    pub read_only: bool,
    /// Why nothing else is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// How much somebody may have; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskLimits {
    /// Data beyond which time runs, in KiB.
    #[serde(default)]
    pub soft_kib: u64,
    /// Data beyond which nothing more is written, in KiB.
    #[serde(default)]
    pub hard_kib: u64,
    /// Files and directories beyond which time runs.
    #[serde(default)]
    pub soft_inodes: u64,
    /// Files and directories beyond which nothing more is made.
    #[serde(default)]
    pub hard_inodes: u64,
}

/// What the kernel knows of somebody on one filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaRecord {
    /// Whose.
    pub uid: u32,
    /// How much they may have.
    pub limits: DiskLimits,
    /// Data they have, in bytes.
    pub bytes: u64,
    /// Files and directories they have.
    pub inodes: u64,
    /// When the soft limit of data begins to be a hard one, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_until: Option<u64>,
    /// The same for files and directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inodes_until: Option<u64>,
}

/// Reads quotas in the order of uids: those that Pody may have given, and of which anything is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The name of the filesystem.
    pub filesystem: String,
    /// The first uid that is wanted.
    #[serde(default)]
    pub from: u32,
    /// Whether no other is.
    #[serde(default)]
    pub only: bool,
}

impl Method for Read {
    const NAME: &'static str = "org.pody.Helper.Quota.Read";
    type Reply = QuotasReply;
}

/// Some quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotasReply {
    /// The quotas.
    #[serde(default)]
    pub quotas: Vec<QuotaRecord>,
    /// Where to go on; none: these are the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

/// Sets all the limits of some users on a filesystem, and how long soft limits may be exceeded there, by the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The name of the filesystem.
    pub filesystem: String,
    /// Whose, and how much; [`MAX_QUOTAS`] at the most.
    #[serde(default)]
    pub limits: Vec<LimitsOf>,
}

/// Limits and whose they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsOf {
    /// Whose.
    pub uid: u32,
    /// How much.
    pub limits: DiskLimits,
}

impl Method for Set {
    const NAME: &'static str = "org.pody.Helper.Quota.Set";
    type Reply = SetReply;
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetReply {
    /// Those that could not be set, and why; the others are.
    #[serde(default)]
    pub failed: Vec<Failed>,
}

/// Limits that could not be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Whose.
    pub uid: u32,
    /// Why not.
    pub why: String,
}

/// Looks at homes: whether project quotas count what is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Homes {
    /// The homes; [`MAX_HOMES`] at the most.
    #[serde(default)]
    pub homes: Vec<HomeOf>,
}

/// A home and whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeOf {
    /// Whose.
    pub name: String,
    /// The owner, and the project's id.
    pub uid: u32,
    /// Where.
    pub home: String,
}

impl Method for Homes {
    const NAME: &'static str = "org.pody.Helper.Quota.Homes";
    type Reply = HomesReply;
}

/// Homes that are there and that nothing counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomesReply {
    /// The homes.
    #[serde(default)]
    pub uncounted: Vec<Uncounted>,
}

/// A home that nothing counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncounted {
    /// Whose.
    pub uid: u32,
    /// Why.
    pub why: String,
    /// Whether [`CountHome`] would help.
    #[serde(default)]
    pub can_be: bool,
}

/// Gives a home that is there, and what is in it, the owner's project id, or as much of it as there is time for in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountHome {
    /// The home.
    pub home: HomeOf,
}

impl Method for CountHome {
    const NAME: &'static str = "org.pody.Helper.Quota.CountHome";
    type Reply = CountedHome;
}

/// How far it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedHome {
    /// Whether all of it is counted; if not, the same call goes on.
    #[serde(default)]
    pub done: bool,
    /// How many files and directories got their id.
    #[serde(default)]
    pub changed: u64,
    /// How many were left alone: those of others, and files with several names.
    #[serde(default)]
    pub left: u64,
}
