//! The kernel's side, as podyd-helper tells of it.

use std::collections::HashMap;

use protocol::helper::quota::{
    DiskLimits, Failed, FilesystemRecord, Filesystems, LimitsOf, MAX_QUOTAS, QuotaRecord, Read, Set,
};
use protocol::helper::{ReadSlices, SliceRecord};
use quotactl::{Limits, Quota};
use tokio::time::timeout;

use super::Finding;
use crate::directory::{Error, Result};
use crate::limits::{QUOTAS_DEADLINE, SLICES_READ_WITHIN};
use crate::quota::{Change, Disk, QuotaKind};
use crate::service::Helper;

/// How the configured filesystems are.
pub(super) async fn filesystems(helper: &Helper) -> Result<Vec<FilesystemRecord>> {
    Ok(helper.call(&Filesystems {}).await?.filesystems)
}

/// Adds what is wrong with a filesystem, once where both kinds of quotas say the same.
pub(super) fn object(record: Option<&FilesystemRecord>, findings: &mut Vec<Finding>) {
    let new = record.and_then(objection).filter(|objection| !findings.contains(objection));
    findings.extend(new);
}

/// What is wrong with a filesystem, if nobody is held to a limit there.
fn objection(record: &FilesystemRecord) -> Option<Finding> {
    let FilesystemRecord { path: name, type_name, counts, enforces, read_only, trouble } = record;
    let disk: Disk = name.parse().unwrap_or_default();
    let (path, is_of_projects) = (&disk.path, disk.kind == QuotaKind::Project);
    let (finding, advice) = match (trouble, type_name.as_str()) {
        (Some(trouble), _) => (format!("{path}: {trouble}"), "see: journalctl -u podyd-helper".into()),
        (None, "") => (
            format!("nothing is mounted at {path}, and no limits are set there"),
            format!("mount it, or take the [[quota.filesystem]] of {path} out of /etc/pody/config.toml"),
        ),
        (None, _) if *read_only => (
            format!("{path} is mounted read-only, and limits there stay as they are"),
            format!("see dmesg for why, if nobody did it on purpose; then: mount -o remount,rw {path}"),
        ),
        (None, _) if !counts && is_of_projects => (
            format!("{path} is mounted without quotas of projects, and no home has a limit there"),
            "mount it with prjquota; ext4 needs tune2fs -O quota,project -Q prjquota before that".into(),
        ),
        (None, _) if !counts => (
            format!("{path} is mounted without quotas, and nobody has a limit there"),
            "mount it with usrquota (ext4, after tune2fs -O quota) or uquota (XFS)".into(),
        ),
        (None, _) if !enforces && is_of_projects => (
            format!("{path} counts what homes hold and holds nobody to a limit"),
            format!("turn quotas on: quotaon -P {path}, or the mount option prjquota"),
        ),
        (None, _) if !enforces => (
            format!("{path} counts what people have and holds nobody to a limit"),
            format!("turn quotas on: quotaon {path}, or the mount option usrquota (XFS: uquota)"),
        ),
        _ => return None,
    };
    Some((finding, advice))
}

/// Whether limits can be set there.
pub(super) fn can_limit(record: &FilesystemRecord) -> bool {
    record.counts && !record.read_only
}

/// What a user has on a filesystem.
pub(super) async fn read_one(helper: &Helper, path: &Disk, uid: u32) -> Result<Quota> {
    let read = Read { filesystem: path.to_string(), from: uid, only: true };
    let found = helper.call(&read).await?.quotas.into_iter().next();
    Ok(found.map_or(Quota { id: uid, ..Quota::default() }, quota))
}

/// What everybody has on a filesystem.
pub(super) async fn read_all(helper: &Helper, path: &Disk) -> Result<Vec<Quota>> {
    let reading = async {
        let (mut quotas, mut from) = (Vec::new(), Some(0));
        while let Some(first) = from {
            let read = Read { filesystem: path.to_string(), from: first, only: false };
            let reply = helper.call(&read).await?;
            quotas.extend(reply.quotas.into_iter().map(quota));
            // A helper that goes round in circles is none.
            from = reply.next.filter(|next| *next > first);
        }
        Ok(quotas)
    };
    timeout(QUOTAS_DEADLINE, reading).await.unwrap_or_else(|_| Err(too_slow(path)))
}

/// Sets limits; what is returned are those that could not be.
pub(super) async fn set(helper: &Helper, path: &Disk, changes: &[Change]) -> Result<Vec<Failed>> {
    let setting = async {
        let mut failed = Vec::new();
        for some in changes.chunks(MAX_QUOTAS) {
            let limits = some.iter().map(|change| LimitsOf { uid: change.id, limits: wire(change.to) });
            let set = Set { filesystem: path.to_string(), limits: limits.collect() };
            failed.extend(helper.call(&set).await?.failed);
        }
        Ok(failed)
    };
    timeout(QUOTAS_DEADLINE, setting).await.unwrap_or_else(|_| Err(too_slow(path)))
}

/// What systemd holds users to whose slices are up, or of which it keeps limits.
#[derive(Default)]
pub(super) struct Slices {
    /// By uid.
    pub(super) slices: HashMap<u32, SliceRecord>,
    /// Those that it cannot tell of.
    pub(super) failed: Vec<Failed>,
}

impl Slices {
    /// Whether it is known how the slice of a user is, if there is one.
    pub(super) fn is_known(&self, uid: u32) -> bool {
        !self.failed.iter().any(|failed| failed.uid == uid)
    }
}

/// Reads users' slices.
pub(super) async fn slices(helper: &Helper) -> Result<Slices> {
    let reading = async {
        let (mut all, mut from) = (Slices::default(), Some(0));
        while let Some(first) = from {
            let reply = helper.call_within(SLICES_READ_WITHIN, &ReadSlices { from: first }).await?;
            all.slices.extend(reply.slices.into_iter().map(|slice| (slice.uid, slice)));
            all.failed.extend(reply.failed);
            from = reply.next.filter(|next| *next > first);
        }
        Ok(all)
    };
    timeout(QUOTAS_DEADLINE, reading).await.unwrap_or_else(|_| Err(took_too_long("users' slices")))
}

fn too_slow(path: &Disk) -> Error {
    took_too_long(&format!("the quotas on {path}"))
}

fn took_too_long(what: &str) -> Error {
    Error::Busy(format!("{what} took more than {} s", QUOTAS_DEADLINE.as_secs()))
}

fn quota(record: QuotaRecord) -> Quota {
    let DiskLimits { soft_kib, hard_kib, soft_inodes, hard_inodes } = record.limits;
    Quota {
        id: record.uid,
        limits: Limits { soft_kib, hard_kib, soft_inodes, hard_inodes },
        bytes: record.bytes,
        inodes: record.inodes,
        bytes_until: record.bytes_until,
        inodes_until: record.inodes_until,
    }
}

fn wire(limits: Limits) -> DiskLimits {
    let Limits { soft_kib, hard_kib, soft_inodes, hard_inodes } = limits;
    DiskLimits { soft_kib, hard_kib, soft_inodes, hard_inodes }
}
