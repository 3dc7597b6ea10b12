//! Makes a home under another name, which only root can enter, and gives it its own when it is whole: nobody ever sees half
//! of one, and of two who make the same, one does.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use identity::AbsolutePath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, ResolveFlag, renameat2};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};
use protocol::Error;
use protocol::helper::MadeHome;

use super::super::limits::DELETE_FOR;
use super::super::{conflict, failed, node::Owner};
use super::delete::delete;
use super::label::Labels;
use super::place::{Found, Place, make_directory, open_in};
use super::{explain, skel};
use crate::config::Homes;

/// One is made at a time: they share the names that they are made under.
static MAKING: Mutex<()> = Mutex::new(());

pub fn make(homes: &Homes, owner: Owner, home: &AbsolutePath) -> Result<MadeHome, Error> {
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::find(homes, home, true)?;
    if is_there(&place, owner)? {
        return Ok(MadeHome { made: false });
    }
    let draft = format!(".pody-new-{}", owner.uid.0);
    // What a helper that was killed has left.
    forget(&place, &draft)?;
    let made = labelled(&place, |labels| build(homes, owner, &place, &draft, labels))
        .and_then(|()| publish(&place, &draft));
    if !matches!(made, Ok(true)) {
        forget(&place, &draft)?;
    }
    if made? {
        tracing::info!(user = %owner.name, uid = owner.uid.0, home = place.path, "a home is made");
        return Ok(MadeHome { made: true });
    }
    match is_there(&place, owner)? {
        true => Ok(MadeHome { made: false }),
        false => Err(failed(format!("{} comes and goes while podyd-helper makes it", place.path))),
    }
}

/// Whether there is a home that is this user's. What is anybody else's is left alone.
fn is_there(place: &Place, owner: Owner) -> Result<bool, Error> {
    let path = &place.path;
    match place.look()? {
        Found::Nothing => Ok(false),
        Found::Directory(uid) if uid == owner.uid.0 => Ok(true),
        // An admin's, who wants the home elsewhere.
        Found::LinkOfRoot => Ok(true),
        Found::Directory(uid) => Err(conflict(format!(
            "{path} belongs to uid {uid} and not to {} (uid {}), and is left alone: move it away, or give it to them \
             with chown",
            owner.name, owner.uid.0
        ))),
        Found::Other => Err(conflict(format!("{path} is no directory, and is left alone: move it away"))),
    }
}

/// Builds with the labels that a home has where there is SELinux: in a thread of its own, which takes them with it.
fn labelled(
    place: &Place,
    build: impl FnOnce(Option<&Labels>) -> Result<(), Error> + Send,
) -> Result<(), Error> {
    let Some(labels) = Labels::of(&place.path) else { return build(None) };
    let built = thread::scope(|scope| scope.spawn(|| build(Some(&labels))).join());
    built.unwrap_or_else(|_| Err(failed("podyd-helper has met a bug of its own")))
}

fn build(
    homes: &Homes,
    owner: Owner,
    place: &Place,
    draft: &str,
    labels: Option<&Labels>,
) -> Result<(), Error> {
    let explain = |error| explain(&place.path, error);
    labels.inspect(|labels| labels.for_the_home());
    make_directory(&place.parent, draft, 0o700).map_err(explain)?;
    labels.inspect(|labels| labels.for_what_is_inside());
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let home = open_in(&place.parent, draft, flags, ResolveFlag::RESOLVE_NO_XDEV).map_err(explain)?;
    skel::copy(homes.skel.as_str(), &home, owner)?;
    hand_over(&home, owner, homes.mode.0).map_err(explain)
}

/// From here on it is the user's, but for the name.
pub fn hand_over(what: &OwnedFd, owner: Owner, mode: u32) -> Result<(), Errno> {
    fchown(what, Some(Uid::from_raw(owner.uid.0)), Some(Gid::from_raw(owner.gid.0)))?;
    fchmod(what, Mode::from_bits_truncate(mode))
}

/// Whether the name was free.
fn publish(place: &Place, draft: &str) -> Result<bool, Error> {
    let Place { parent, name, path, .. } = place;
    match renameat2(parent, draft, parent, name.as_str(), RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(error) => Err(explain(path, error)),
    }
}

fn forget(place: &Place, draft: &str) -> Result<(), Error> {
    match delete(&place.parent, draft, Instant::now() + DELETE_FOR) {
        Ok(true) => Ok(()),
        Ok(false) => Err(failed(format!("what is left of a try to make {} is large: try again", place.path))),
        Err(error) => Err(explain(&place.path, error)),
    }
}
