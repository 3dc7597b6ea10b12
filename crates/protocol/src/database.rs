//! `org.pody.Database`: the database behind the directory, for root alone.
//!
//! What takes long is a job: it is begun, goes on whoever asks, and is asked about until it has ended.

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::directory::Secret;

/// Asks for the state of the database.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {}

impl Method for Status {
    const NAME: &'static str = "org.pody.Database.Status";
    type Reply = DatabaseStatus;
}

/// Begins to bring the tables up to date.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migrate {}

impl Method for Migrate {
    const NAME: &'static str = "org.pody.Database.Migrate";
    type Reply = JobStatus;
}

/// Begins to copy the whole directory into another, empty database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// A configuration whose `[backend]` names that database. It may hold a password.
    pub config: Secret,
    /// Where it was read, for what is said about it.
    pub file: String,
    /// Only look whether it could be done.
    #[serde(default)]
    pub dry_run: bool,
}

impl Method for Copy {
    const NAME: &'static str = "org.pody.Database.Copy";
    type Reply = JobStatus;
}

/// Asks how far the last job is. One that failed is told as the error that it ended with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {}

impl Method for Job {
    const NAME: &'static str = "org.pody.Database.Job";
    type Reply = JobStatus;
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Which: `migrate` or `copy`.
    pub job: String,
    /// What it is doing.
    pub step: String,
    /// Rows that are done with.
    pub done: u64,
    /// Rows in all.
    pub total: u64,
    /// Whether it has ended, and well.
    #[serde(default)]
    pub finished: bool,
    /// What was done, a sentence each.
    #[serde(default)]
    pub report: Vec<String>,
}

/// The state of the database (`podyctl db status`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseStatus {
    /// The kind of directory: `local` or `sql`.
    pub directory: String,
    /// Where it is, without secrets.
    pub location: String,
    /// Whether it answers.
    #[serde(default)]
    pub reachable: bool,
    /// What its tables are to this podyd, as a sentence.
    pub schema: String,
    /// Whether they are what this podyd needs.
    #[serde(default)]
    pub fits: bool,
    /// Which database it is: another one has another epoch.
    pub epoch: String,
    /// The directory's revision.
    pub revision: u64,
    /// Users in it.
    pub users: u64,
    /// Groups in it, private ones included.
    pub groups: u64,
    /// How long it took to ask for the revision.
    pub round_trip_microseconds: u64,
    /// What is wrong, if something is.
    pub trouble: Option<String>,
    /// This node's replica, where it has one.
    pub replica: Option<ReplicaStatus>,
    /// The last job since podyd started.
    pub job: Option<JobStatus>,
}

/// How far a node's replica is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// The revision that it has; none: it holds nothing yet.
    pub revision: Option<u64>,
    /// Seconds since it was last known to be current; none: not since podyd started.
    pub current_seconds_ago: Option<u64>,
    /// Why it cannot follow, if so.
    pub trouble: Option<String>,
}
