//! `Quota.*`: disk quotas of Pody's users, on filesystems that root has configured and nowhere else. What limits should be is
//! podyd's to say; that nobody else's are touched is seen to here.

use identity::Uid;
use nix::sys::statvfs::{FsFlags, statvfs};
use protocol::Error;
use protocol::helper::quota::{
    DiskLimits, Failed, FilesystemRecord, Filesystems, FilesystemsReply, LimitsOf, MAX_QUOTAS, QuotaRecord,
    QuotasReply, Read, Set, SetReply,
};
use quotactl::{Error as Trouble, Filesystem, Grace, Kind, Limits, Quota, State};

use super::dispatch::Handle;
use super::turns::Subject;
use super::{Node, conflict, failed, invalid, refused};
use crate::config::QuotaFilesystem;
use crate::quota::QuotaKind;

/// No disk is larger, in KiB, and no filesystem has more files.
const MOST: u64 = 1 << 50;

impl Handle for Filesystems {
    fn handle(self, node: &Node) -> Result<FilesystemsReply, Error> {
        let filesystems = node.settings.quota.filesystems.iter().map(record).collect();
        Ok(FilesystemsReply { filesystems })
    }

    fn touches(&self) -> Vec<Subject> {
        vec![Subject::AllFilesystems, Subject::Quotas]
    }
}

fn record(configured: &QuotaFilesystem) -> FilesystemRecord {
    let path = configured.disk().to_string();
    let found = Filesystem::mounted_at(configured.path.as_str().as_ref())
        .and_then(|filesystem| Ok((filesystem.state(kind(configured))?, filesystem)));
    match found {
        Ok((state, filesystem)) => FilesystemRecord {
            path,
            type_name: filesystem.type_name().to_owned(),
            counts: state != State::Off,
            enforces: state == State::Enforcing,
            read_only: is_read_only(configured),
            trouble: None,
        },
        Err(Trouble::NotMounted) => FilesystemRecord { path, ..FilesystemRecord::default() },
        Err(error) => {
            FilesystemRecord { path, trouble: Some(error.to_string()), ..FilesystemRecord::default() }
        }
    }
}

/// ext4 then has no quotas, XFS has some that cannot be set: to everybody, it is a filesystem that is read-only.
fn is_read_only(configured: &QuotaFilesystem) -> bool {
    statvfs(configured.path.as_str()).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
}

impl Handle for Read {
    fn handle(self, node: &Node) -> Result<QuotasReply, Error> {
        let (configured, filesystem) = open(node, &self.filesystem)?;
        let kind = kind(configured);
        if self.only {
            let uid = node.uid(self.from)?;
            let quota = filesystem.quota(kind, uid.0).map_err(|error| words(configured, error))?;
            return Ok(QuotasReply { quotas: vec![wire(quota)], next: None });
        }
        let (mut quotas, mut from) = (Vec::new(), Some(self.from));
        while let Some(id) = from.filter(|_| quotas.len() < MAX_QUOTAS) {
            let quota = filesystem.quota_from(kind, id).map_err(|error| words(configured, error))?;
            from = quota.and_then(|quota| quota.id.checked_add(1));
            quotas.extend(quota.filter(|quota| node.uid(quota.id).is_ok()).map(wire));
        }
        Ok(QuotasReply { quotas, next: from })
    }

    fn touches(&self) -> Vec<Subject> {
        vec![Subject::QuotasOn(self.filesystem.clone()), Subject::Quotas]
    }
}

impl Handle for Set {
    fn handle(self, node: &Node) -> Result<SetReply, Error> {
        if self.limits.len() > MAX_QUOTAS {
            return Err(invalid(
                "limits",
                format!("are of more than {MAX_QUOTAS} users: take fewer at a time"),
            ));
        }
        // All or none of a call that is not in order.
        for LimitsOf { uid, limits } in &self.limits {
            node.uid(*uid)?;
            are_sane(limits)?;
        }
        let (configured, filesystem) = open(node, &self.filesystem)?;
        if is_read_only(configured) {
            return Err(conflict(format!("{}: it is mounted read-only", configured.path)));
        }
        keep_grace(configured, &filesystem).map_err(|error| words(configured, error))?;
        let kind = kind(configured);
        let set = |LimitsOf { uid, limits }: &LimitsOf| {
            let refused = (kind == Kind::Project).then(|| node.project(Uid(*uid)).err()).flatten();
            let set = || filesystem.set_limits(kind, *uid, of_kernel(*limits)).err();
            let why = refused.map(|error| error.to_string()).or_else(|| set().map(|error| error.to_string()));
            why.map(|why| Failed { uid: *uid, why })
        };
        Ok(SetReply { failed: self.limits.iter().filter_map(set).collect() })
    }

    fn touches(&self) -> Vec<Subject> {
        vec![Subject::QuotasOn(self.filesystem.clone()), Subject::Quotas]
    }
}

fn open<'n>(node: &'n Node, name: &str) -> Result<(&'n QuotaFilesystem, Filesystem), Error> {
    let configured = node.settings.quota.filesystems.iter().find(|one| one.disk().to_string() == name);
    let configured = configured
        .ok_or_else(|| refused(format!("no [[quota.filesystem]] in the configuration is {name:?}")))?;
    let filesystem = Filesystem::mounted_at(configured.path.as_str().as_ref())
        .map_err(|error| words(configured, error))?;
    Ok((configured, filesystem))
}

/// Sets how long soft limits may be exceeded, where that is another time.
fn keep_grace(configured: &QuotaFilesystem, filesystem: &Filesystem) -> Result<(), Trouble> {
    let [blocks, inodes] = [configured.block_grace, configured.inode_grace].map(|grace| grace.as_secs());
    let (kind, wanted) = (kind(configured), Grace { blocks, inodes });
    if filesystem.grace(kind)? == wanted { Ok(()) } else { filesystem.set_grace(kind, wanted) }
}

fn are_sane(limits: &DiskLimits) -> Result<(), Error> {
    let pairs = [(limits.soft_kib, limits.hard_kib), (limits.soft_inodes, limits.hard_inodes)];
    for (soft, hard) in pairs {
        if soft > MOST || hard > MOST || (hard > 0 && soft > hard) {
            return Err(invalid(
                "limits",
                format!("a soft limit of {soft} and a hard one of {hard} make no sense"),
            ));
        }
    }
    Ok(())
}

fn kind(configured: &QuotaFilesystem) -> Kind {
    match configured.kind {
        QuotaKind::User => Kind::User,
        QuotaKind::Project => Kind::Project,
    }
}

fn words(configured: &QuotaFilesystem, error: Trouble) -> Error {
    let message = format!("{}: {error}", configured.path);
    match error {
        Trouble::NotMounted => Error::NotFound { message },
        Trouble::Off => conflict(message),
        Trouble::NotPermitted | Trouble::Io(_) => failed(message),
    }
}

fn wire(quota: Quota) -> QuotaRecord {
    let Limits { soft_kib, hard_kib, soft_inodes, hard_inodes } = quota.limits;
    QuotaRecord {
        uid: quota.id,
        limits: DiskLimits { soft_kib, hard_kib, soft_inodes, hard_inodes },
        bytes: quota.bytes,
        inodes: quota.inodes,
        bytes_until: quota.bytes_until,
        inodes_until: quota.inodes_until,
    }
}

fn of_kernel(limits: DiskLimits) -> Limits {
    let DiskLimits { soft_kib, hard_kib, soft_inodes, hard_inodes } = limits;
    Limits { soft_kib, hard_kib, soft_inodes, hard_inodes }
}
