//! User and group names: one grammar for both, since each user has a private group of the same name.

use core::fmt;

/// The longest name, in bytes: `ut_user` of utmp(5) holds 32, and useradd(8) refuses more.
pub const MAX_NAME_BYTES: usize = 32;

/// The name of a user or group: `[a-z_][a-z0-9_.-]*`, 1 to [`MAX_NAME_BYTES`] bytes.
///
/// Lower case only, so that no two accounts differ by case alone on any backend. What the grammar
/// keeps out, it keeps out for a reason: `:` and newline end a field of passwd(5), `/` makes a path,
/// a leading `-` an option, a leading digit a number that chown(1) takes for an id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    // Padded with zeros, which no name contains: the derived order is the order of the strings.
    bytes: [u8; MAX_NAME_BYTES],
    len: u8,
}

/// Why a string is not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was given.
    Empty,
    /// More than [`MAX_NAME_BYTES`] bytes.
    TooLong,
    /// The first character is neither a lower-case letter nor `_`.
    BadStart,
    /// An upper-case letter: the same name in lower case may be valid.
    UpperCase,
    /// A character that no name holds.
    BadCharacter,
}

impl Name {
    /// Reads a name; `text` may be any bytes, as they come from a C caller.
    pub fn new(text: &[u8]) -> Result<Self, NameError> {
        if !Self::is_valid(text) {
            return Err(NameError::of(text));
        }
        let mut bytes = [0; MAX_NAME_BYTES];
        for (to, &from) in bytes.iter_mut().zip(text) {
            *to = from;
        }
        Ok(Self { bytes, len: text.len() as u8 })
    }

    /// Whether `text` is a name. Every lookup of every program on a node passes here, so there is no branch
    /// per byte and nothing is copied.
    pub fn is_valid(text: &[u8]) -> bool {
        text.len() <= MAX_NAME_BYTES
            && matches!(text.first(), Some(b'a'..=b'z' | b'_'))
            && text.iter().fold(true, |valid, &byte| valid & IN_NAMES[usize::from(byte)])
    }

    /// The name's bytes, all ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

/// Which bytes a name may hold.
const IN_NAMES: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte: u8 = 0;
    while byte < u8::MAX {
        allowed[byte as usize] = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
        byte += 1;
    }
    allowed
};

impl NameError {
    /// What is wrong with a text that is not a name.
    #[cold]
    fn of(text: &[u8]) -> Self {
        let stray = text.iter().find(|byte| !IN_NAMES[usize::from(**byte)]);
        match (text.first(), stray) {
            _ if text.len() > MAX_NAME_BYTES => Self::TooLong,
            (None, _) => Self::Empty,
            (Some(b'A'..=b'Z'), _) => Self::UpperCase,
            (Some(b'a'..=b'z' | b'_'), Some(b'A'..=b'Z')) => Self::UpperCase,
            (Some(b'a'..=b'z' | b'_'), _) => Self::BadCharacter,
            (Some(_), _) => Self::BadStart,
        }
    }
}

impl core::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text.as_bytes())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a name may not be empty",
            Self::TooLong => "a name has 32 characters at the most",
            Self::BadStart => "a name begins with a lower-case letter or '_'",
            Self::UpperCase => "a name is written in lower case",
            Self::BadCharacter => "a name holds only a-z, 0-9, '_', '.' and '-'",
        })
    }
}

impl core::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn ordinary_names_are_read_and_shown_unchanged() {
        for text in ["ada", "_svc", "j.doe", "node-7", "a", "x2345678901234567890123456789012"] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn hostile_names_are_refused_with_their_reason() {
        let table: &[(&[u8], NameError)] = &[
            (b"", NameError::Empty),
            (b"x23456789012345678901234567890123", NameError::TooLong),
            (b"-rf", NameError::BadStart),
            (b"0", NameError::BadStart),
            (b"1000", NameError::BadStart),
            (b".", NameError::BadStart),
            (b"..", NameError::BadStart),
            (b"Ada", NameError::UpperCase),
            (b"aDa", NameError::UpperCase),
            (b"a:b", NameError::BadCharacter),
            (b"a/b", NameError::BadCharacter),
            (b"a\nb", NameError::BadCharacter),
            (b"a\0b", NameError::BadCharacter),
            (b"a b", NameError::BadCharacter),
            (b"pam_unix_non_existent:", NameError::BadCharacter),
            ("ädа".as_bytes(), NameError::BadStart),
            (b"a\xff", NameError::BadCharacter),
        ];
        for (text, reason) in table {
            assert_eq!(Name::new(text), Err(*reason), "{text:?}");
        }
    }

    #[test]
    fn names_are_ordered_as_their_strings_are() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert!(
            name("a") < name("aa")
                && name("aa") < name("b")
                && name("a-") < name("a.")
                && name("a.") < name("a0")
        );
    }
}
