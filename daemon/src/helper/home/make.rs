//! Makes a home under another name, which only root can enter, and gives it its own when it is whole.

use std::sync::{Mutex, PoisonError};

use identity::AbsolutePath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, ResolveFlag, renameat2};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};
use protocol::Error;
use protocol::helper::MadeHome;

use super::super::{conflict, node::Owner};
use super::explain;
use super::place::{Found, Place, open_in};
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
    let result = build(homes, owner, &place, &draft);
    if result.is_err() {
        let _ = unlinkat(&place.parent, draft.as_str(), UnlinkatFlags::RemoveDir);
    }
    match result {
        Ok(()) => {
            tracing::info!(user = %owner.name, uid = owner.uid.0, home = place.path, "a home is made");
            Ok(MadeHome { made: true })
        }
        // Somebody else was quicker.
        Err(Errno::EEXIST) if is_there(&place, owner)? => Ok(MadeHome { made: false }),
        Err(error) => Err(explain(&place.path, error)),
    }
}

/// Whether there is a home that is this user's. What is anybody else's is left alone.
fn is_there(place: &Place, owner: Owner) -> Result<bool, Error> {
    let path = &place.path;
    match place.look()? {
        Found::Nothing => Ok(false),
        Found::Directory(uid) if uid == owner.uid.0 => Ok(true),
        Found::LinkOfRoot => Ok(true),
        Found::Directory(uid) => Err(conflict(format!(
            "{path} belongs to uid {uid} and not to {} (uid {}), and is left alone: move it away, or give it to them with \
             chown",
            owner.name, owner.uid.0
        ))),
        Found::Other => Err(conflict(format!("{path} is no directory, and is left alone: move it away"))),
    }
}

fn build(homes: &Homes, owner: Owner, place: &Place, draft: &str) -> Result<(), Errno> {
    mkdirat(&place.parent, draft, Mode::S_IRWXU)?;
    let directory =
        open_in(&place.parent, draft, OFlag::O_RDONLY | OFlag::O_DIRECTORY, ResolveFlag::RESOLVE_NO_XDEV)?;
    fchmod(&directory, Mode::from_bits_truncate(homes.mode.0))?;
    fchown(&directory, Some(Uid::from_raw(owner.uid.0)), Some(Gid::from_raw(owner.gid.0)))?;
    renameat2(&place.parent, draft, &place.parent, place.name.as_str(), RenameFlags::RENAME_NOREPLACE)
}
