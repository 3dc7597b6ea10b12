//! Deletes a directory with all that is in it, without following links, leaving the file system, or going down into it:
//! each directory inside is moved up to the top and emptied there, so that no depth costs more than two descriptors, and
//! whoever moves things about meanwhile gains nothing. It can be stopped at any time and begun again.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::fstat;
use nix::unistd::{UnlinkatFlags, getpid, unlinkat};

use super::place::{open_in, rename};
use super::project;
use super::skel::{entries, is_dots};

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY);

/// Deletes it, or as much as there is time for: then the answer is no. What something is mounted on stays (EBUSY, EXDEV).
pub fn delete(parent: &OwnedFd, name: &str, until: Instant) -> Result<bool, Errno> {
    let top = match open_in(parent, name, DIRECTORY, ResolveFlag::RESOLVE_NO_XDEV) {
        Ok(top) => top,
        Err(Errno::ENOENT) => return Ok(true),
        Err(error) => return Err(error),
    };
    let device = fstat(&top)?.st_dev;
    project::leave(&top);
    while empty(&top, device, until)? == Pass::More {
        if Instant::now() >= until {
            return Ok(false);
        }
    }
    unlinkat(parent, name, UnlinkatFlags::RemoveDir)?;
    Ok(true)
}

#[derive(PartialEq, Eq)]
enum Pass {
    /// There was nothing any more.
    Nothing,
    /// There was something, and there may be more.
    More,
}

/// Goes once through what is at the top.
fn empty(top: &OwnedFd, device: u64, until: Instant) -> Result<Pass, Errno> {
    let mut pass = Pass::Nothing;
    for entry in entries(top)?.iter() {
        let entry = entry?;
        if is_dots(&entry) {
            continue;
        }
        pass = Pass::More;
        if Instant::now() >= until {
            break;
        }
        let name = entry.file_name();
        if !unlinked(top, name)? && !directory_removed(top, name)? {
            flatten(top, name, device, until)?;
        }
    }
    Ok(pass)
}

/// Empties a directory at the top, and moves the directories in it there.
fn flatten(top: &OwnedFd, name: &CStr, device: u64, until: Instant) -> Result<(), Errno> {
    let directory = open_in(top, name, DIRECTORY, ResolveFlag::RESOLVE_NO_XDEV)?;
    if fstat(&directory)?.st_dev != device {
        return Err(Errno::EXDEV);
    }
    for entry in entries(&directory)?.iter() {
        let entry = entry?;
        if Instant::now() >= until {
            return Ok(());
        }
        let inner = entry.file_name();
        if !is_dots(&entry) && !unlinked(&directory, inner)? && !directory_removed(&directory, inner)? {
            move_up(&directory, inner, top)?;
        }
    }
    directory_removed(top, name).map(drop)
}

fn move_up(directory: &OwnedFd, name: &CStr, top: &OwnedFd) -> Result<(), Errno> {
    static MOVED: AtomicU64 = AtomicU64::new(0);
    loop {
        let free = format!(".pody-{}-{}", getpid(), MOVED.fetch_add(1, Ordering::Relaxed));
        match rename(directory, name, top, &free) {
            Err(Errno::EEXIST) => {}
            Err(Errno::ENOENT) => return Ok(()),
            moved => return moved,
        }
    }
}

/// Whether it is gone; what is not is a directory.
fn unlinked(directory: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::EISDIR) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether it is gone; what is not has something in it.
fn directory_removed(directory: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    match unlinkat(directory, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}
