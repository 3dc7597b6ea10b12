//! A path with a place for the user in it, such as `/home/%u`.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use identity::{AbsolutePath, FieldError, MAX_NAME_BYTES, Name, Uid};

/// An absolute path in which `%u` stands for a user's name, `%U` for the uid and `%%` for a percent sign.
/// Whoever the user is, it renders to a valid path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// Why a text is not a [`Template`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// A `%` with something else behind it than `u`, `U` or `%`.
    UnknownField,
    /// What it renders to is not a valid path.
    Path(FieldError),
}

impl Template {
    /// The path for one user.
    pub fn render(&self, name: &Name, uid: Uid) -> AbsolutePath {
        let path =
            fill(&self.0, name.as_str(), uid.0).and_then(|path| path.parse().map_err(TemplateError::Path));
        path.expect(
            "it was tried with the longest name and uid when it was read, and no name changes what is a path",
        )
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let longest = fill(text, &"x".repeat(MAX_NAME_BYTES), u32::MAX)?;
        longest.parse::<AbsolutePath>().map_err(TemplateError::Path)?;
        Ok(Self(text.to_owned()))
    }
}

fn fill(template: &str, name: &str, uid: u32) -> Result<String, TemplateError> {
    let mut path = String::with_capacity(template.len() + MAX_NAME_BYTES);
    let mut characters = template.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => match characters.next() {
                Some('u') => path.push_str(name),
                Some('U') => write!(path, "{uid}").expect("a String takes whatever is written to it"),
                Some('%') => path.push('%'),
                _ => return Err(TemplateError::UnknownField),
            },
            other => path.push(other),
        }
    }
    Ok(path)
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField => f.write_str(
                "knows %u (the name), %U (the uid) and %% (a percent sign), nothing else after '%'",
            ),
            Self::Path(why) => write!(f, "does not make a home directory for every user: {why}"),
        }
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, name: &str, uid: u32) -> String {
        template.parse::<Template>().unwrap().render(&name.parse().unwrap(), Uid(uid)).to_string()
    }

    #[test]
    fn the_fields_are_filled_in() {
        assert_eq!(render("/home/%u", "ada", 7), "/home/ada");
        assert_eq!(render("/srv/%U/%u-100%%", "ada", 7), "/srv/7/ada-100%");
        assert_eq!(render("/nonexistent", "ada", 7), "/nonexistent");
    }

    #[test]
    fn a_template_that_fails_for_anybody_is_refused_at_once() {
        for unknown in ["/home/%n", "/home/%", "/home/%%%"] {
            assert_eq!(unknown.parse::<Template>(), Err(TemplateError::UnknownField), "{unknown}");
        }
        for relative in ["", "home/%u", "%u", "/home/../%u", "/home/%u/", "//%u"] {
            assert_eq!(
                relative.parse::<Template>(),
                Err(TemplateError::Path(FieldError::NotAbsolute)),
                "{relative}"
            );
        }
        assert_eq!("/a:b/%u".parse::<Template>(), Err(TemplateError::Path(FieldError::ForbiddenCharacter)));
        assert_eq!(
            format!("/{}/%u", "x".repeat(230)).parse::<Template>(),
            Err(TemplateError::Path(FieldError::TooLong))
        );
    }

    #[test]
    fn no_name_makes_a_path_climb() {
        for name in ["_", "a..", "_.", "x2345678901234567890123456789012"] {
            assert!(render("/home/.%u", name, 1).starts_with("/home/."), "{name}");
            assert!(render("/home/%u", name, 1).starts_with("/home/"), "{name}");
        }
    }
}
