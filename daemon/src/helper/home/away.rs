//! Puts the home of somebody who was deleted out of the way: to an archive, which only root can enter, or for ever. What
//! does not belong to the one who was deleted is left alone; so is what another file system is mounted in.

use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::time::Instant;

use identity::{AbsolutePath, Uid};
use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{fchown, geteuid};
use protocol::Error;
use protocol::helper::{ArchivedHome, RemovedHome};

use super::super::limits::{DELETE_FOR, MAX_ARCHIVED_A_DAY};
use super::super::{conflict, failed, refused};
use super::delete::delete;
use super::explain;
use super::place::{Found, Place, names_written, open_in, open_root, rename};
use crate::clock::Clock;
use crate::config::Homes;

/// Where homes are archived that are to go nowhere else.
const ARCHIVE: &str = ".archived";

/// Deletes it, or goes on with that. What is said to be done is done after a power cut, too: podyd asks no more.
pub fn remove(homes: &Homes, name: &str, was: Uid, home: &AbsolutePath) -> Result<RemovedHome, Error> {
    let until = Instant::now() + DELETE_FOR;
    let Some(place) = Place::find_left(homes, home)? else { return Ok(RemovedHome { done: true }) };
    let doomed = format!(".pody-removed-{}", was.0);
    let go_on = || {
        let done = delete(&place.parent, &doomed, until)?;
        names_written(&place.parent).map(|()| done)
    };
    let go_on = || go_on().map_err(|error| stays(&place.path, error));
    if !go_on()? {
        return Ok(RemovedHome { done: false });
    }
    let Some(directory) = directory(&place, name, was)? else { return Ok(RemovedHome { done: true }) };
    if !move_to(&place, &place.parent, &doomed)? {
        return Ok(RemovedHome { done: false });
    }
    // Whatever still runs as its owner finds the way in no more.
    let closed = fchown(&directory, Some(geteuid()), None).and_then(|()| fchmod(&directory, Mode::S_IRWXU));
    closed.map_err(|error| stays(&place.path, error))?;
    drop(directory);
    tracing::info!(user = name, uid = was.0, home = place.path, "the home of a deleted user is removed");
    Ok(RemovedHome { done: go_on()? })
}

/// Moves it to the archive, under a name that says whose it was and when.
pub fn archive(homes: &Homes, name: &str, was: Uid, home: &AbsolutePath) -> Result<ArchivedHome, Error> {
    let Some(place) = Place::find_left(homes, home)? else { return Ok(ArchivedHome { path: None }) };
    let Some(_directory) = directory(&place, name, was)? else { return Ok(ArchivedHome { path: None }) };
    let (archive, path) = open_archive(homes, home)?;
    let title = format!("{name}.{}.{}", was.0, Clock::default().today());
    for again in 0..MAX_ARCHIVED_A_DAY {
        let title = if again == 0 { title.clone() } else { format!("{title}.{again}") };
        if move_to(&place, &archive, &title)? {
            let path = format!("{path}/{title}");
            tracing::info!(user = name, uid = was.0, home = place.path, to = path, "a home is archived");
            return Ok(ArchivedHome { path: Some(path) });
        }
    }
    Err(failed(format!("{path} holds {title} so many times already: move them away")))
}

/// The home itself, once it is known to be this user's and nothing else; none: there is nothing.
fn directory(place: &Place, name: &str, was: Uid) -> Result<Option<OwnedFd>, Error> {
    let path = &place.path;
    match place.look()? {
        Found::Nothing => return Ok(None),
        Found::Directory(uid) if uid == was.0 => {}
        Found::Directory(uid) => {
            let why =
                format!("{path} belongs to uid {uid} and was not {name}'s (uid {}): it is left alone", was.0);
            return Err(conflict(why));
        }
        Found::LinkOfRoot | Found::Other => {
            return Err(conflict(format!(
                "{path} is a link or no directory: it is left alone, and so is what it leads to"
            )));
        }
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let opened = open_in(&place.parent, place.name.as_str(), flags, ResolveFlag::RESOLVE_NO_XDEV);
    let directory = opened.map_err(|error| stays(path, error))?;
    if fstat(&directory).map_err(|error| explain(path, error))?.st_uid != was.0 {
        return Err(conflict(format!("{path} has just become somebody else's: it is left alone")));
    }
    match super::mounts::inside(&directory) {
        Ok(None) => Ok(Some(directory)),
        Ok(Some(mount)) => {
            let mount = mount.display();
            Err(refused(format!("{path} stays, since {mount} is mounted there: umount it first")))
        }
        Err(error) => Err(failed(format!("{path} stays, since nobody knows what is mounted in it: {error}"))),
    }
}

/// The archive, which is made where it is missing.
fn open_archive(homes: &Homes, home: &AbsolutePath) -> Result<(OwnedFd, String), Error> {
    let path = match (&homes.archive_to, homes.place_of(home)) {
        (Some(path), _) => path.to_string_lossy().into_owned(),
        (None, Some((root, _))) => format!("{root}/{ARCHIVE}"),
        (None, None) => return Err(failed("a home is below a root")),
    };
    // Its directory is an admin's. One that is there stays as it is.
    let _ = DirBuilder::new().mode(0o700).create(&path);
    let archive = open_root(&path)?;
    let mode = fstat(&archive).map_err(|error| explain(&path, error))?.st_mode;
    if mode & 0o077 != 0 {
        return Err(refused(format!(
            "{path} is open to others than root, and what is archived is nobody's: chmod 0700 {path}"
        )));
    }
    Ok((archive, path))
}

/// Gives a home another name, if nothing has that yet.
fn move_to(place: &Place, directory: &OwnedFd, name: &str) -> Result<bool, Error> {
    let moved = rename(&place.parent, place.name.as_str(), directory, name);
    match moved.and_then(|()| names_written(directory)).and_then(|()| names_written(&place.parent)) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(Errno::EXDEV) => {
            let path = &place.path;
            Err(refused(format!(
                "{path} stays: [homes] archive_to is on another file system, which homes are not copied to, or has a project \
                 quota of its own (lsattr -pd)"
            )))
        }
        Err(error) => Err(stays(&place.path, error)),
    }
}

/// Why something of a home is still there.
fn stays(path: &str, error: Errno) -> Error {
    match error {
        Errno::EBUSY | Errno::EXDEV => refused(format!(
            "{path} stays, or what is left of it: another file system is mounted in it; umount that first"
        )),
        Errno::EACCES | Errno::EPERM => refused(format!(
            "{path} stays, or what is left of it: {error}, though podyd-helper is root. Something in it may not be changed \
             (chattr -i), or is on a file server that does not let root write there"
        )),
        Errno::ENOTDIR | Errno::ELOOP => {
            conflict(format!("{path} is a link or no directory: it is left alone"))
        }
        error => explain(path, error),
    }
}
