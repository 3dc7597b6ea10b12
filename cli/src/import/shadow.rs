//! shadow(5): passwords and expiry. How old a password is and when it must be changed is not taken over.

use std::borrow::Cow;

use identity::Day;

use super::lines::{self, Line, Password};

/// Where the account's expiry stands.
const EXPIRY_FIELD: usize = 7;

/// The fields of a line, of which old systems left the last ones out.
const FIELDS: usize = 9;

/// A line of a shadow file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The line's number.
    pub line: u64,
    /// The login name.
    pub name: &'a str,
    /// The password.
    pub password: Password,
    /// The first day on which the account has expired.
    pub expires_at: Option<Day>,
}

/// Reads a shadow file.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Line<Entry<'_>>> {
    lines::parse(text, entry)
}

fn entry(line: u64, text: &str) -> Result<Entry<'_>, Cow<'static, str>> {
    let fields: Vec<&str> = text.split(':').collect();
    if fields.len() < 2 || fields.len() > FIELDS {
        return Err(
            format!("a line of a shadow file has {FIELDS} fields, this one has {}", fields.len()).into()
        );
    }
    Ok(Entry {
        line,
        name: fields[0],
        password: Password::parse(fields[1]),
        expires_at: expiry(fields.get(EXPIRY_FIELD).unwrap_or(&""))?,
    })
}

/// Days since 1970; nothing and negative numbers mean never, as for pam_unix. 0 is a day long past:
/// `chage -E 0` is how accounts were closed.
fn expiry(field: &str) -> Result<Option<Day>, Cow<'static, str>> {
    if field.is_empty() || field.starts_with('-') {
        return Ok(None);
    }
    match field.parse() {
        Ok(day) => Ok(Some(Day(day))),
        Err(_) => {
            Err(format!("{field:?} is no day of expiry: it is a number of days since 1970-01-01").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Line<Entry<'_>> {
        parse(text.as_bytes()).next().unwrap()
    }

    #[test]
    fn the_eighth_field_is_the_expiry() {
        let expiry = |text| first(text).taken().unwrap().expires_at.map(|day| day.to_string());
        assert_eq!(expiry("ada:*:19000:0:99999:7:::"), None);
        assert_eq!(expiry("ada:*:19000:0:99999:7::20454:"), Some("2026-01-01".into()));
        assert_eq!(expiry("ada:*:19000:0:99999:7::0:"), Some("1970-01-01".into()));
        assert_eq!(expiry("ada:*:19000:0:99999:7::-1:"), None);
        assert_eq!(expiry("ada:*"), None);
    }

    #[test]
    fn a_line_that_is_not_understood_is_refused() {
        for text in ["ada:*::::::soon:", "ada:*:::::::::", "ada:*::::::99999999999:"] {
            assert!(matches!(first(text), Line::Refused(refusal) if refusal.name == "ada"), "{text}");
        }
    }
}
