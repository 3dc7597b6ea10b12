//! A text that is shown to nobody: no log, error or debug output can hold it by accident.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a token, or a URL that may hold one. It is wiped from memory when it is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself, for the one who connects with it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Secret> for Zeroizing<String> {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_told_to_those_alone_who_ask_for_it() {
        let secret = Secret::from("correct horse".to_owned());
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "hidden Secret(hidden) Secret(hidden)");
        assert_eq!(secret.expose(), "correct horse");
    }
}
