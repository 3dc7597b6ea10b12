//! What podyd goes by once its configuration has been read: every value valid, none optional that has
//! a default. Nothing here knows of files, TOML or the environment.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use identity::{AbsolutePath, IdRange};

use super::{Backend, Homes, Oidc, OidcLogin, OidcUsers, ProfileService, Quota, Sessions, Template};

/// All settings. `Settings::default()` is an empty configuration file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Where everything is.
    pub paths: Paths,
    /// `[backend]`.
    pub backend: Backend,
    /// `[remote_user_profile.service]`.
    pub service: ProfileService,
    /// `[ids]`.
    pub ids: Ids,
    /// `[users]`.
    pub users: Users,
    /// `[homes]`.
    pub homes: Homes,
    /// `[auth]`.
    pub auth: Auth,
    /// `[oidc]`.
    pub oidc: Oidc,
    /// `[oidc.login]`.
    pub oidc_login: OidcLogin,
    /// `[oidc.users]`.
    pub oidc_users: OidcUsers,
    /// `[quota]` and the sections below it.
    pub quota: Quota,
    /// `[offline]`.
    pub offline: Offline,
    /// `[password]`.
    pub password: Password,
    /// `[sessions]`.
    pub sessions: Sessions,
    /// `[nss]`.
    pub nss: Nss,
    /// `[log]`.
    pub log: Log,
}

impl Settings {
    /// Whether somebody who does not exist may come to be a user by logging in here.
    pub fn users_may_arrive(&self) -> bool {
        self.oidc.is_configured() && self.oidc_users.create && !self.oidc_users.allows_nobody()
    }

    /// The htpasswd file to follow: a database that nodes share has its users from nowhere else.
    pub fn htpasswd(&self) -> Option<&Path> {
        self.auth.htpasswd.as_deref().filter(|_| self.backend == Backend::Local)
    }
}

/// Files and directories. `PODY_HOME` moves them all.
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    /// `/etc/pody/config.toml`, or what `--config` named.
    pub config_file: PathBuf,
    /// `/etc/pody/id-ranges`.
    pub id_ranges: PathBuf,
    /// `/var/lib/pody`.
    pub state: PathBuf,
    /// `/var/cache/pody`.
    pub cache: PathBuf,
    /// `/run/pody`.
    pub run: PathBuf,
    /// Where podyd-helper listens: `/run/pody-helper/socket`.
    pub helper: PathBuf,
}

/// Which ids users and groups get.
#[derive(Clone, Debug, PartialEq)]
pub struct Ids {
    /// New ids come from here. Lies inside one of `accept` and holds at least one usable id.
    pub allocate: IdRange,
    /// Ids that an import may keep: what the node's modules will serve.
    pub accept: Vec<IdRange>,
    /// Where the ids of those who come by a login are from.
    pub allocation: IdAllocation,
}

/// Which id somebody gets who comes by a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdAllocation {
    /// A derived one where the directory is this node's own and is gone when the machine ends, else the next.
    #[default]
    Auto,
    /// The next one that is free.
    Next,
    /// One that comes of the provider and the name.
    Derived,
}

/// What new users get unless told otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Users {
    /// The home directory.
    pub home: Template,
    /// The login shell.
    pub shell: AbsolutePath,
}

/// Who may log in, and how often one may try.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// How users prove who they are.
    pub mode: AuthMode,
    /// No more users than this are created; `None`: no limit.
    pub max_users: Option<u32>,
    /// What guessing costs.
    pub lockout: Lockout,
    /// `[auth.htpasswd] file`, absolute: its users are kept in step with the directory of this node.
    pub htpasswd: Option<PathBuf>,
    /// `[auth.tokens] file`, absolute: where tokens are kept instead of the directory's own file.
    pub tokens: Option<PathBuf>,
}

/// What goes on while a shared directory is away.
#[derive(Clone, Debug, PartialEq)]
pub struct Offline {
    /// How long a password that was right here lets its owner in, and a copy that was current is believed; zero: not at all.
    pub max_age: Duration,
}

/// How users prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// With a password that this directory keeps.
    #[default]
    Standalone,
    /// At the OpenID provider, and in no other way: no password counts, through whatever door.
    OidcOnly,
}

/// What guessing passwords costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Lockout {
    /// Failures in a row that one user has free.
    pub user_failures: u32,
    /// Failures in a row that one remote address has free.
    pub source_failures: u32,
    /// The wait after the first failure beyond those; it doubles with each further one.
    pub first_wait: Duration,
    /// The wait grows no longer than this. Not below `first_wait`.
    pub longest_wait: Duration,
    /// Failures are forgotten after this long without a new one. Not below `longest_wait`.
    pub forget_after: Duration,
}

/// How passwords are kept: argon2id's parameters for new hashes, and the rule for new passwords.
#[derive(Clone, Debug, PartialEq)]
pub struct Password {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory. With `memory_kib`, never weaker than OWASP's minimum.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// Passwords checked at the same time; 0: one per CPU. See [`Password::parallel_verifications`].
    pub verifications: u32,
    /// The shortest new password, in characters.
    pub min_length: u32,
}

/// How lookups are published.
#[derive(Clone, Debug, PartialEq)]
pub struct Nss {
    /// `getpwent` and `getgrent` list everybody up to this many records, and nobody beyond.
    pub enumerate_up_to: u32,
    /// Changed records after which a new base snapshot is written.
    pub merge_after: u32,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The least important messages that are still shown.
    pub level: LogLevel,
}

/// A level of importance, spelt in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub tracing::Level);

/// More than this many argon2 hashes at once only compete for memory bandwidth.
pub(super) const MAX_VERIFICATIONS: u32 = 64;

impl Password {
    /// How many passwords may be checked at the same time, 1 to 64.
    pub fn parallel_verifications(&self) -> usize {
        let wanted = match self.verifications {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given as usize,
        };
        wanted.min(MAX_VERIFICATIONS as usize)
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            config_file: "/etc/pody/config.toml".into(),
            id_ranges: "/etc/pody/id-ranges".into(),
            state: "/var/lib/pody".into(),
            cache: "/var/cache/pody".into(),
            run: "/run/pody".into(),
            helper: protocol::helper::SOCKET.into(),
        }
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self {
            allocate: IdRange::DEFAULT,
            accept: vec![IdRange::ORDINARY],
            allocation: IdAllocation::default(),
        }
    }
}

impl Default for Users {
    fn default() -> Self {
        Self {
            home: "/home/%u".parse().expect("the default is valid"),
            shell: "/bin/bash".parse().expect("the default is valid"),
        }
    }
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            user_failures: 10,
            source_failures: 50,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(15 * 60),
            forget_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Default for Offline {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(7 * 24 * 60 * 60) }
    }
}

impl Default for Password {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1, verifications: 0, min_length: 8 }
    }
}

impl Default for Nss {
    fn default() -> Self {
        Self { enumerate_up_to: 100_000, merge_after: 4096 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel(tracing::Level::INFO) }
    }
}

impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standalone => "standalone",
            Self::OidcOnly => "oidc-only",
        })
    }
}

impl FromStr for AuthMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "standalone" => Ok(Self::Standalone),
            "oidc-only" => Ok(Self::OidcOnly),
            _ => Err("is \"standalone\" or \"oidc-only\""),
        }
    }
}

impl fmt::Display for IdAllocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Next => "next",
            Self::Derived => "derived",
        })
    }
}

impl FromStr for IdAllocation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "next" => Ok(Self::Next),
            "derived" => Ok(Self::Derived),
            _ => Err("is \"auto\", \"next\" or \"derived\""),
        }
    }
}

const LEVELS: [(&str, tracing::Level); 5] = [
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = LEVELS.iter().find(|(_, level)| *level == self.0).map_or("info", |(word, _)| word);
        f.write_str(word)
    }
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let level = LEVELS.iter().find(|(word, _)| *word == text).map(|(_, level)| Self(*level));
        level.ok_or("is one of \"error\", \"warn\", \"info\", \"debug\" and \"trace\"")
    }
}
