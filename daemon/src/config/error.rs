//! What is wrong with a configuration, and where. An error never shows a setting's value, which might
//! be a secret.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

/// One thing that is wrong. It is shown as `FILE:LINE:COLUMN: KEY: message`, or `VARIABLE: KEY: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it stands.
    pub place: Place,
    /// The setting, such as `ids.min`; `TOML` for an error of syntax, `file` for one about the whole file.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Where a setting was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The character in that line, from 1.
        column: usize,
    },
    /// In an environment variable.
    Variable(String),
}

impl ConfigError {
    /// An error about a file as a whole.
    pub(super) fn about_file(path: &Path, message: impl Into<String>) -> Self {
        Self { place: Place::start_of(path), key: "file".into(), message: message.into() }
    }
}

impl Place {
    /// The first character of a file.
    pub(super) fn start_of(path: &Path) -> Self {
        Self::File { path: path.into(), line: 1, column: 1 }
    }

    /// The character at a byte offset of `text`, the contents of `path`.
    pub(super) fn in_text(path: &Path, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        Self::File { path: path.into(), line, column }
    }

    /// The line, if it is in a file.
    pub(super) fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } => Some(*line),
            Self::Variable(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One line, though the names of files and variables may hold line breaks.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{}: {}: {}", self.place, self.key, self.message);
        line.chars().try_for_each(|character| match character.is_control() {
            true => write!(f, "{}", character.escape_debug()),
            false => f.write_char(character),
        })
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let at = |offset| Place::in_text(Path::new("f"), "ab\näöc\n", offset).to_string();
        assert_eq!((at(0), at(2), at(3)), ("f:1:1".into(), "f:1:3".into(), "f:2:1".into()));
        assert_eq!(at("ab\näö".len()), "f:2:3");
        assert_eq!((at(9), at(99)), ("f:3:1".into(), "f:3:1".into()));
    }

    #[test]
    fn an_error_is_one_line_whatever_the_name_of_a_variable() {
        let place = Place::Variable("PODY_A__B\nC".into());
        let error = ConfigError { place, key: "a.b\nc".into(), message: "is not a setting, ä".into() };
        assert_eq!(error.to_string(), "PODY_A__B\\nC: a.b\\nc: is not a setting, ä");
    }
}
