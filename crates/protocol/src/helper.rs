//! `org.pody.Helper`: what podyd asks of podyd-helper, the one part of Pody that is root, on a socket that nobody else may
//! use. The helper believes nothing of it: each call is checked again on its side.

use serde::{Deserialize, Serialize};

use crate::Method;

/// Where podyd-helper listens (mode 0600, podyd's user; SO_PEERCRED decides).
pub const SOCKET: &str = "/run/pody-helper/socket";

/// The largest message either side takes, without its NUL: a page of quotas is some 30 KiB, everything else far less.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

/// Makes a user's home out of the skeleton, unless there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeHome {
    /// Whose.
    pub name: String,
    /// The owner.
    pub uid: u32,
    /// The owner's primary group.
    pub gid: u32,
    /// Where.
    pub home: String,
}

impl Method for MakeHome {
    const NAME: &'static str = "org.pody.Helper.Home.Make";
    type Reply = MadeHome;
}

/// A user's home is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeHome {
    /// Whether it was made just now.
    #[serde(default)]
    pub made: bool,
}
