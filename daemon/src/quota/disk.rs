//! A filesystem with quotas, and what counts there. On one filesystem both kinds may count, each with limits of its own.

use std::fmt;
use std::str::FromStr;

/// Where a filesystem is mounted: an absolute path, written in one way. Empty only where nothing was said yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountPoint(String);

/// What counts on a filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaKind {
    /// What a user owns, wherever it is.
    #[default]
    User,
    /// What is in a user's home, whoever owns it.
    Project,
}

/// The quotas of one kind on one filesystem. It is written `/home`, and where projects count `project:/home`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Disk {
    /// Where it is mounted.
    pub path: MountPoint,
    /// What counts.
    pub kind: QuotaKind,
}

/// What the name of a disk begins with where projects count.
const PROJECT: &str = "project:";

/// A path with which the kernel can be called (PATH_MAX), and far longer than anybody's mount point.
const MAX_PATH_BYTES: usize = 1024;

impl MountPoint {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MountPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for MountPoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text
            .strip_prefix('/')
            .ok_or("must be the absolute path that a filesystem is mounted at, such as /home")?;
        let is_plain = path.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_plain || text.len() > MAX_PATH_BYTES || text.contains(char::is_control) {
            return Err("must be a path as mount shows it: without //, . and .. in it and / at its end");
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Project => "project",
        })
    }
}

impl FromStr for QuotaKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "user" => Ok(Self::User),
            "project" => Ok(Self::Project),
            _ => Err("is \"user\" or \"project\""),
        }
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            QuotaKind::User => "",
            QuotaKind::Project => PROJECT,
        };
        write!(f, "{kind}{}", self.path)
    }
}

impl FromStr for Disk {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, path) = match text.strip_prefix(PROJECT) {
            Some(path) => (QuotaKind::Project, path),
            None => (QuotaKind::User, text),
        };
        Ok(Self { path: path.parse()?, kind })
    }
}
