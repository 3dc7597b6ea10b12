//! `org.pody.Setup`: what the first setup of a node asks of podyd, for root alone. Nothing is written by any of it.
//!
//! A [`Candidate`] is a whole configuration that is not in force, with the secrets that its files are to hold: what was
//! tried is so what is written.

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::directory::Secret;
use crate::oidc::{Checked, Step};

/// Asks whether this node may be set up, and what it has. Refused where people log in at an OpenID provider alone; a
/// conflict where there is an admin.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {}

impl Method for Look {
    const NAME: &'static str = "org.pody.Setup.Look";
    type Reply = Found;
}

/// A node that may be set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The file that podyd has its configuration from.
    pub config_file: String,
    /// The section of the configuration that says where the directory is; empty: it is this node's own.
    pub section: String,
    /// Where the directory is, without secrets.
    pub location: String,
    /// Users in it.
    pub users: u64,
    /// Who the OpenID provider is; empty: there is none.
    pub issuer: String,
    /// The fewest characters of a new password.
    pub min_password_length: u32,
}

/// A configuration that may come to be this node's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Its text.
    pub config: Secret,
    /// The files that it names and that are not there yet.
    #[serde(default)]
    pub files: Vec<SecretFile>,
}

/// A file with a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// Its absolute path.
    pub path: String,
    /// What it is to hold.
    pub text: Secret,
}

/// Tries the directory that a candidate names.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TryDirectory {
    /// The configuration.
    pub candidate: Candidate,
}

impl Method for TryDirectory {
    const NAME: &'static str = "org.pody.Setup.TryDirectory";
    type Reply = TriedDirectory;
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriedDirectory {
    /// Where it is, without secrets.
    pub location: String,
    /// Each thing that was tried, up to the first that failed.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Whether its tables have to be made, or brought up to date.
    #[serde(default)]
    pub needs_tables: bool,
    /// Users in it, where that is known.
    pub users: Option<u64>,
    /// Somebody who is an admin in it.
    pub admin: Option<String>,
}

/// Tries the OpenID provider that a candidate names, as `org.pody.Oidc.Check` does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TryProvider {
    /// The configuration.
    pub candidate: Candidate,
}

impl Method for TryProvider {
    const NAME: &'static str = "org.pody.Setup.TryProvider";
    type Reply = Checked;
}

/// Asks what a candidate would change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// The configuration.
    pub candidate: Candidate,
}

impl Method for Compare {
    const NAME: &'static str = "org.pody.Setup.Compare";
    type Reply = Compared;
}

/// What it would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// The settings that a reload takes over, such as `oidc.issuer`.
    #[serde(default)]
    pub reloaded: Vec<String>,
    /// Those that wait for a restart.
    #[serde(default)]
    pub restarted: Vec<String>,
}

/// Has podyd read its configuration again. It has done so some moments after the answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {}

impl Method for Reload {
    const NAME: &'static str = "org.pody.Setup.Reload";
    type Reply = Reloading;
}

/// podyd reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloading {}
