//! Apache's htpasswd: `name:hash`. What Apache ignores behind a second colon is ignored here, too.

use std::borrow::Cow;

use protocol::directory::ImportUser;

use super::lines::{self, Line, Password};

/// A line of an htpasswd file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The line's number.
    pub line: u64,
    /// The login name.
    pub name: &'a str,
    /// The password.
    pub password: Password,
}

/// Reads an htpasswd file.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Line<Entry<'_>>> {
    lines::parse(text, entry)
}

fn entry(line: u64, text: &str) -> Result<Entry<'_>, Cow<'static, str>> {
    let mut fields = text.split(':');
    let (Some(name), Some(password)) = (fields.next(), fields.next()) else {
        return Err("a line of an htpasswd file is NAME:HASH".into());
    };
    if fields.next().is_some_and(is_md5) {
        return Err("this is a line of htdigest, whose passwords serve for HTTP digests alone".into());
    }
    Ok(Entry { line, name, password: Password::parse(password) })
}

fn is_md5(field: &str) -> bool {
    field.len() == 32 && field.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl From<Entry<'_>> for ImportUser {
    fn from(entry: Entry<'_>) -> Self {
        let (password_hash, locked) = entry.password.into_parts();
        Self { line: entry.line, name: entry.name.to_owned(), password_hash, locked, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_hash() {
        let hash = |text: &str| {
            let entry = parse(text.as_bytes()).next().and_then(Line::taken).unwrap();
            ImportUser::from(entry).password_hash.unwrap().0
        };
        assert_eq!(hash("ada:$2y$05$abc"), "$2y$05$abc");
        assert_eq!(hash("ada:$apr1$abc$def:a remark"), "$apr1$abc$def");
    }

    #[test]
    fn digests_and_other_lines_are_refused() {
        for text in ["ada", "ada:realm:0123456789abcdef0123456789abcdef"] {
            assert!(matches!(parse(text.as_bytes()).next(), Some(Line::Refused(_))), "{text}");
        }
    }
}
