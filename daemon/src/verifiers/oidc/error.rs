//! What goes wrong with an OpenID provider, by what it means for whoever waits, and in words for an admin.

use std::fmt;

/// The result of asking a provider.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no answer, or not the one that was wanted. It never holds a secret, a code or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What it means.
    pub trouble: Trouble,
    /// Whether the provider may have answered all the same.
    pub(super) answer_is_lost: bool,
    /// Whether whatever else is asked would end the same.
    pub(super) is_for_all: bool,
    message: String,
}

/// What an [`Error`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The provider does not answer, or says that it cannot now: later it may.
    Away,
    /// The settings do not fit the provider: an admin has to look.
    Misconfigured,
    /// Somebody, or the provider, said no.
    Denied,
    /// Nobody said yes in time.
    Expired,
    /// The ID token proves nothing.
    InvalidToken,
}

/// Longer sentences of a provider would fill a log.
const MAX_QUOTED_CHARS: usize = 200;

impl Error {
    fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, answer_is_lost: false, is_for_all: false, message: message.into() }
    }

    pub(super) fn away(message: impl Into<String>) -> Self {
        Self::new(Trouble::Away, message)
    }

    /// Nobody knows whether it has heard the question, and answered.
    pub(super) fn lost(message: impl Into<String>) -> Self {
        Self { answer_is_lost: true, ..Self::away(message) }
    }

    /// It is not about the one who asked.
    pub(super) fn for_all(self) -> Self {
        Self { is_for_all: true, ..self }
    }

    pub(super) fn misconfigured(message: impl Into<String>) -> Self {
        Self::new(Trouble::Misconfigured, message)
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(Trouble::Denied, message)
    }

    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(Trouble::Expired, message)
    }

    pub(super) fn invalid_token(message: impl Into<String>) -> Self {
        Self::new(Trouble::InvalidToken, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What somebody else wrote, fit for a line of a log or a terminal.
pub fn quoted(text: &str) -> String {
    let visible = |character: char| if character.is_control() { '?' } else { character };
    text.chars().take(MAX_QUOTED_CHARS).map(visible).collect()
}
