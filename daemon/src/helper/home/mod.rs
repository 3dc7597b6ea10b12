//! Home directories: made whole or not at all, put away or deleted, and touched by nobody's name but through descriptors of
//! directories that are root's. Whose they are is looked at before anything is done.

mod away;
mod delete;
mod label;
mod make;
mod mounts;
mod place;
mod project;
mod skel;

use identity::{AbsolutePath, Uid};
use nix::errno::Errno;
use protocol::Error;
use protocol::helper::quota::{CountHome, CountedHome, Homes, HomesReply, MAX_HOMES};
use protocol::helper::{ArchiveHome, ArchivedHome, MadeHome, MakeHome, RemoveHome, RemovedHome};

use super::dispatch::Handle;
use super::turns::Subject;
use super::{Node, failed, invalid, refused};
use crate::config::OnDelete;
#[cfg(test)]
pub(super) use make::this_node;

impl Handle for MakeHome {
    fn handle(self, node: &Node) -> Result<MadeHome, Error> {
        let owner = node.owner(&self.name, self.uid, self.gid)?;
        let home = path(node, &self.home)?;
        if !node.settings.homes.create {
            return Err(refused("[homes] create = false: podyd-helper makes no homes on this node"));
        }
        make::make(node, owner, &home)
    }

    fn touches(&self) -> Vec<Subject> {
        touches(self.uid, &self.home)
    }
}

impl Handle for ArchiveHome {
    fn handle(self, node: &Node) -> Result<ArchivedHome, Error> {
        let was = allowed(node, OnDelete::Archive, &self.name, self.uid)?;
        away::archive(&node.settings.homes, &self.name, was, &path(node, &self.home)?)
    }

    fn touches(&self) -> Vec<Subject> {
        touches(self.uid, &self.home)
    }
}

impl Handle for RemoveHome {
    fn handle(self, node: &Node) -> Result<RemovedHome, Error> {
        let was = allowed(node, OnDelete::Remove, &self.name, self.uid)?;
        away::remove(&node.settings.homes, &self.name, was, &path(node, &self.home)?)
    }

    fn touches(&self) -> Vec<Subject> {
        touches(self.uid, &self.home)
    }
}

/// The file server is looked up without a look at the home itself, which might hang.
fn touches(uid: u32, home: &str) -> Vec<Subject> {
    [Subject::HomesOf(uid)].into_iter().chain(beside_others([home].into_iter())).collect()
}

impl Handle for Homes {
    fn handle(self, node: &Node) -> Result<HomesReply, Error> {
        if self.homes.len() > MAX_HOMES {
            return Err(invalid("homes", format!("are more than {MAX_HOMES}: take fewer at a time")));
        }
        let uncounted = self.homes.iter().filter_map(|home| project::look(node, home)).collect();
        Ok(HomesReply { uncounted })
    }

    fn touches(&self) -> Vec<Subject> {
        beside_others(self.homes.iter().map(|home| home.home.as_str()))
    }
}

impl Handle for CountHome {
    fn handle(self, node: &Node) -> Result<CountedHome, Error> {
        project::count(node, &self.home)
    }

    fn touches(&self) -> Vec<Subject> {
        beside_others([self.home.home.as_str()].into_iter())
    }
}

/// Of what is counted nothing is moved: a login of the owner does not wait for that.
fn beside_others<'p>(homes: impl Iterator<Item = &'p str>) -> Vec<Subject> {
    let servers = mounts::servers_of(homes).unwrap_or_default();
    servers.into_iter().map(Subject::HomesOn).chain([Subject::Homes]).collect()
}

/// A path that is no local account's, nor on the way to or from one's.
fn path(node: &Node, text: &str) -> Result<AbsolutePath, Error> {
    let home: AbsolutePath = text.parse().map_err(|error| invalid("home", error))?;
    match node.local_home_at(&home) {
        None => Ok(home),
        Some(local) => Err(refused(format!(
            "{home} is in the way of {local}, the home of a local account of this machine (/etc/passwd)"
        ))),
    }
}

/// Whether an admin wants this done to homes, and whose is none of a local account.
fn allowed(node: &Node, wanted: OnDelete, name: &str, uid: u32) -> Result<Uid, Error> {
    let on_delete = node.settings.homes.on_delete;
    if on_delete != wanted {
        return Err(refused(format!(
            "[homes] on_delete = \"{on_delete}\" on this node, and not \"{wanted}\""
        )));
    }
    node.owner(name, uid, uid).map(|owner| owner.uid)
}

/// What a failure of the kernel means for whoever reads about it.
fn explain(what: &str, error: Errno) -> Error {
    match error {
        Errno::EACCES | Errno::EPERM => refused(format!(
            "{what}: {error}, though podyd-helper is root: the file server does not let root write there (NFS with \
             root_squash). Make the home on the server, or export it to this node with no_root_squash, or set [homes] \
             create = false"
        )),
        Errno::EROFS => refused(format!("{what}: it is on a file system that is read-only")),
        Errno::ELOOP | Errno::ENOTDIR => refused(format!(
            "{what}: it is no directory, or a symbolic link, and none is followed on the way to a home"
        )),
        Errno::ENOENT => Error::NotFound { message: format!("{what}: there is no such directory") },
        error => failed(format!("{what}: {error}")),
    }
}
