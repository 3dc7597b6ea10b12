//! What goes wrong between us and the database, by what it means for a write that was under way.

use std::fmt;

/// The result of asking the database.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no answer. Messages name the server and never the token or a statement's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The address or the token cannot be used.
    Misconfigured(String),
    /// There was no connection, so that nothing was sent.
    Unreachable(String),
    /// The server does not take the token.
    Unauthorized(String),
    /// The server does not take the request, whoever sends it.
    Refused(String),
    /// The database refused the statement and is as it was before it.
    Sql {
        /// The server's word for it, such as `SQLITE_BUSY`; servers differ.
        code: String,
        /// The server's sentence.
        message: String,
    },
    /// The server has given the stream up: its transaction is undone, and this request was not carried out.
    StreamLost(String),
    /// The request was sent, and no answer came in time.
    TimedOut(String),
    /// The request was sent, and the connection or the server broke before it had answered.
    Interrupted(String),
    /// The answer is not one that the protocol allows.
    Protocol(String),
}

impl Error {
    /// Whether a write may have happened although this came back. In a transaction that concerns its COMMIT alone.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Interrupted(_) | Self::Protocol(_))
    }

    /// Whether another transaction is in the way, so that a later attempt may succeed.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Sql { code, message } => {
                ["SQLITE_BUSY", "SQLITE_LOCKED", "TRANSACTION_BUSY"].iter().any(|busy| code.starts_with(busy))
                    || message.contains("database is locked")
            }
            _ => false,
        }
    }

    /// Whether a UNIQUE or PRIMARY KEY constraint refused a row. The codes of no two servers agree; SQLite's sentence
    /// is in all of theirs.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql { message, .. } if message.contains("UNIQUE constraint failed"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misconfigured(message)
            | Self::Unreachable(message)
            | Self::Unauthorized(message)
            | Self::Refused(message)
            | Self::StreamLost(message)
            | Self::TimedOut(message)
            | Self::Interrupted(message)
            | Self::Protocol(message) => f.write_str(message),
            Self::Sql { code, message } if code.is_empty() => f.write_str(message),
            Self::Sql { code, message } => write!(f, "{message} ({code})"),
        }
    }
}

impl std::error::Error for Error {}
