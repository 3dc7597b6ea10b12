//! Where a home is: a descriptor of the directory that it is in, and its name there. It is reached from a configured root
//! without links, through directories that are root's, and never by its path again.

use std::os::fd::{AsFd, OwnedFd};

use identity::AbsolutePath;
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, RenameFlags, ResolveFlag, open, openat2, renameat, renameat2};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstat, fstatat, mkdirat};
use nix::sys::statfs::{AUTOFS_SUPER_MAGIC, fstatfs};
use nix::unistd::{fsync, geteuid};
use protocol::Error;

use super::super::{failed, invalid, refused};
use super::{explain, mounts};
use crate::config::{HomeRoot, Homes};

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A path below a root, whether there is something or not.
pub struct Place {
    /// The directory that it is in.
    pub parent: OwnedFd,
    /// Its name there.
    pub name: String,
    /// The whole of it, to speak of.
    pub path: String,
}

/// What is at a place.
pub enum Found {
    /// Nothing.
    Nothing,
    /// A directory of this uid.
    Directory(u32),
    /// A symbolic link that root has made: an admin's.
    LinkOfRoot,
    /// Something else.
    Other,
}

impl Place {
    /// Finds it. Directories between the root and the home are made where they are missing, if `make`.
    pub fn find(homes: &Homes, home: &AbsolutePath, make: bool) -> Result<Self, Error> {
        let path = home.as_str();
        let Some((root, rest)) = homes.place_of(home) else {
            let roots: Vec<&str> = homes.roots.iter().map(HomeRoot::as_str).collect();
            let why = format!("{path} is not below {}: see [homes] roots", roots.join(" or "));
            return Err(invalid("home", why));
        };
        // An admin may have put a link to another disk in the place of the root itself.
        if rest.split('/').any(|part| part.starts_with('.')) {
            return Err(invalid(
                "home",
                format!("{path} has a hidden name in it: those are podyd-helper's own"),
            ));
        }
        let mut parent = open_root(root)?;
        let mut parts: Vec<&str> = rest.split('/').collect();
        let name = parts.pop().unwrap_or(rest).to_owned();
        let mut walked = root.to_owned();
        for part in parts {
            walked = format!("{walked}/{part}");
            parent = step(&parent, part, make).map_err(|error| explain(&walked, error))?;
            is_roots(&walked, &parent)?;
        }
        Ok(Self { parent, name, path: path.to_owned() })
    }

    /// Finds one that may be gone with the directory that it was in: none. A root that is away has not lost its homes, nor has
    /// a directory that something is to be mounted at.
    pub fn find_left(homes: &Homes, home: &AbsolutePath) -> Result<Option<Self>, Error> {
        let gone = match Self::find(homes, home, false) {
            Err(gone @ Error::NotFound { .. }) => gone,
            found => return found.map(Some),
        };
        let (root, _) = homes.place_of(home).ok_or_else(|| failed("a home is below a root"))?;
        open_root(root)?;
        match mounts::missing_at(home.as_str().as_ref()) {
            Ok(None) => Ok(None),
            Ok(Some(_)) | Err(_) => Err(gone),
        }
    }

    /// What is there now. A link is looked at and not followed. A directory is opened, *because* an automounter mounts what
    /// belongs there for that, and not for a look at it.
    pub fn look(&self) -> Result<Found, Error> {
        let explain = |error| explain(&self.path, error);
        let name = self.name.as_str();
        match open_in(&self.parent, name, OFlag::O_PATH | OFlag::O_DIRECTORY, ResolveFlag::empty()) {
            Ok(directory) => return Ok(Found::Directory(fstat(&directory).map_err(explain)?.st_uid)),
            Err(Errno::ENOENT) => return Ok(Found::Nothing),
            Err(Errno::ENOTDIR | Errno::ELOOP) => {}
            Err(error) => return Err(explain(error)),
        }
        match fstatat(&self.parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) if kind(&status) == SFlag::S_IFLNK && status.st_uid == 0 => Ok(Found::LinkOfRoot),
            Ok(_) => Ok(Found::Other),
            Err(Errno::ENOENT) => Ok(Found::Nothing),
            Err(error) => Err(explain(error)),
        }
    }

    /// Whether an automounter says what there is, and nothing can be made beside that.
    pub fn is_automounters(&self) -> Result<bool, Error> {
        let status = fstatfs(&self.parent).map_err(|error| explain(&self.path, error))?;
        Ok(status.filesystem_type() == AUTOFS_SUPER_MAGIC)
    }
}

pub fn kind(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits())
}

/// Opens a directory that an admin has named, and that is root's.
pub fn open_root(path: &str) -> Result<OwnedFd, Error> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = open(path, flags, Mode::empty()).map_err(|error| explain(path, error))?;
    is_roots(path, &directory)?;
    match mounts::missing(&directory) {
        Ok(None) => Ok(directory),
        Ok(Some(point)) => {
            let point = point.display();
            Err(refused(format!(
                "{point} is to be mounted by /etc/fstab or a unit of systemd and is not, and {path} is not meant to be what \
                 is below: mount {point}"
            )))
        }
        Err(error) => Err(failed(format!("nobody knows whether {path} is mounted: {error}"))),
    }
}

/// Makes a directory, whatever the umask.
pub fn make_directory(parent: &OwnedFd, name: &str, mode: u32) -> Result<(), Errno> {
    mkdirat(parent, name, Mode::S_IRWXU)?;
    fchmodat(parent, name, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)
}

/// Waits until it is on the disk: after a power cut a home is whole, too, or is not there.
pub fn written(what: &OwnedFd) -> Result<(), Errno> {
    match fsync(what) {
        // A file system that has no such thing.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(()),
        written => written,
    }
}

/// The same for the names in a directory that was opened as a path alone.
pub fn names_written(directory: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    written(&open_in(directory, ".", flags, ResolveFlag::RESOLVE_NO_XDEV)?)
}

/// Opens something in a directory, which is not left through a link, whatever takes its place meanwhile.
pub fn open_in<P: NixPath + ?Sized>(
    parent: impl AsFd,
    name: &P,
    flags: OFlag,
    resolve: ResolveFlag,
) -> Result<OwnedFd, Errno> {
    let beneath =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    loop {
        match openat2(&parent, name, OpenHow::new().flags(flags).resolve(beneath | resolve)) {
            // The kernel asks for another try where something was renamed meanwhile.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            opened => return opened,
        }
    }
}

/// Gives a directory a name that nothing has, or says that something has it (EEXIST).
pub fn rename<P: NixPath + ?Sized>(from: &OwnedFd, name: &P, to: &OwnedFd, free: &str) -> Result<(), Errno> {
    match renameat2(from, name, to, free, RenameFlags::RENAME_NOREPLACE) {
        // Clients of file servers (NFS, 9p, FUSE) know no flags.
        Err(Errno::EINVAL) => rename_without_flags(from, name, to, free),
        renamed => renamed,
    }
}

/// Both are in directories of root, and a directory takes the place of an empty one at most.
fn rename_without_flags<P: NixPath + ?Sized>(
    from: &OwnedFd,
    name: &P,
    to: &OwnedFd,
    free: &str,
) -> Result<(), Errno> {
    match fstatat(to, free, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(_) => return Err(Errno::EEXIST),
        Err(Errno::ENOENT) => {}
        Err(error) => return Err(error),
    }
    match renameat(from, name, to, free) {
        Err(Errno::ENOTEMPTY | Errno::ENOTDIR) => Err(Errno::EEXIST),
        renamed => renamed,
    }
}

fn step(parent: &OwnedFd, name: &str, make: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    match open_in(parent, name, flags, ResolveFlag::empty()) {
        Err(Errno::ENOENT) if make => {}
        opened => return opened,
    }
    match make_directory(parent, name, 0o711) {
        Ok(()) | Err(Errno::EEXIST) => open_in(parent, name, flags, ResolveFlag::empty()),
        Err(error) => Err(error),
    }
}

/// In a directory of somebody else, or of everybody, others could put what they like in the place of a home.
fn is_roots(path: &str, directory: &OwnedFd) -> Result<(), Error> {
    let status = fstat(directory).map_err(|error| explain(path, error))?;
    if status.st_uid != 0 && status.st_uid != geteuid().as_raw() {
        let uid = status.st_uid;
        return Err(refused(format!(
            "{path} belongs to uid {uid}: homes are only in directories that are root's"
        )));
    }
    if status.st_mode & WRITABLE_BY_OTHERS != 0 {
        return Err(refused(format!(
            "{path} may be written by others than root, and homes are only where nobody else can exchange them: \
             chmod go-w {path}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::Folder;

    #[test]
    fn where_a_rename_knows_no_flags_nothing_is_replaced_either() {
        let folder = Folder::new();
        let here = open(&*folder, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        for name in ["draft", "empty", "full/of"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("file"), "x").unwrap();
        for taken in ["empty", "full", "file"] {
            assert_eq!(rename_without_flags(&here, "draft", &here, taken), Err(Errno::EEXIST), "{taken}");
        }
        assert_eq!(rename_without_flags(&here, "draft", &here, "ada"), Ok(()));
        assert!(folder.join("ada").is_dir() && !folder.join("draft").exists());
    }
}
