//! Why the directory did not do what was asked; the variants are by who must act.

use std::fmt;

/// A refusal or failure, with one sentence for an admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The caller gave something that can never be right.
    InvalidInput {
        /// The parameter it is about.
        field: &'static str,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// There is no such user or group.
    NotFound(String),
    /// The name or id is taken, or was.
    Conflict(String),
    /// The record has changed since the revision that the caller saw.
    Changed(String),
    /// The caller may not, or policy forbids it.
    Refused(String),
    /// What an OpenID provider says of somebody keeps them out, and nothing else: neither the caller's rights nor any trouble.
    Unwelcome(String),
    /// It may be looked at here and changed elsewhere.
    ReadOnly(String),
    /// The database does not answer; nothing was changed.
    Away(String),
    /// A queue is full or a wait took too long; later it may work.
    Busy(String),
    /// We are broken: what the store holds is not what it must hold.
    Failed(String),
}

impl Error {
    /// [`Error::InvalidInput`] for anything that explains itself.
    pub fn invalid(field: &'static str, reason: impl fmt::Display) -> Self {
        Self::InvalidInput { field, message: reason.to_string() }
    }

    /// The same with the place or step that it is about before it.
    pub fn about(self, what: impl fmt::Display) -> Self {
        let about = |message| format!("{what}: {message}");
        match self {
            Self::InvalidInput { field, message } => Self::InvalidInput { field, message: about(message) },
            Self::NotFound(message) => Self::NotFound(about(message)),
            Self::Conflict(message) => Self::Conflict(about(message)),
            Self::Changed(message) => Self::Changed(about(message)),
            Self::Refused(message) => Self::Refused(about(message)),
            Self::Unwelcome(message) => Self::Unwelcome(about(message)),
            Self::ReadOnly(message) => Self::ReadOnly(about(message)),
            Self::Away(message) => Self::Away(about(message)),
            Self::Busy(message) => Self::Busy(about(message)),
            Self::Failed(message) => Self::Failed(about(message)),
        }
    }

    /// There is no such user.
    pub fn no_user(name: impl fmt::Display) -> Self {
        Self::NotFound(format!("there is no user {name}"))
    }

    /// There is no such group.
    pub fn no_group(name: impl fmt::Display) -> Self {
        Self::NotFound(format!("there is no group {name}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInput { field, message } => write!(f, "{field}: {message}"),
            Self::NotFound(message)
            | Self::Conflict(message)
            | Self::Changed(message)
            | Self::Refused(message)
            | Self::Unwelcome(message)
            | Self::ReadOnly(message)
            | Self::Away(message)
            | Self::Busy(message)
            | Self::Failed(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

/// What directory operations return.
pub type Result<T> = std::result::Result<T, Error>;
