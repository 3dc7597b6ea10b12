//! Varlink's messages: one JSON object, ended by a NUL byte (<https://varlink.org/Method-Call>).

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The largest message either side takes, without its NUL. An import of 500 users with long hashes is
/// about 200 KiB; a peer that sends more than this is not one of ours.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// A method of an `org.pody.*` interface: the call's parameters, which name what comes back.
pub trait Method: Serialize + DeserializeOwned {
    /// `interface.Method`.
    const NAME: &'static str;
    /// The parameters of the reply.
    type Reply: Serialize + DeserializeOwned;
}

/// A call as it stands on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call<'a> {
    /// `interface.Method`.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The method's own object.
    #[serde(default)]
    pub parameters: serde_json::Value,
}

/// A reply as it stands on the wire: an error's name, or none, and its parameters.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    /// `org.pody.…` or `org.varlink.service.…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The reply's own object, or the error's.
    #[serde(default)]
    pub parameters: serde_json::Value,
}
