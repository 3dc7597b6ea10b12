//! `org.pody.Node`: how this node is doing.

use serde::{Deserialize, Serialize};

use crate::Method;

/// Asks for the state of the node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {}

impl Method for Status {
    const NAME: &'static str = "org.pody.Node.Status";
    type Reply = NodeStatus;
}

/// The state of the node (`podyctl status`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// podyd's version.
    pub version: String,
    /// The kind of directory: `local`, `sql` or `remote`.
    pub directory: String,
    /// Where it is, without secrets.
    pub location: String,
    /// Whether the directory answers.
    #[serde(default)]
    pub reachable: bool,
    /// The directory's revision.
    pub revision: u64,
    /// The revision that NSS sees on this node.
    pub published_revision: u64,
    /// Users in the directory.
    pub users: u64,
    /// Groups in the directory, private ones included.
    pub groups: u64,
    /// Users and groups that this node does not serve, each with the reason, such as
    /// `user ada: ada is a local account of this machine (/etc/passwd)`; the first 100.
    #[serde(default)]
    pub hidden: Vec<String>,
    /// Seconds since podyd started.
    pub uptime_seconds: u64,
    /// What an admin should know.
    #[serde(default)]
    pub warnings: Vec<String>,
}
