//! Makes a home under another name, which only root can enter, and gives it its own when it is whole and on the disk: nobody
//! ever sees half of one, and of two who make the same, here or on another node that shares the file system, one does.

use std::fs;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Instant;

use identity::AbsolutePath;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, ResolveFlag};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat};
use nix::unistd::{Gid, Uid, fchown};
use protocol::Error;
use protocol::helper::MadeHome;
use sha2::{Digest, Sha256};

use super::super::limits::DELETE_FOR;
use super::super::{Node, conflict, failed, node::Owner, refused};
use super::delete::delete;
use super::label::Labels;
use super::place::{Found, Place, make_directory, names_written, open_in, rename, written};
use super::{explain, project, skel};

/// Makes it, or says that it is there. Nobody else on this node is at work on homes of this user meanwhile.
pub fn make(node: &Node, owner: Owner, home: &AbsolutePath) -> Result<MadeHome, Error> {
    let on_the_way = node.settings.users.home.render(&owner.name, owner.uid) == *home;
    // A podyd that was taken over could keep newcomers from theirs with directories on the way to nowhere.
    let place = Place::find(&node.settings.homes, home, on_the_way)?;
    if is_there(&place, owner)? {
        return Ok(MadeHome { made: false });
    }
    if place.is_automounters()? {
        return Err(refused(format!(
            "{}: the automounter has nothing of that name, and nothing can be made there: make the home on the server \
             that it mounts from",
            place.path
        )));
    }
    let draft = format!(".pody-new-{}-{}", owner.uid.0, this_node());
    // What a helper that was killed has left.
    forget(&place, &draft)?;
    let built = labelled(&place, |labels| build(node, owner, &place, &draft, labels));
    let made = built.and_then(|built| publish(&place, &draft, &built));
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

/// What tells this node's drafts from those of others that share the file system, also after a start.
pub fn this_node() -> String {
    let read = |path| fs::read(path).unwrap_or_default();
    let known = [read("/etc/machine-id"), read("/proc/sys/kernel/hostname")].concat();
    Sha256::digest(known).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
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
    build: impl FnOnce(Option<&Labels>) -> Result<OwnedFd, Error> + Send,
) -> Result<OwnedFd, Error> {
    let Some(labels) = Labels::of(&place.path) else { return build(None) };
    let built = thread::scope(|scope| scope.spawn(|| build(Some(&labels))).join());
    built.unwrap_or_else(|_| Err(failed("podyd-helper has met a bug of its own")))
}

fn build(
    node: &Node,
    owner: Owner,
    place: &Place,
    draft: &str,
    labels: Option<&Labels>,
) -> Result<OwnedFd, Error> {
    let homes = &node.settings.homes;
    let explain = |error| explain(&place.path, error);
    labels.inspect(|labels| labels.for_the_home());
    make_directory(&place.parent, draft, 0o700).map_err(explain)?;
    labels.inspect(|labels| labels.for_what_is_inside());
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let home = open_in(&place.parent, draft, flags, ResolveFlag::RESOLVE_NO_XDEV).map_err(explain)?;
    project::give(node, place, &home, owner.uid);
    skel::copy(homes.skel.as_str(), &home, owner)?;
    hand_over(&home, owner, homes.mode.0).and_then(|()| written(&home)).map_err(explain)?;
    Ok(home)
}

/// From here on it is the user's, but for the name.
pub fn hand_over(what: &OwnedFd, owner: Owner, mode: u32) -> Result<(), Errno> {
    fchown(what, Some(Uid::from_raw(owner.uid.0)), Some(Gid::from_raw(owner.gid.0)))?;
    fchmod(what, Mode::from_bits_truncate(mode))
}

/// Whether the name was free.
fn publish(place: &Place, draft: &str, built: &OwnedFd) -> Result<bool, Error> {
    let Place { parent, name, path, .. } = place;
    let explain = |error| explain(path, error);
    let there = fstatat(parent, draft, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(explain)?;
    let ours = fstat(built).map_err(explain)?;
    if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino) {
        return Err(failed(format!(
            "{path} is being made by another node, too, which takes itself for this one: give each its own hostname or \
             /etc/machine-id"
        )));
    }
    match rename(parent, draft, parent, name) {
        Ok(()) => {}
        Err(Errno::EEXIST) => return Ok(false),
        Err(error) => return Err(explain(error)),
    }
    names_written(parent).map_err(explain)?;
    Ok(true)
}

fn forget(place: &Place, draft: &str) -> Result<(), Error> {
    match delete(&place.parent, draft, Instant::now() + DELETE_FOR) {
        Ok(true) => Ok(()),
        Ok(false) => Err(failed(format!("what is left of a try to make {} is large: try again", place.path))),
        Err(error) => Err(explain(&place.path, error)),
    }
}
