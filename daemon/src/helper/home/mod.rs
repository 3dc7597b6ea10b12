//! Home directories: made whole or not at all, and touched by nobody's name but through descriptors of directories that are
//! root's. Whose they are is looked at before anything is done.

mod make;
mod place;

use identity::AbsolutePath;
use nix::errno::Errno;
use protocol::Error;
use protocol::helper::{MadeHome, MakeHome};

use super::dispatch::Handle;
use super::{Node, failed, invalid, refused};

impl Handle for MakeHome {
    fn handle(self, node: &Node) -> Result<MadeHome, Error> {
        let owner = node.owner(&self.name, self.uid, self.gid)?;
        let home: AbsolutePath = self.home.parse().map_err(|error| invalid("home", error))?;
        if !node.settings.homes.create {
            return Err(refused("[homes] create = false: podyd-helper makes no homes on this node"));
        }
        make::make(&node.settings.homes, owner, &home)
    }
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
        Errno::ELOOP => refused(format!("{what}: there is a symbolic link on the way, and none is followed")),
        error => failed(format!("{what}: {error}")),
    }
}
