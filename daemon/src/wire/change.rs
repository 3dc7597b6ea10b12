//! Changes of what exists.

use serde::{Deserialize, Serialize};

use super::object::objects;
use crate::directory::UserChange;

/// The body of `PATCH /v1/users/NAME`: what is left out stays; `null` takes an address or an expiry away. The revision that
/// the user must be at goes into the header `If-Match`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserChangeBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    new_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gecos: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shell: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_admin: Option<bool>,
}

impl From<&UserChange> for UserChangeBody {
    fn from(change: &UserChange) -> Self {
        Self {
            new_name: change.name.as_ref().map(ToString::to_string),
            gecos: change.gecos.as_ref().map(ToString::to_string),
            email: change.email.as_ref().map(|email| email.as_ref().map(ToString::to_string)),
            home: change.home.as_ref().map(ToString::to_string),
            shell: change.shell.as_ref().map(ToString::to_string),
            state: change.state.map(|state| state.as_str()),
            expires_at: change.expires_at.as_ref().map(|day| day.as_ref().map(ToString::to_string)),
            is_admin: change.is_admin,
        }
    }
}

/// The body of `POST /v1/groups/NAME/members`: several begin or end at once, or none does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MembersBody {
    /// Users.
    pub users: Vec<String>,
    /// Whether they are to be members.
    pub present: bool,
}

objects!(MembersBody);
