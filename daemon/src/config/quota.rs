//! `[quota]`: the filesystems of this node that have quotas, and what holds for everybody there.

use std::time::Duration;

use super::draft::Draft;
use super::setting::Repeats;
use crate::limits::MAX_QUOTA_FILESYSTEMS;
use crate::quota::{Disk, Limits, MountPoint, Policy, QuotaKind};

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

impl Quota {
    /// What holds for everybody, on the node and on each of its filesystems.
    pub fn default_policy(&self) -> Policy {
        Policy::of_node(&self.default, self.filesystems.iter().map(|one| (one.disk(), &one.limits)))
    }

    /// The one that somebody means: the kind has to be said only where both count.
    pub fn meant_by(&self, disk: &Disk) -> Option<Disk> {
        let mut there =
            self.filesystems.iter().map(QuotaFilesystem::disk).filter(|one| one.path == disk.path);
        match (there.clone().find(|one| one == disk), disk.kind) {
            (None, QuotaKind::User) => there.next(),
            (found, _) => found,
        }
    }

    /// Whether the homes of this node are to be counted.
    pub fn has_projects(&self) -> bool {
        self.filesystems.iter().any(|one| one.kind == QuotaKind::Project)
    }
}

impl QuotaFilesystem {
    /// What is called by a name.
    pub fn disk(&self) -> Disk {
        Disk { path: self.path.clone(), kind: self.kind }
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
        if others.iter().any(|other| other.disk() == last.disk()) {
            return Err(format!(
                "stands here twice for {} with kind = \"{}\": keep one of them",
                last.path, last.kind
            ));
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
