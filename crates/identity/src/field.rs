//! The text fields of an account, each read once at the door and valid ever after.

use core::fmt;
use std::borrow::ToOwned;
use std::string::String;

/// The longest text field, in bytes: keeps a passwd line below the 1 024 bytes that glibc's callers
/// give `getpwnam_r` at first.
const MAX_FIELD_BYTES: usize = 255;

/// Why a text is not a valid field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// More than 255 bytes.
    TooLong,
    /// `:`, a line break or another control character, which would end the field in passwd(5).
    ForbiddenCharacter,
    /// Not an absolute path, or one with an empty, `.` or `..` component.
    NotAbsolute,
    /// Not of the form `local@domain`.
    NotAnAddress,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "it has 255 bytes at the most",
            Self::ForbiddenCharacter => "it may not hold ':' or control characters",
            Self::NotAbsolute => "it is an absolute path without '.', '..' or '//', such as /home/ada",
            Self::NotAnAddress => "it is an e-mail address such as ada@example.org",
        })
    }
}

impl core::error::Error for FieldError {}

fn plain(text: &str) -> Result<&str, FieldError> {
    if text.len() > MAX_FIELD_BYTES {
        return Err(FieldError::TooLong);
    }
    if text.chars().any(|c| c == ':' || c.is_control()) {
        return Err(FieldError::ForbiddenCharacter);
    }
    Ok(text)
}

macro_rules! field_type {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl core::str::FromStr for $name {
            type Err = FieldError;

            fn from_str(text: &str) -> Result<Self, FieldError> {
                $check(text).map(|text| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

field_type!(
    /// The comment field of passwd(5): a person's full name, and whatever else a site puts there.
    /// May be empty.
    Gecos,
    plain
);
field_type!(
    /// A home directory or a shell: absolute, and the same path however it is read.
    AbsolutePath,
    absolute
);
field_type!(
    /// An e-mail address, for people to read: nothing is ever decided by it.
    Email,
    address
);

impl Gecos {
    /// No comment.
    pub const EMPTY: Self = Self(String::new());
}

fn absolute(text: &str) -> Result<&str, FieldError> {
    let text = plain(text)?;
    let relative = text.strip_prefix('/').ok_or(FieldError::NotAbsolute)?;
    if !relative.is_empty() && relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(FieldError::NotAbsolute);
    }
    Ok(text)
}

fn address(text: &str) -> Result<&str, FieldError> {
    let text = plain(text)?;
    match text.split_once('@') {
        Some((local, domain))
            if !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !text.contains(char::is_whitespace) =>
        {
            Ok(text)
        }
        _ => Err(FieldError::NotAnAddress),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_have_one_spelling() {
        for good in ["/", "/home/ada", "/bin/bash"] {
            assert_eq!(good.parse::<AbsolutePath>().unwrap().as_str(), good);
        }
        for bad in ["", "home", "/home//ada", "/home/../root", "/home/.", "/home/ada/"] {
            assert_eq!(bad.parse::<AbsolutePath>(), Err(FieldError::NotAbsolute), "{bad:?}");
        }
    }

    #[test]
    fn no_field_can_end_a_passwd_line() {
        for bad in ["a:b", "a\nb", "a\0b", "a\rb"] {
            assert_eq!(bad.parse::<Gecos>(), Err(FieldError::ForbiddenCharacter), "{bad:?}");
        }
        assert_eq!("x".repeat(256).parse::<Gecos>(), Err(FieldError::TooLong));
        assert!("Ada Lovelace, Räumlichkeiten 12".parse::<Gecos>().is_ok() && "".parse::<Gecos>().is_ok());
    }

    #[test]
    fn an_address_has_two_sides() {
        assert!("ada@example.org".parse::<Email>().is_ok());
        for bad in ["", "ada", "@x", "ada@", "a@b@c", "a b@c"] {
            assert_eq!(bad.parse::<Email>(), Err(FieldError::NotAnAddress), "{bad:?}");
        }
    }
}
