//! Disk quotas as the Linux kernel keeps them, for ext4, XFS and whatever else speaks quotactl(2).
//!
//! What anybody's limits should be is not known here, nor who anybody is: there are ids and numbers. Changing anything takes
//! CAP_SYS_ADMIN.

mod error;
mod kernel;
mod mounts;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

pub use error::Error;
pub use mounts::{Mount, mount_at, mounts};

/// What a quota counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What a uid owns.
    User,
    /// What is in directories that carry a project id.
    Project,
}

/// How much an id may have; 0 is no limit, as it is to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Data beyond which time runs, in KiB.
    pub soft_kib: u64,
    /// Data beyond which nothing more is written, in KiB.
    pub hard_kib: u64,
    /// Files and directories beyond which time runs.
    pub soft_inodes: u64,
    /// Files and directories beyond which nothing more is made.
    pub hard_inodes: u64,
}

/// What the kernel knows of an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Whose it is: a uid or a project id.
    pub id: u32,
    /// How much it may have.
    pub limits: Limits,
    /// Data it has, in bytes.
    pub bytes: u64,
    /// Files and directories it has.
    pub inodes: u64,
    /// When the soft limit of data begins to be a hard one, in seconds since 1970; none: it is not exceeded.
    pub bytes_until: Option<u64>,
    /// The same for files and directories.
    pub inodes_until: Option<u64>,
}

/// How long a soft limit may be exceeded, in seconds: one for all ids of a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// For data.
    pub blocks: u64,
    /// For files and directories.
    pub inodes: u64,
}

/// What a filesystem does about one kind of quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It neither counts nor holds anybody to anything.
    Off,
    /// It counts, and nobody is held to a limit.
    Counting,
    /// It holds people to their limits.
    Enforcing,
}

/// A filesystem that is mounted.
#[derive(Debug)]
pub struct Filesystem {
    root: File,
    mount: Mount,
}

impl Filesystem {
    /// The filesystem that is mounted at `path` itself: limits that were meant for a disk which is not mounted would else
    /// be set on the one below it.
    pub fn mounted_at(path: &Path) -> Result<Self, Error> {
        let mount = mount_at(path)?.ok_or(Error::NotMounted)?;
        let root = File::open(path)?;
        if mounts::device_of(&root)? != mount.device {
            return Err(Error::NotMounted);
        }
        Ok(Self { root, mount })
    }

    /// What kind of filesystem it is: `ext4`, `xfs`.
    pub fn type_name(&self) -> &str {
        &self.mount.type_name
    }

    /// What it does about quotas.
    pub fn state(&self, kind: Kind) -> Result<State, Error> {
        match kernel::state_flags(self.root.as_fd(), &self.mount.source, kind) {
            Ok(flags) => Ok(kernel::state_of(flags, kind)),
            Err(error) if error::means_off(&error) => Ok(State::Off),
            Err(error) => Err(error.into()),
        }
    }

    /// What is known of an id; of one that never had anything, zeros.
    pub fn quota(&self, kind: Kind, id: u32) -> Result<Quota, Error> {
        match kernel::get(self.root.as_fd(), &self.mount.source, kind, id) {
            // XFS keeps nothing for an id that has nothing.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Quota { id, ..Quota::default() }),
            outcome => Ok(outcome?),
        }
    }

    /// What is known of the first id from `id` on of which anything is known; none: there is no more.
    pub fn quota_from(&self, kind: Kind, id: u32) -> Result<Option<Quota>, Error> {
        match kernel::get_from(self.root.as_fd(), &self.mount.source, kind, id) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            outcome => Ok(Some(outcome?)),
        }
    }

    /// Sets all the limits of an id, and nothing else. Id 0 is refused: to XFS it is the default of everybody.
    pub fn set_limits(&self, kind: Kind, id: u32, limits: Limits) -> Result<(), Error> {
        if id == 0 {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        }
        Ok(kernel::set_limits(self.root.as_fd(), &self.mount.source, kind, id, limits)?)
    }

    /// How long soft limits may be exceeded.
    pub fn grace(&self, kind: Kind) -> Result<Grace, Error> {
        Ok(kernel::grace(self.root.as_fd(), &self.mount.source, kind)?)
    }

    /// Changes that, for whoever exceeds one from now on.
    pub fn set_grace(&self, kind: Kind, grace: Grace) -> Result<(), Error> {
        Ok(kernel::set_grace(self.root.as_fd(), &self.mount.source, kind, grace)?)
    }
}

/// What a file or directory counts for where projects have quotas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Its id; 0 is none.
    pub id: u32,
    /// Of a directory: whether all that is made in it is of the same project. Then nothing of another can be moved there.
    pub inherits: bool,
}

/// The project of a file or directory.
pub fn project_of(file: impl AsFd) -> Result<Project, Error> {
    Ok(kernel::project_of(file.as_fd())?)
}

/// Makes a file or directory one of a project. What is in a directory already keeps its own.
pub fn set_project(file: impl AsFd, project: Project) -> Result<(), Error> {
    Ok(kernel::set_project(file.as_fd(), project)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_nothing_is_mounted_at_is_no_filesystem() {
        let found = Filesystem::mounted_at(&std::env::temp_dir().join("..").join("nothing-is-here"));
        assert!(matches!(found, Err(Error::NotMounted)), "{found:?}");
    }

    #[test]
    fn a_filesystem_without_quotas_says_so() {
        let proc = Filesystem::mounted_at(Path::new("/proc")).unwrap();
        assert_eq!(proc.type_name(), "proc");
        assert_eq!(proc.state(Kind::User).unwrap(), State::Off);
        assert!(
            matches!(proc.quota(Kind::User, 1000), Err(Error::Off)),
            "{:?}",
            proc.quota(Kind::User, 1000)
        );
    }

    #[test]
    fn what_keeps_no_projects_says_so() {
        let proc = File::open("/proc/self").unwrap();
        assert!(matches!(project_of(&proc), Err(Error::Off)));
        assert!(matches!(set_project(&proc, Project { id: 7, inherits: true }), Err(Error::Off)));
    }

    #[test]
    fn nobody_sets_the_limits_of_root() {
        let proc = Filesystem::mounted_at(Path::new("/proc")).unwrap();
        let refused = proc.set_limits(Kind::User, 0, Limits::default());
        assert!(matches!(refused, Err(Error::Io(error)) if error.kind() == io::ErrorKind::InvalidInput));
    }
}
