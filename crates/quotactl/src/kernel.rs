//! The calls themselves, in the shapes of linux/quota.h, linux/dqblk_xfs.h and linux/fs.h. Nothing else here is unsafe.

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{c_int, c_long, c_ulong};

use crate::{Grace, Kind, Limits, Project, Quota, State};

/// Commands of linux/quota.h, and one of linux/dqblk_xfs.h that every filesystem answers.
const Q_GETINFO: c_int = 0x80_0005;
const Q_SETINFO: c_int = 0x80_0006;
const Q_GETQUOTA: c_int = 0x80_0007;
const Q_SETQUOTA: c_int = 0x80_0008;
const Q_GETNEXTQUOTA: c_int = 0x80_0009;
const Q_XGETQSTAT: c_int = 0x5805;

/// Which fields of a [`Dqblk`] count: QIF_BLIMITS and QIF_ILIMITS.
const ALL_LIMITS: u32 = 1 | 4;

/// Which fields of a [`Dqinfo`] count: IIF_BGRACE and IIF_IGRACE.
const BOTH_GRACES: u32 = 1 | 2;

/// FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR of linux/fs.h, for a struct of 28 bytes.
const GET_ATTRIBUTES: c_ulong = 0x801c_581f;
const SET_ATTRIBUTES: c_ulong = 0x401c_5820;

/// FS_XFLAG_PROJINHERIT: what is made in the directory gets its project id.
const INHERITS_PROJECT: u32 = 0x200;

/// `struct if_nextdqblk`; of `struct if_dqblk`, which is as long, the last field is padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Dqblk {
    hard_kib: u64,
    soft_kib: u64,
    bytes: u64,
    hard_inodes: u64,
    soft_inodes: u64,
    inodes: u64,
    bytes_until: u64,
    inodes_until: u64,
    valid: u32,
    id: u32,
}

/// `struct if_dqinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Dqinfo {
    block_grace: u64,
    inode_grace: u64,
    flags: u32,
    valid: u32,
}

/// `struct fs_quota_stat`, of which the flags are read; it has 80 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct QuotaStat {
    version: i8,
    flags: u16,
    rest: [u64; 11],
}

/// `struct fsxattr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

const _: () = assert!(size_of::<Dqblk>() == 72 && size_of::<Dqinfo>() == 24);
const _: () = assert!(size_of::<Attributes>() == 28 && size_of::<QuotaStat>() >= 80);

/// What may be filled by the kernel, whatever it writes: plain numbers without padding that anybody reads.
trait Plain: Copy + Default {}
impl Plain for Dqblk {}
impl Plain for Dqinfo {}
impl Plain for QuotaStat {}

pub(crate) fn get(root: BorrowedFd<'_>, device: &Path, kind: Kind, id: u32) -> io::Result<Quota> {
    let found = call(root, device, Q_GETQUOTA, kind, id, Dqblk::default())?;
    Ok(Dqblk { id, ..found }.into())
}

pub(crate) fn get_from(root: BorrowedFd<'_>, device: &Path, kind: Kind, id: u32) -> io::Result<Quota> {
    Ok(call(root, device, Q_GETNEXTQUOTA, kind, id, Dqblk::default())?.into())
}

pub(crate) fn set_limits(
    root: BorrowedFd<'_>,
    device: &Path,
    kind: Kind,
    id: u32,
    limits: Limits,
) -> io::Result<()> {
    let Limits { soft_kib, hard_kib, soft_inodes, hard_inodes } = limits;
    let wanted =
        Dqblk { soft_kib, hard_kib, soft_inodes, hard_inodes, valid: ALL_LIMITS, ..Dqblk::default() };
    call(root, device, Q_SETQUOTA, kind, id, wanted).map(drop)
}

pub(crate) fn grace(root: BorrowedFd<'_>, device: &Path, kind: Kind) -> io::Result<Grace> {
    let found = call(root, device, Q_GETINFO, kind, 0, Dqinfo::default())?;
    Ok(Grace { blocks: found.block_grace, inodes: found.inode_grace })
}

pub(crate) fn set_grace(root: BorrowedFd<'_>, device: &Path, kind: Kind, grace: Grace) -> io::Result<()> {
    let Grace { blocks: block_grace, inodes: inode_grace } = grace;
    let wanted = Dqinfo { block_grace, inode_grace, valid: BOTH_GRACES, flags: 0 };
    call(root, device, Q_SETINFO, kind, 0, wanted).map(drop)
}

pub(crate) fn state_flags(root: BorrowedFd<'_>, device: &Path, kind: Kind) -> io::Result<u16> {
    Ok(call(root, device, Q_XGETQSTAT, kind, 0, QuotaStat::default())?.flags)
}

/// FS_QUOTA_UDQ_ACCT and _ENFD, FS_QUOTA_PDQ_ACCT and _ENFD.
pub(crate) fn state_of(flags: u16, kind: Kind) -> State {
    let (counts, enforces) = match kind {
        Kind::User => (1 << 0, 1 << 1),
        Kind::Project => (1 << 4, 1 << 5),
    };
    match (flags & counts != 0, flags & enforces != 0) {
        (_, true) => State::Enforcing,
        (true, false) => State::Counting,
        (false, false) => State::Off,
    }
}

/// quotactl_fd(2), or quotactl(2) by the device where the kernel is older than 5.14.
fn call<T: Plain>(
    root: BorrowedFd<'_>,
    device: &Path,
    command: c_int,
    kind: Kind,
    id: u32,
    mut data: T,
) -> io::Result<T> {
    let of_kind = match kind {
        Kind::User => 0,
        Kind::Project => 2,
    };
    let command = (command << 8) | of_kind;
    let data_at = (&raw mut data).cast::<libc::c_char>();
    // SAFETY: quotactl_fd(2) takes a descriptor, a command, an id, and the address of the command's struct, which it reads or
    // fills: `T` is the struct that the callers above give with each command (linux/quota.h, linux/dqblk_xfs.h), it lives
    // until the call is over, and any bytes are valid in it.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            c_long::from(root.as_raw_fd()),
            c_long::from(command),
            c_long::from(id),
            data_at,
        )
    };
    if outcome == 0 {
        return Ok(data);
    }
    let error = io::Error::last_os_error();
    // Whatever has no disk below has no quotas.
    if error.raw_os_error() != Some(libc::ENOSYS) || !device.is_absolute() {
        return Err(error);
    }
    let device = CString::new(device.as_os_str().as_bytes())?;
    // SAFETY: as above; quotactl(2) takes the device's path instead of a descriptor, a string that ends with NUL.
    let outcome = unsafe { libc::quotactl(command, device.as_ptr(), id.cast_signed(), data_at) };
    if outcome == 0 { Ok(data) } else { Err(io::Error::last_os_error()) }
}

pub(crate) fn project_of(file: BorrowedFd<'_>) -> io::Result<Project> {
    let Attributes { project: id, flags, .. } = attributes(file)?;
    Ok(Project { id, inherits: flags & INHERITS_PROJECT != 0 })
}

pub(crate) fn set_project(file: BorrowedFd<'_>, Project { id, inherits }: Project) -> io::Result<()> {
    let found = attributes(file)?;
    let flags = match inherits {
        true => found.flags | INHERITS_PROJECT,
        false => found.flags & !INHERITS_PROJECT,
    };
    let wanted = Attributes { project: id, flags, ..found };
    // SAFETY: ioctl_xfs_fssetxattr(2) reads a `struct fsxattr`, which lives until the call is over.
    let outcome = unsafe { libc::ioctl(file.as_raw_fd(), SET_ATTRIBUTES, &raw const wanted) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn attributes(file: BorrowedFd<'_>) -> io::Result<Attributes> {
    let mut found = Attributes::default();
    // SAFETY: ioctl_xfs_fsgetxattr(2) fills a `struct fsxattr`, in which any bytes are valid, and which lives until the call
    // is over.
    let outcome = unsafe { libc::ioctl(file.as_raw_fd(), GET_ATTRIBUTES, &raw mut found) };
    if outcome == 0 { Ok(found) } else { Err(io::Error::last_os_error()) }
}

impl From<Dqblk> for Quota {
    fn from(found: Dqblk) -> Self {
        let Dqblk { soft_kib, hard_kib, soft_inodes, hard_inodes, bytes, inodes, id, .. } = found;
        let until = |time| (time != 0).then_some(time);
        Self {
            id,
            limits: Limits { soft_kib, hard_kib, soft_inodes, hard_inodes },
            bytes,
            inodes,
            bytes_until: until(found.bytes_until),
            inodes_until: until(found.inodes_until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_say_whether_people_are_held_to_their_limits() {
        assert_eq!(state_of(0b00_0011, Kind::User), State::Enforcing);
        assert_eq!(state_of(0b00_0001, Kind::User), State::Counting);
        assert_eq!(state_of(0b00_0011, Kind::Project), State::Off);
        assert_eq!(state_of(0b11_0000, Kind::Project), State::Enforcing);
    }
}
