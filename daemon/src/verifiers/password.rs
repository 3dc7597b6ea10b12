//! Which texts can be passwords.

use std::fmt;

use zeroize::Zeroizing;

use crate::limits::MAX_PASSWORD_BYTES;

/// Why a text cannot be a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordError {
    /// Fewer characters than the setting `password.min_length`, which this holds.
    TooShort(u32),
    /// More than 512 bytes.
    TooLong,
    /// A NUL byte, where every C program would take the password to end.
    Nul,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(least) => {
                write!(f, "the password is too short: choose one of at least {least} characters")
            }
            Self::TooLong => write!(f, "the password is too long: {MAX_PASSWORD_BYTES} bytes at the most"),
            Self::Nul => f.write_str("the password holds a NUL byte, which no terminal can send"),
        }
    }
}

impl std::error::Error for PasswordError {}

/// A password that is good enough to be set. Has no `Debug`, and is wiped when dropped.
pub struct NewPassword(Zeroizing<String>);

impl NewPassword {
    /// Accepts at least `min_length` characters (and at least one).
    pub fn parse(text: Zeroizing<String>, min_length: u32) -> Result<Self, PasswordError> {
        let least = min_length.max(1);
        if text.len() > MAX_PASSWORD_BYTES {
            return Err(PasswordError::TooLong);
        }
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        if text.chars().count() < least as usize {
            return Err(PasswordError::TooShort(least));
        }
        Ok(Self(text))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Whether anybody can have this password: nobody can set another, so that no hash needs to be computed to
/// know that it is wrong. Short ones can be: they came with an import, or from before the setting.
pub(super) fn is_possible(password: &[u8]) -> bool {
    (1..=MAX_PASSWORD_BYTES).contains(&password.len()) && !password.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, min_length: u32) -> Result<(), PasswordError> {
        NewPassword::parse(Zeroizing::new(text.to_owned()), min_length).map(drop)
    }

    #[test]
    fn length_is_counted_in_characters_below_and_in_bytes_above() {
        assert_eq!(parse("1234567", 8), Err(PasswordError::TooShort(8)));
        assert_eq!(parse("äöüäöüäö", 8), Ok(()));
        assert_eq!(parse(&"x".repeat(512), 8), Ok(()));
        assert_eq!(parse(&"ä".repeat(257), 8), Err(PasswordError::TooLong));
    }

    #[test]
    fn an_empty_password_is_refused_whatever_the_setting() {
        assert_eq!(parse("", 0), Err(PasswordError::TooShort(1)));
        assert!(!is_possible(b""));
    }

    #[test]
    fn a_nul_byte_is_refused() {
        assert_eq!(parse("correct\0horse", 1), Err(PasswordError::Nul));
        assert!(!is_possible(b"correct\0horse"));
    }
}
