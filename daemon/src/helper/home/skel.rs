//! Copies the skeleton into a home that nobody but root can enter yet. Links are copied and not followed; what is neither
//! file, directory nor link is left out, and so are set-uid bits.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use nix::dir::{Dir, Entry};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, ResolveFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};
use protocol::Error;

use super::super::limits::{MAX_SKEL_BYTES, MAX_SKEL_DEPTH, MAX_SKEL_ENTRIES};
use super::super::{failed, node::Owner};
use super::explain;
use super::make::hand_over;
use super::place::{kind, open_in, written};

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// One copy under way.
struct Copying<'a> {
    skel: &'a str,
    owner: Owner,
    entries: usize,
    bytes: u64,
}

/// Copies what is in `skel`, if there is such a directory.
pub fn copy(skel: &str, home: &OwnedFd, owner: Owner) -> Result<(), Error> {
    let source = match open(skel, DIRECTORY, Mode::empty()) {
        Ok(source) => source,
        Err(Errno::ENOENT) => return Ok(()),
        Err(error) => return Err(explain(skel, error)),
    };
    Copying { skel, owner, entries: MAX_SKEL_ENTRIES, bytes: MAX_SKEL_BYTES }.directory(
        &source,
        home,
        MAX_SKEL_DEPTH,
    )
}

/// What is in a directory but itself and the one above, to be read while the descriptor is used otherwise.
pub fn entries(directory: &OwnedFd) -> Result<Dir, Errno> {
    open_in(directory, ".", DIRECTORY, ResolveFlag::RESOLVE_NO_XDEV).and_then(Dir::from_fd)
}

pub fn is_dots(entry: &Entry) -> bool {
    matches!(entry.file_name().to_bytes(), b"." | b"..")
}

impl Copying<'_> {
    fn directory(&mut self, from: &OwnedFd, to: &OwnedFd, depth: usize) -> Result<(), Error> {
        for entry in entries(from).map_err(|error| self.explain(error))?.iter() {
            let entry = entry.map_err(|error| self.explain(error))?;
            if is_dots(&entry) {
                continue;
            }
            self.entries = self.entries.checked_sub(1).ok_or_else(|| self.too_large())?;
            self.entry(from, to, entry.file_name(), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr, depth: usize) -> Result<(), Error> {
        let status =
            fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|error| self.explain(error))?;
        match kind(&status) {
            SFlag::S_IFREG => self.file(from, to, name),
            SFlag::S_IFLNK => self.link(from, to, name).map_err(|error| self.explain(error)),
            SFlag::S_IFDIR => {
                let depth = depth.checked_sub(1).ok_or_else(|| self.too_large())?;
                let (from, to) = self.subdirectory(from, to, name).map_err(|error| self.explain(error))?;
                self.directory(&from, &to, depth)?;
                hand_over(&to, self.owner, permissions(&status))
                    .and_then(|()| written(&to))
                    .map_err(|error| self.explain(error))
            }
            _ => Ok(()),
        }
    }

    fn subdirectory(&self, from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<(OwnedFd, OwnedFd), Errno> {
        let from = open_in(from, name, DIRECTORY, ResolveFlag::empty())?;
        mkdirat(to, name, Mode::S_IRWXU)?;
        Ok((from, open_in(to, name, DIRECTORY, ResolveFlag::RESOLVE_NO_XDEV)?))
    }

    /// It is asked again whether it is a file, by what was opened; a pipe is not waited for.
    fn file(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<(), Error> {
        let failed = |error: io::Error| failed(format!("{}/{}: {error}", self.skel, name.to_string_lossy()));
        let source = open_in(from, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK, ResolveFlag::empty());
        let source = File::from(source.map_err(|error| self.explain(error))?);
        let status = source.metadata().map_err(failed)?;
        if !status.is_file() {
            return Ok(());
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let target =
            openat(to, name, flags, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|error| self.explain(error))?;
        let mut target = File::from(target);
        let copied = io::copy(&mut source.take(self.bytes + 1), &mut target).map_err(failed)?;
        self.bytes = self.bytes.checked_sub(copied).ok_or_else(|| self.too_large())?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&status.permissions()) & 0o777;
        let target = target.into();
        hand_over(&target, self.owner, mode)
            .and_then(|()| written(&target))
            .map_err(|error| self.explain(error))
    }

    fn link(&self, from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        symlinkat(readlinkat(from, name)?.as_os_str(), to, name)?;
        let (uid, gid) = (Uid::from_raw(self.owner.uid.0), Gid::from_raw(self.owner.gid.0));
        fchownat(to.as_fd(), name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    fn explain(&self, error: Errno) -> Error {
        explain(&format!("a new home with what is in {}", self.skel), error)
    }

    fn too_large(&self) -> Error {
        let skel = self.skel;
        failed(format!(
            "{skel} is too large for whoever logs in to wait until it is copied: at most {MAX_SKEL_ENTRIES} files of {} \
             MiB in all, {MAX_SKEL_DEPTH} directories deep; see [homes] skel",
            MAX_SKEL_BYTES >> 20
        ))
    }
}

fn permissions(status: &FileStat) -> u32 {
    status.st_mode & 0o777
}
