//! `[quota]`: the filesystems of this node that have quotas, and what holds for everybody there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::draft::Draft;
use super::setting::Repeats;
use crate::limits::MAX_QUOTA_FILESYSTEMS;
use crate::quota::{Limits, MountPoint, Policy};

/// `[quota]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// How often all limits are compared with what they should be.
    pub reconcile_every: Duration,
    /// `[quota.default]`.
    pub default: Limits,
    /// Each `[[quota.filesystem]]`.
    pub filesystems: Vec<QuotaFilesystem>,
}

/// `[[quota.filesystem]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaFilesystem {
    /// Where it is mounted.
    pub path: MountPoint,
    /// What counts there.
    pub kind: QuotaKind,
    /// How long a soft limit of data may be exceeded.
    pub block_grace: Duration,
    /// How long a soft limit of files may be exceeded.
    pub inode_grace: Duration,
    /// What is different from the other filesystems.
    pub limits: Limits,
}

/// What counts on a filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuotaKind {
    /// What a user owns, wherever it is.
    #[default]
    User,
    /// What is in a user's home, whoever owns it.
    Project,
}

impl Quota {
    /// What holds for everybody, on the node and on each of its filesystems.
    pub fn default_policy(&self) -> Policy {
        Policy::of_node(&self.default, self.filesystems.iter().map(|one| (&one.path, &one.limits)))
    }

    /// The filesystem that is mounted there, if it has quotas.
    pub fn filesystem(&self, path: &MountPoint) -> Option<&QuotaFilesystem> {
        self.filesystems.iter().find(|one| one.path == *path)
    }
}

/// `[[quota.filesystem]]` while it is being read.
pub(super) const FILESYSTEMS: Repeats = Repeats {
    begin: |draft| {
        let filesystems = &mut draft.settings.quota.filesystems;
        if filesystems.len() == MAX_QUOTA_FILESYSTEMS {
            return Err(format!("stands here more than {MAX_QUOTA_FILESYSTEMS} times"));
        }
        filesystems.push(QuotaFilesystem::default());
        Ok(())
    },
    judge: |draft| {
        let Some((last, others)) = draft.settings.quota.filesystems.split_last() else { return Ok(()) };
        if last.path.as_str().is_empty() {
            return Err("has no path: say where the filesystem is mounted, such as path = \"/home\"".into());
        }
        if others.iter().any(|other| other.path == last.path) {
            return Err(format!("stands here twice for {}: keep one of them", last.path));
        }
        last.limits.are_in_order()
    },
};

/// The table that is being read.
pub(super) fn last_filesystem(draft: &mut Draft) -> &mut QuotaFilesystem {
    let filesystems = &mut draft.settings.quota.filesystems;
    if filesystems.is_empty() {
        // Whoever asks for the defaults.
        filesystems.push(QuotaFilesystem::default());
    }
    filesystems.last_mut().expect("there is one")
}

/// The kernel's own.
const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Default for Quota {
    fn default() -> Self {
        let reconcile_every = Duration::from_secs(10 * 60);
        Self { reconcile_every, default: Limits::default(), filesystems: Vec::new() }
    }
}

impl Default for QuotaFilesystem {
    fn default() -> Self {
        Self {
            path: MountPoint::default(),
            kind: QuotaKind::default(),
            block_grace: GRACE,
            inode_grace: GRACE,
            limits: Limits::default(),
        }
    }
}

impl fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Project => "project",
        })
    }
}

impl FromStr for QuotaKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "user" => Ok(Self::User),
            "project" => Ok(Self::Project),
            _ => Err("is \"user\" or \"project\""),
        }
    }
}
