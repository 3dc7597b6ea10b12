//! The project id of a home, by which a project quota counts what is in it, whoever owns that: it is the owner's uid. A new home
//! gets it while it is empty, and what is made there inherits it. One that was there before gets it when an admin asks for that, bit
//! by bit and with all that is in it, without following links or leaving the file system. Limits are not known here.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use identity::Uid;
use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::{FileStat, SFlag, fstat, stat};
use protocol::Error;
use protocol::helper::quota::{CountedHome, HomeOf, Uncounted};
use quotactl::{Error as Trouble, Filesystem, Project, project_of, set_project};

use super::super::limits::{COUNT_FOR, MAX_COUNTED_DEPTH};
use super::super::{Node, conflict, failed, node::Owner, refused};
use super::explain;
use super::place::{Found, Place, kind, open_in};
use super::skel::{entries, is_dots};
use crate::quota::QuotaKind;

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY);

/// Gives a new home its id. What keeps it from that keeps nobody from their home.
pub fn give(node: &Node, place: &Place, home: &OwnedFd, uid: Uid) {
    if !node.settings.quota.has_projects() {
        return;
    }
    let given = is_possible(node, place, home, uid).and_then(|()| {
        set_project(home, of(uid)).map_err(|error| failed(format!("{}: {error}", place.path)))
    });
    if let Err(error) = given {
        tracing::warn!(home = place.path, %error, "a home is made that no project quota counts");
    }
}

/// Lets what is of other projects be moved into this directory, which nothing is made in any more.
pub fn leave(directory: &OwnedFd) {
    if let Ok(project) = project_of(directory)
        && project.inherits
        && let Err(error) = set_project(directory, Project { inherits: false, ..project })
    {
        tracing::debug!(%error, "a directory that is removed keeps its project");
    }
}

/// Why nothing counts a home that is there, if so.
pub fn look(node: &Node, home: &HomeOf) -> Option<Uncounted> {
    let uncounted = |why, can_be| Some(Uncounted { uid: home.uid, why, can_be });
    let found = find(node, home).and_then(|found| {
        let Some((owner, place, directory)) = found else { return Ok(true) };
        is_possible(node, &place, &directory, owner.uid)?;
        Ok(project_of(&directory).map_err(|error| failed(error.to_string()))? == of(owner.uid))
    });
    match found {
        Ok(true) => None,
        Ok(false) => uncounted("it is older than its quota".into(), true),
        Err(error) => uncounted(error.to_string(), false),
    }
}

/// Gives a home that is there its id, or goes on with that: the home itself last, so that one which has it is done.
pub fn count(node: &Node, home: &HomeOf) -> Result<CountedHome, Error> {
    let Some((owner, place, directory)) = find(node, home)? else {
        return Ok(CountedHome { done: true, ..CountedHome::default() });
    };
    is_possible(node, &place, &directory, owner.uid)?;
    let device = fstat(&directory).map_err(|error| explain(&place.path, error))?.st_dev;
    let mut counting = Counting { place: &place, owner, device, until: None, so_far: CountedHome::default() };
    let outcome = counting.directory(&directory, MAX_COUNTED_DEPTH)?;
    Ok(CountedHome { done: outcome != Outcome::Later, ..counting.so_far })
}

fn of(uid: Uid) -> Project {
    Project { id: uid.0, inherits: true }
}

/// A home that is there and is this user's.
fn find(node: &Node, home: &HomeOf) -> Result<Option<(Owner, Place, OwnedFd)>, Error> {
    let owner = node.owner(&home.name, home.uid, home.uid)?;
    let home = super::path(node, &home.home)?;
    let place = match Place::find(&node.settings.homes, &home, false) {
        Err(Error::NotFound { .. }) => return Ok(None),
        place => place?,
    };
    let why = match place.look()? {
        Found::Nothing => return Ok(None),
        Found::Directory(uid) if uid == owner.uid.0 => {
            let opened = open_in(&place.parent, place.name.as_str(), DIRECTORY, ResolveFlag::RESOLVE_NO_XDEV);
            let directory = opened.map_err(|error| explain(&place.path, error))?;
            // Something else may have taken its place.
            match fstat(&directory).map_err(|error| explain(&place.path, error))?.st_uid {
                uid if uid == owner.uid.0 => return Ok(Some((owner, place, directory))),
                uid => format!("belongs to uid {uid}"),
            }
        }
        Found::Directory(uid) => format!("belongs to uid {uid}"),
        Found::LinkOfRoot => "is a link to somewhere else".to_owned(),
        Found::Other => "is no directory".to_owned(),
    };
    Err(conflict(format!("{} {why}: it is left alone", place.path)))
}

/// Whether this home can have its id, and whether anything would count it then.
fn is_possible(node: &Node, place: &Place, home: &OwnedFd, uid: Uid) -> Result<(), Error> {
    let explain = |error| explain(&place.path, error);
    node.project(uid)?;
    let device = fstat(home).map_err(explain)?.st_dev;
    let disks = node.settings.quota.filesystems.iter().filter(|one| one.kind == QuotaKind::Project);
    let is_there = disks.map(|one| one.path.as_str()).any(|path| {
        Filesystem::mounted_at(path.as_ref()).is_ok() && stat(path).is_ok_and(|there| there.st_dev == device)
    });
    if !is_there {
        let why = "is on no file system that has a [[quota.filesystem]] with kind = \"project\"";
        return Err(refused(format!("{} {why}", place.path)));
    }
    let around = open_in(&place.parent, ".", DIRECTORY, ResolveFlag::RESOLVE_NO_XDEV).map_err(explain)?;
    match project_of(&around) {
        Ok(Project { id, inherits: true }) if id != uid.0 => Err(refused(format!(
            "{} is in a directory that has the project id {id} itself, and nothing of another can be there: chattr -P takes \
             it off that directory",
            place.path
        ))),
        Ok(_) => Ok(()),
        Err(error) => Err(failed(format!("{}: {error}", place.path))),
    }
}

/// One call's way through a home. A directory has its id once all that is in it has: so it is known where to go on, and
/// whatever was moved away and back costs one look.
struct Counting<'a> {
    place: &'a Place,
    owner: Owner,
    device: u64,
    /// From the first change on: what is only looked at was done before, and must not take all the time there is.
    until: Option<Instant>,
    so_far: CountedHome,
}

/// What came of one file, or of a directory and all that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It is nobody's to change.
    Left,
    /// There is no time for all of it.
    Later,
}

impl Counting<'_> {
    fn directory(&mut self, directory: &OwnedFd, depth: usize) -> Result<Outcome, Error> {
        let wanted = of(self.owner.uid);
        if self.project(directory)? == wanted {
            return Ok(Outcome::Done);
        }
        if self.inside(directory, depth)?.is_none() {
            return Ok(Outcome::Later);
        }
        if self.set(directory, wanted)? == Outcome::Left {
            return Ok(Outcome::Left);
        }
        // What was made there meanwhile. What is left alone is told of now, and so once.
        let left = self.inside(directory, depth)?;
        self.so_far.left += left.unwrap_or_default();
        Ok(if left.is_some() { Outcome::Done } else { Outcome::Later })
    }

    /// How many of what is in a directory are left alone; none: there is no time for all of it.
    fn inside(&mut self, directory: &OwnedFd, depth: usize) -> Result<Option<u64>, Error> {
        let mut left = 0;
        for entry in entries(directory).map_err(|error| self.explain(error))?.iter() {
            let entry = entry.map_err(|error| self.explain(error))?;
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Ok(None);
            }
            if is_dots(&entry) {
                continue;
            }
            match self.entry(directory, entry.file_name(), depth)? {
                Outcome::Done => {}
                Outcome::Left => left += 1,
                Outcome::Later => return Ok(None),
            }
        }
        Ok(Some(left))
    }

    fn entry(&mut self, directory: &OwnedFd, name: &CStr, depth: usize) -> Result<Outcome, Error> {
        // What is mounted there is not even looked at: it may be of a user (FUSE), who lets root see nothing or answers nothing.
        let open = |flags| {
            let opened = open_in(directory, name, flags, ResolveFlag::RESOLVE_NO_XDEV)?;
            fstat(&opened).map(|status| (opened, status))
        };
        let status = match open(OFlag::O_PATH) {
            Ok((_, status)) => status,
            Err(Errno::ENOENT) => return Ok(Outcome::Done),
            Err(Errno::EXDEV | Errno::EACCES) => return Ok(Outcome::Left),
            Err(error) => return Err(self.explain(error)),
        };
        // Links, pipes and sockets hold no data, and cannot be opened without harm.
        if !matches!(kind(&status), SFlag::S_IFDIR | SFlag::S_IFREG) {
            return Ok(Outcome::Done);
        }
        if !self.is_ours(&status) {
            return Ok(Outcome::Left);
        }
        // A file that somebody holds a lease on is not waited for. It is what it is now, and not what had the name a moment ago.
        let Ok((opened, status)) = open(OFlag::O_RDONLY | OFlag::O_NONBLOCK) else {
            return Ok(Outcome::Left);
        };
        match (self.is_ours(&status), kind(&status), depth) {
            (true, SFlag::S_IFREG, _) => self.file(&opened),
            (true, SFlag::S_IFDIR, 1..) => self.directory(&opened, depth - 1),
            _ => Ok(Outcome::Left),
        }
    }

    /// Of a file with several names, others may be anywhere.
    fn is_ours(&self, status: &FileStat) -> bool {
        let has_one_name = kind(status) == SFlag::S_IFDIR || status.st_nlink == 1;
        status.st_uid == self.owner.uid.0 && status.st_dev == self.device && has_one_name
    }

    fn file(&mut self, file: &OwnedFd) -> Result<Outcome, Error> {
        let wanted = Project { id: self.owner.uid.0, inherits: false };
        if self.project(file)? == wanted { Ok(Outcome::Done) } else { self.set(file, wanted) }
    }

    fn project(&self, file: &OwnedFd) -> Result<Project, Error> {
        project_of(file).map_err(|error| failed(format!("{}: {error}", self.place.path)))
    }

    fn set(&mut self, file: &OwnedFd, project: Project) -> Result<Outcome, Error> {
        let path = &self.place.path;
        let outcome = match set_project(file, project) {
            Ok(()) => {
                self.so_far.changed += 1;
                Outcome::Done
            }
            // It may not be changed by anybody (chattr +i).
            Err(Trouble::NotPermitted) => Outcome::Left,
            Err(Trouble::Io(error)) if error.raw_os_error() == Some(Errno::EDQUOT as i32) => {
                return Err(refused(format!(
                    "{path} holds more than {} may have: part of it is counted; give them more (podyctl quota set), or have \
                     them remove something",
                    self.owner.name
                )));
            }
            Err(error) => return Err(failed(format!("{path}: {error}"))),
        };
        self.until.get_or_insert_with(|| Instant::now() + COUNT_FOR);
        Ok(outcome)
    }

    fn explain(&self, error: Errno) -> Error {
        explain(&self.place.path, error)
    }
}

/// Ids themselves want a file system that keeps them, and such a kernel: that is tried in a virtual machine.
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};
    use std::path::Path;

    use identity::Gid;
    use nix::fcntl::open;
    use nix::sys::stat::Mode;

    use super::*;
    use crate::helper::harness;
    use crate::helper::tests::hung::{hang, mounts_of_ones_own, run};
    use crate::testing::{Folder, name};

    /// How many of what is in a home are left alone, where nothing else is in it that could be given an id.
    fn left_in(home: &Path) -> Option<u64> {
        let opened = open(home, DIRECTORY, Mode::empty()).unwrap();
        let parent = open(home.parent().unwrap(), DIRECTORY, Mode::empty()).unwrap();
        let place = Place { parent, name: "home".into(), path: "/home/ada".into() };
        let uid = harness::owner();
        let owner = Owner { name: name("ada"), uid: Uid(uid), gid: Gid(uid) };
        let device = fstat(&opened).unwrap().st_dev;
        let mut counting =
            Counting { place: &place, owner, device, until: None, so_far: CountedHome::default() };
        let left = counting.inside(&opened, 1).unwrap();
        assert_eq!(
            counting.so_far,
            CountedHome::default(),
            "each directory is looked at twice, and told of once"
        );
        left
    }

    #[test]
    fn files_with_several_names_are_left_alone_and_links_and_pipes_are_nothing() {
        let folder = Folder::new();
        let home = folder.subfolder("home");
        fs::write(home.join("one"), "x").unwrap();
        chown(home.join("one"), Some(harness::owner()), None).unwrap();
        fs::hard_link(home.join("one"), home.join("two")).unwrap();
        symlink("one", home.join("link")).unwrap();
        nix::unistd::mkfifo(&home.join("pipe"), Mode::S_IRWXU).unwrap();
        assert_eq!(left_in(&home), Some(2));
    }

    #[test]
    #[ignore = "needs root: mounts a file system"]
    fn what_users_mount_in_their_homes_is_left_alone_and_keeps_no_home_from_being_counted() {
        mounts_of_ones_own();
        let folder = Folder::new();
        let home = folder.subfolder("home");
        fs::create_dir(home.join("doc")).unwrap();
        // Root is let in by none of the two: the one says so, the other never answers.
        let servers = [harness::owner(), 0].map(|uid| hang(&home.join("doc"), uid));
        assert_eq!(left_in(&home), Some(1));
        drop(servers);
        (0..2).for_each(|_| run(std::process::Command::new("umount").arg(home.join("doc"))));
    }
}
