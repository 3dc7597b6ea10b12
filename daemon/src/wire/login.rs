//! Passwords that another node has judged, or set. These bodies hold secrets: they have no `Debug`, and are wiped when dropped.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::directory::Judged;

/// The body of `POST /v1/users/NAME/authenticate`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthenticateBody {
    /// The password.
    pub password: String,
    /// The remote host that the login comes from, if it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rhost: Option<String>,
}

impl Drop for AuthenticateBody {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

/// How it was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum AuthenticateReply {
    /// The password is right.
    #[serde(rename = "granted")]
    Granted {
        /// Whose it is.
        uuid: String,
        /// The revision in which it was set.
        password_revision: u64,
        /// Whether it was found right by what the node remembers, because the owner of the directory does not answer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        remembered: bool,
    },
    /// It is wrong, or there is none, or no such user.
    #[serde(rename = "denied")]
    Denied,
    /// Nobody looked at it: there were too many failures.
    LockedOut {
        /// How long that lasts.
        seconds: u64,
    },
}

impl From<Judged> for AuthenticateReply {
    fn from(judged: Judged) -> Self {
        match judged {
            Judged::Right { uuid, revision, is_current } => {
                Self::Granted { uuid, password_revision: revision, remembered: !is_current }
            }
            Judged::Wrong => Self::Denied,
            Judged::LockedOut { seconds } => Self::LockedOut { seconds },
        }
    }
}

impl From<AuthenticateReply> for Judged {
    fn from(reply: AuthenticateReply) -> Self {
        match reply {
            AuthenticateReply::Granted { uuid, password_revision, remembered } => {
                Self::Right { uuid, revision: password_revision, is_current: !remembered }
            }
            AuthenticateReply::Denied => Self::Wrong,
            AuthenticateReply::LockedOut { seconds } => Self::LockedOut { seconds },
        }
    }
}

/// The body of `PUT /v1/users/NAME/password`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The old password, for whoever may change no more than one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The new one; it is hashed by the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Its verifier instead, made by whoever asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
}

impl Drop for PasswordBody {
    fn drop(&mut self) {
        self.old.zeroize();
        self.password.zeroize();
        self.password_hash.zeroize();
    }
}
