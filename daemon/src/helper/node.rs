//! What this node allows, out of files that are root's, read anew for each connection: podyd is not asked.

use std::collections::BTreeMap;
use std::path::Path;

use identity::{AbsolutePath, Gid, Name, Uid};
use protocol::Error;

use super::{invalid, refused};
use crate::config::{self, Paths, Settings};
use crate::directory::{LocalAccounts, Rules};
use crate::etc;

/// What the helper goes by.
pub struct Node {
    /// Its sections of the configuration.
    pub settings: Settings,
    /// The ids that are accepted, and this machine's own accounts.
    pub rules: Rules,
    /// The names of projects that an admin looks after, by their ids.
    pub projects: BTreeMap<u32, String>,
}

/// A user of Pody, as far as root can tell: nobody local, and of ids that Pody has.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// The name.
    pub name: Name,
    /// The uid, in a range of the id-ranges file.
    pub uid: Uid,
    /// The primary group, likewise.
    pub gid: Gid,
}

impl Node {
    /// Reads /etc/pody, /etc/passwd and /etc/group. The error is a sentence.
    pub fn read() -> Result<Self, String> {
        let settings = config::load_for_helper(Paths::default())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let local = etc::local_accounts().map_err(|error| format!("/etc/passwd and /etc/group: {error}"))?;
        let mut node = Self::of(settings, local);
        if node.settings.quota.has_projects() {
            node.projects = etc::projects().map_err(|error| format!("/etc/projid: {error}"))?;
        }
        Ok(node)
    }

    /// One with these settings, on a machine with these accounts, where no admin has projects.
    pub fn of(settings: Settings, local: LocalAccounts) -> Self {
        let rules = Rules::of(&settings, local);
        Self { settings, rules, projects: BTreeMap::new() }
    }

    /// A user that a call names.
    pub fn owner(&self, name: &str, uid: u32, gid: u32) -> Result<Owner, Error> {
        let name: Name = name.parse().map_err(|error| invalid("name", error))?;
        let (uid, gid) = (Uid(uid), Gid(gid));
        match self.rules.objection_to_user(name, uid, gid) {
            None => Ok(Owner { name, uid, gid }),
            Some(objection) => Err(refused(objection)),
        }
    }

    /// The home of a local account that a path is, or is above or below. Those that are below no root hold nobody up: some
    /// are `/`, or a root itself.
    pub fn local_home_at(&self, path: &AbsolutePath) -> Option<&str> {
        let path = Path::new(path.as_str());
        let is_below_a_root =
            |home: &Path| {
                self.settings.homes.roots.iter().any(|root| {
                    home.strip_prefix(root.as_str()).is_ok_and(|rest| !rest.as_os_str().is_empty())
                })
            };
        let mut homes = self.rules.local.homes.iter().map(String::as_str);
        homes.find(|home| {
            let home = Path::new(home);
            is_below_a_root(home) && (home.starts_with(path) || path.starts_with(home))
        })
    }

    /// Whether a project of this id is a user's of Pody, and no admin's.
    pub fn project(&self, uid: Uid) -> Result<(), Error> {
        match self.projects.get(&uid.0) {
            None => Ok(()),
            Some(name) => Err(refused(format!(
                "/etc/projid gives the number {uid} to the project {name}, which is left alone: give that one another number"
            ))),
        }
    }

    /// The uid of a user of Pody.
    pub fn uid(&self, uid: u32) -> Result<Uid, Error> {
        self.rules.objection_to_id_here("uid", uid).map_or(Ok(Uid(uid)), |objection| Err(refused(objection)))
    }
}
