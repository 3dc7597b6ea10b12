//! `org.pody.Helper`: what podyd asks of podyd-helper, the one part of Pody that is root, on a socket that nobody else may
//! use. The helper believes nothing of it: each call is checked again on its side.

pub mod quota;

use serde::{Deserialize, Serialize};

use crate::Method;

/// Where podyd-helper listens (mode 0600, podyd's user; SO_PEERCRED decides).
pub const SOCKET: &str = "/run/pody-helper/socket";

/// The largest message either side takes, without its NUL: a page of quotas is some 30 KiB, everything else far less.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

/// How an answer ([`crate::Error::Busy`]) begins that is about an earlier call about the home of this very user, and not about those of
/// others.
pub fn still_at_home_of(uid: u32) -> String {
    format!("what was asked of podyd-helper about the home of uid {uid} is not done yet")
}

/// Makes a user's home out of the skeleton, unless there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeHome {
    /// Whose.
    pub name: String,
    /// The owner.
    pub uid: u32,
    /// The owner's primary group.
    pub gid: u32,
    /// Where.
    pub home: String,
}

impl Method for MakeHome {
    const NAME: &'static str = "org.pody.Helper.Home.Make";
    type Reply = MadeHome;
}

/// A user's home is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeHome {
    /// Whether it was made just now.
    #[serde(default)]
    pub made: bool,
}

/// Moves the home of somebody who was deleted to where only root looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveHome {
    /// Whose it was.
    pub name: String,
    /// The owner: a directory of anybody else is left alone.
    pub uid: u32,
    /// Where it is.
    pub home: String,
}

impl Method for ArchiveHome {
    const NAME: &'static str = "org.pody.Helper.Home.Archive";
    type Reply = ArchivedHome;
}

/// A home is where nobody but root looks, or was not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedHome {
    /// Where it is now; none: there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Deletes the home of somebody who was deleted, or as much of it as there is time for in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveHome {
    /// Whose it was.
    pub name: String,
    /// The owner: a directory of anybody else is left alone.
    pub uid: u32,
    /// Where it is.
    pub home: String,
}

impl Method for RemoveHome {
    const NAME: &'static str = "org.pody.Helper.Home.Remove";
    type Reply = RemovedHome;
}

/// A home is out of the way, and gone or going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedHome {
    /// Whether all of it is gone; if not, the same call goes on.
    #[serde(default)]
    pub done: bool,
}

/// Asks whether the helper is there and has what it goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {}

impl Method for Hello {
    const NAME: &'static str = "org.pody.Helper.Hello";
    type Reply = Welcome;
}

/// It has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The helper's version.
    #[serde(default)]
    pub version: String,
}

/// Ends a user's sessions and whatever else of theirs runs, or one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndSessions {
    /// Whose.
    pub uid: u32,
    /// The session that this process has opened; all of the user's when absent.
    #[serde(default)]
    pub leader: Option<Leader>,
}

/// The process that has opened a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leader {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks since the boot: the id alone may be another's by now.
    pub started: u64,
}

impl Method for EndSessions {
    const NAME: &'static str = "org.pody.Helper.Sessions.End";
    type Reply = EndedSessions;
}

/// Nothing of it runs any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSessions {
    /// How many processes of the user there were.
    pub processes: u32,
}

/// How many slices one call sets: systemd takes some milliseconds for each, and on a machine that is far too busy a second for
/// all of them.
pub const MAX_SET_SLICES: usize = 8;

/// Limits what all processes of each of some users may use together: systemd's `user-UID.slice`, now and after every boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSlices {
    /// Whose, and how much; [`MAX_SET_SLICES`] at the most.
    #[serde(default)]
    pub slices: Vec<SliceOf>,
}

/// Limits and whose they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceOf {
    /// Whose.
    pub uid: u32,
    /// How much.
    pub limits: SliceLimits,
}

impl Method for SetSlices {
    const NAME: &'static str = "org.pody.Helper.Slice.Set";
    type Reply = SlicesAreSet;
}

/// See systemd.resource-control(5). What is absent is as without Pody: a limit that was set so before is taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceLimits {
    /// `MemoryMax=`, in bytes: beyond it, processes are killed.
    #[serde(default)]
    pub memory_max: Option<u64>,
    /// `MemoryHigh=`, in bytes: beyond it, processes are slowed down.
    #[serde(default)]
    pub memory_high: Option<u64>,
    /// `CPUQuota=`, in percent of one CPU.
    #[serde(default)]
    pub cpu_quota: Option<u32>,
    /// `TasksMax=`: processes and threads.
    #[serde(default)]
    pub tasks_max: Option<u64>,
    /// `IOWeight=`, 1 to 10 000; 100 is everybody's.
    #[serde(default)]
    pub io_weight: Option<u16>,
}

impl SliceLimits {
    /// Each, by its name here.
    pub fn fields(&self) -> [(&'static str, Option<u64>); 5] {
        [
            ("memory_max", self.memory_max),
            ("memory_high", self.memory_high),
            ("cpu_quota", self.cpu_quota.map(u64::from)),
            ("tasks_max", self.tasks_max),
            ("io_weight", self.io_weight.map(u64::from)),
        ]
    }
}

/// The limits are as they should be, but for those that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlicesAreSet {
    /// Whose were others before.
    #[serde(default)]
    pub changed: Vec<u32>,
    /// Whose are not as they should be.
    #[serde(default)]
    pub failed: Vec<quota::Failed>,
}

/// How many slices one call reads: systemd is asked about each.
pub const MAX_SLICES: usize = 50;

/// Reads the slices of users of Pody that are up, or of which systemd keeps limits, in the order of uids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadSlices {
    /// The first uid that is wanted.
    #[serde(default)]
    pub from: u32,
}

impl Method for ReadSlices {
    const NAME: &'static str = "org.pody.Helper.Slice.Read";
    type Reply = SlicesReply;
}

/// Some slices; [`MAX_SLICES`] at the most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlicesReply {
    /// The slices.
    #[serde(default)]
    pub slices: Vec<SliceRecord>,
    /// Those that systemd cannot tell of.
    #[serde(default)]
    pub failed: Vec<quota::Failed>,
    /// Where to go on; none: these are the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

/// What systemd holds a user to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceRecord {
    /// Whose.
    pub uid: u32,
    /// How much; absent: as much as there is. A part of a percent counts as a whole one.
    pub limits: SliceLimits,
    /// Which of these systemd was told to keep over a boot, by their names in [`SliceLimits::fields`].
    #[serde(default)]
    pub kept: Vec<String>,
}
