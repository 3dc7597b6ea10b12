//! Lines of the files that are imported, and what they come to. Every line is taken, skipped or refused,
//! exactly once; nothing a file holds can stop the reading of the rest.

use std::borrow::Cow;

use protocol::directory::{RefusedRecord, Secret};

/// The longest line: a group of 100 000 members has 1 MiB or two.
pub const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// How much of a bad name a report shows.
const SHOWN_NAME_CHARS: usize = 64;

/// What a line came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<T> {
    /// A record.
    Taken(T),
    /// Nothing to import: blank, a comment, or an NIS line (`+`, `-`).
    Skipped,
    /// Not a record, and why.
    Refused(RefusedRecord),
}

impl<T> Line<T> {
    /// Goes on with a record.
    pub fn and_then<U>(self, next: impl FnOnce(T) -> Line<U>) -> Line<U> {
        match self {
            Self::Taken(record) => next(record),
            Self::Skipped => Line::Skipped,
            Self::Refused(refusal) => Line::Refused(refusal),
        }
    }

    /// The record, if it is one.
    pub fn taken(self) -> Option<T> {
        match self {
            Self::Taken(record) => Some(record),
            _ => None,
        }
    }
}

/// A password field of passwd(5), shadow(5) or htpasswd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// A stored password.
    Hash(Secret),
    /// A stored password behind `!`: the account was locked.
    Locked(Secret),
    /// `*`, `!`, `!!`: no password ever fits. The user may log in by other means, so this is no lock.
    Unusable,
    /// Nothing: the old system let in whoever came, Pody does not.
    Empty,
}

impl Password {
    /// Reads a field.
    pub fn parse(field: &str) -> Self {
        let hash = field.trim_start_matches('!');
        match (field, hash) {
            ("", _) => Self::Empty,
            (_, "") => Self::Unusable,
            (_, hash) if hash.starts_with('*') => Self::Unusable,
            (field, hash) if field.len() == hash.len() => Self::Hash(Secret(hash.to_owned())),
            (_, hash) => Self::Locked(Secret(hash.to_owned())),
        }
    }

    /// The hash, and whether the account is locked.
    pub fn into_parts(self) -> (Option<Secret>, bool) {
        match self {
            Self::Hash(hash) => (Some(hash), false),
            Self::Locked(hash) => (Some(hash), true),
            Self::Unusable | Self::Empty => (None, false),
        }
    }
}

/// Reads `text` line by line: `parse` gets those that may hold a record, with their numbers.
pub fn parse<'a, T>(
    text: &'a [u8],
    mut parse: impl FnMut(u64, &'a str) -> Result<T, Cow<'static, str>>,
) -> impl Iterator<Item = Line<T>> {
    // The newline at the end of a file begins no line.
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let lines = (!text.is_empty()).then(|| text.split(|&byte| byte == b'\n'));
    lines.into_iter().flatten().zip(1..).map(move |(line, number)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let result = match readable(line) {
            Ok(line) if holds_nothing(line) => return Line::Skipped,
            Ok(line) => parse(number, line),
            Err(reason) => Err(reason.into()),
        };
        result.map_or_else(|reason| refuse(number, line, reason), Line::Taken)
    })
}

fn readable(line: &[u8]) -> Result<&str, &'static str> {
    if line.len() > MAX_LINE_BYTES {
        return Err("the line is longer than 4 MiB");
    }
    if line.contains(&0) {
        return Err("the line holds NUL bytes: is this a text file?");
    }
    std::str::from_utf8(line)
        .map_err(|_| "the line is not UTF-8; convert the file, for example with: iconv -f latin1 -t utf-8")
}

fn holds_nothing(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with(['#', '+', '-'])
}

fn refuse<T>(number: u64, line: &[u8], reason: Cow<'static, str>) -> Line<T> {
    let name = name_of(line).chars().take(SHOWN_NAME_CHARS).collect();
    Line::Refused(RefusedRecord { line: number, name, reason: reason.into_owned() })
}

/// Whom a line is about, as far as can be told. A line without any structure stays unseen: it may be a
/// password in the wrong file.
fn name_of(line: &[u8]) -> Cow<'_, str> {
    if line.trim_ascii_start().starts_with(b"{") {
        let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let name = record.get("name").or_else(|| record.get("group")?.get("name"));
        return Cow::Owned(name.and_then(|name| name.as_str()).unwrap_or_default().to_owned());
    }
    match line.iter().position(|&byte| byte == b':') {
        // As many bytes as the shown characters may need: a line of 1 GiB is not copied.
        Some(end) => String::from_utf8_lossy(&line[..end.min(4 * SHOWN_NAME_CHARS)]),
        None => Cow::Borrowed(""),
    }
}

/// Reads an id: digits, no sign, 32 bits.
pub fn id(field: &str, what: &str) -> Result<u32, String> {
    let digits = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    match field.parse() {
        Ok(id) if digits => Ok(id),
        _ => Err(format!("{field:?} is no {what}: it is a number below 4294967296")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_fields_mean_what_shadow_says() {
        let secret = |text: &str| Secret(text.to_owned());
        let table = [
            ("", Password::Empty),
            ("*", Password::Unusable),
            ("!", Password::Unusable),
            ("!!", Password::Unusable),
            ("!*", Password::Unusable),
            ("*LK*", Password::Unusable),
            ("$6$salt$hash", Password::Hash(secret("$6$salt$hash"))),
            ("!$6$salt$hash", Password::Locked(secret("$6$salt$hash"))),
            ("!!$y$j9T$a$b", Password::Locked(secret("$y$j9T$a$b"))),
        ];
        for (field, password) in table {
            assert_eq!(Password::parse(field), password, "{field:?}");
        }
    }

    #[test]
    fn lines_are_counted_as_editors_count_them() {
        let count =
            |text: &[u8]| parse(text, |number, _| Ok(number)).filter_map(Line::taken).collect::<Vec<_>>();
        assert_eq!(count(b""), [0; 0]);
        assert_eq!(count(b"\n"), [0; 0]);
        assert_eq!(count(b"a"), [1]);
        assert_eq!(count(b"a\r\n# b\r\n\r\n+::::\n-d\nc\n"), [1, 6]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_refused_by_name() {
        let refused = |text: &[u8]| match parse(text, |_, _| Ok(())).next() {
            Some(Line::Refused(refusal)) => (refusal.name, refusal.reason),
            other => panic!("{other:?}"),
        };
        let (name, reason) = refused(b"ada:x:1:1:Ad\xe4\n");
        assert!(name == "ada" && reason.contains("iconv"));
        assert!(refused(b"a\0b").1.contains("NUL"));
        assert_eq!(refused(b"{\"name\": \"eve\", \"gecos\": \"\0\"}").0, "");
        let mut long = vec![b'x'; MAX_LINE_BYTES + 1];
        assert_eq!(refused(&long).0, "");
        long[1000] = b':';
        let (name, reason) = refused(&long);
        assert!(name.len() == SHOWN_NAME_CHARS && reason.contains("longer"));
    }
}
