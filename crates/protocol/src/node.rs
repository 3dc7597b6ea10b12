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
    /// How this node's copy of a shared directory stands to it; none: the directory is here.
    #[serde(default)]
    pub replica: Option<Replica>,
    /// How long changes took from their commit, wherever that was, to this node's lookups: the median of the last ones, in
    /// milliseconds by the two clocks. None: there was no change since podyd started.
    #[serde(default)]
    pub delay_milliseconds: Option<u64>,
    /// The longest of them.
    #[serde(default)]
    pub longest_delay_milliseconds: Option<u64>,
    /// Where other nodes take this one's directory from; none: nowhere.
    #[serde(default)]
    pub service: Option<Served>,
    /// What an admin should know.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The port at which other nodes are served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The address and port.
    pub address: String,
    /// Whether TLS is spoken there, or plain http.
    #[serde(default)]
    pub tls: bool,
    /// Whether nothing is changed there.
    #[serde(default)]
    pub readonly: bool,
    /// Connections that are open.
    pub connections: u64,
    /// Requests that were answered since podyd started.
    pub requests: u64,
}

/// Asks for what podyd counts, and how it stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {}

impl Method for Metrics {
    const NAME: &'static str = "org.pody.Node.Metrics";
    type Reply = MetricsText;
}

/// What podyd counts (`podyctl metrics`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricsText {
    /// The text, in the format of OpenMetrics, which Prometheus reads.
    pub text: String,
}

/// Asks what is reserved on this node for people whose first login may be under way; for root and admins.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservations {}

impl Method for Reservations {
    const NAME: &'static str = "org.pody.Node.Reservations";
    type Reply = Reserved;
}

/// What is reserved (`podyctl reservations`), in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Each reservation.
    #[serde(default)]
    pub reservations: Vec<Reservation>,
}

/// What is kept for somebody who does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The id of the private group.
    pub gid: u32,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
    /// When the directory may give it to others, as RFC 3339 writes it.
    pub expires_at: String,
    /// How long that still is.
    pub seconds_left: u64,
}

/// Asks what is wrong with the node, or soon may be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doctor {}

impl Method for Doctor {
    const NAME: &'static str = "org.pody.Node.Doctor";
    type Reply = Findings;
}

/// What podyd finds (`podyctl doctor`), the worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// Each finding. What is said of secrets and tokens is for root and admins alone.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// Something that an admin should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: a setting, or a part of the node.
    pub subject: String,
    /// What is so, as a clause.
    pub finding: String,
    /// What to do, as a clause.
    pub advice: String,
}

/// How bad something is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work, or a secret is open to others.
    Problem,
    /// It works, and may not do so for long, or not as safely as it could.
    Warning,
    /// Good to know.
    Note,
}

/// A copy of a shared directory on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Seconds since it was last known to be current; none: not since podyd started.
    pub current_seconds_ago: Option<u64>,
    /// While everything is copied: how many users have come, and how many there are.
    #[serde(default)]
    pub copying: Option<[u64; 2]>,
    /// Why it is not being kept current, if so.
    #[serde(default)]
    pub trouble: Option<String>,
    /// Whether that is because nobody answers.
    #[serde(default)]
    pub is_away: bool,
}
