//! Where the directory is: in a file of this node, in a database that many nodes share, or at another node.
//! These are the settings alone, valid and complete; who connects with them is elsewhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::database_url::location;
use super::remote_user_profile::Provider;
use super::secret::Secret;

/// Where the directory is. Every variant is there in every build: one that was not compiled in is
/// refused while the configuration is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Backend {
    /// In the state directory. Its tables are brought up to date when it is opened.
    #[default]
    Local,
    /// `[backend.postgres]`.
    Postgres(SharedSql),
    /// `[backend.mysql]`: MySQL or MariaDB.
    Mysql(SharedSql),
    /// `[backend.libsql]`.
    Libsql(Libsql),
    /// `[remote_user_profile.provider]`.
    Remote(Provider),
}

/// A database server that nodes share.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedSql {
    /// `postgres://` or `mysql://`, with a host and a database; it may hold a password.
    pub url: Secret,
    /// Connections that this node keeps open at the most.
    pub max_connections: u32,
    /// Whether this node may bring the tables up to date when it starts.
    pub auto_migrate: bool,
}

/// A libSQL database behind HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Libsql {
    /// `libsql://`, `https://` or `http://`, with a host and neither user nor query.
    pub url: Secret,
    /// The bearer token that the database wants, if it wants one.
    pub auth_token: Option<Secret>,
    /// A copy of the database on this node that credentials and tokens are read from; absolute.
    pub replica_path: Option<PathBuf>,
    /// How often this node asks for changes of other nodes; `None`: only when it is told to.
    pub sync_interval: Option<Duration>,
    /// Whether this node may bring the tables up to date when it starts.
    pub auto_migrate: bool,
}

impl SharedSql {
    /// Where the database is, for people: no user, no password, no parameters.
    pub fn location(&self) -> String {
        location(self.url.expose())
    }
}

impl Libsql {
    /// Where the database is, for people.
    pub fn location(&self) -> String {
        location(self.url.expose())
    }
}

impl Backend {
    /// The table that chose it; `None` for a file of this node, which other nodes do not use.
    pub fn table(&self) -> Option<&'static str> {
        match self {
            Self::Local => None,
            Self::Postgres(_) => Some("backend.postgres"),
            Self::Mysql(_) => Some("backend.mysql"),
            Self::Libsql(_) => Some("backend.libsql"),
            Self::Remote(_) => Some("remote_user_profile.provider"),
        }
    }

    /// Whether a running podyd can go on with `new`: that is the same service, reached in another way.
    pub fn reloads_to(&self, new: &Self) -> bool {
        match (self, new) {
            (Self::Remote(old), Self::Remote(new)) => {
                old.endpoint == new.endpoint && old.compat == new.compat
            }
            _ => self == new,
        }
    }

    /// A file that credentials and tokens are to be kept in, too.
    pub fn replica_path(&self) -> Option<&Path> {
        match self {
            Self::Libsql(libsql) => libsql.replica_path.as_deref(),
            _ => None,
        }
    }

    /// Whether this node may bring the tables up to date when it starts.
    pub fn auto_migrate(&self) -> bool {
        match self {
            Self::Local => true,
            Self::Remote(_) => false,
            Self::Postgres(shared) | Self::Mysql(shared) => shared.auto_migrate,
            Self::Libsql(libsql) => libsql.auto_migrate,
        }
    }
}
