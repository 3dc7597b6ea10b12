//! passwd(5): `name:password:uid:gid:gecos:home:shell`.

use std::borrow::Cow;

use super::lines::{self, Line};

/// A line of a passwd file. The password field is as it stands: `x` means that shadow has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The line's number.
    pub line: u64,
    /// The login name.
    pub name: &'a str,
    /// The password field.
    pub password: &'a str,
    /// The user id.
    pub uid: u32,
    /// The primary group's id.
    pub gid: u32,
    /// The comment.
    pub gecos: &'a str,
    /// The home directory, or nothing.
    pub home: &'a str,
    /// The login shell, or nothing.
    pub shell: &'a str,
}

/// Reads a passwd file.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Line<Entry<'_>>> {
    lines::parse(text, entry)
}

fn entry(line: u64, text: &str) -> Result<Entry<'_>, Cow<'static, str>> {
    let fields: Vec<&str> = text.split(':').collect();
    let &[name, password, uid, gid, gecos, home, shell] = fields.as_slice() else {
        return Err(format!("a line of a passwd file has 7 fields, this one has {}", fields.len()).into());
    };
    Ok(Entry {
        line,
        name,
        password,
        uid: lines::id(uid, "uid")?,
        gid: lines::id(gid, "gid")?,
        gecos,
        home: without_slash(home),
        shell: without_slash(shell),
    })
}

/// `/home/ada/` is the same directory as `/home/ada`, which is how podyd wants it.
fn without_slash(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if !path.is_empty() => "/",
        trimmed => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_seven_fields() {
        let entry =
            parse(b"ada:x:1000:1001:Ada, Room 1:/home/ada/:/bin/zsh\n").next().and_then(Line::taken).unwrap();
        assert_eq!((entry.line, entry.name, entry.uid, entry.gid), (1, "ada", 1000, 1001));
        assert_eq!((entry.gecos, entry.home, entry.shell), ("Ada, Room 1", "/home/ada", "/bin/zsh"));
        let entry = parse(b"bob::7:7::/:").next().and_then(Line::taken).unwrap();
        assert_eq!((entry.password, entry.gecos, entry.home, entry.shell), ("", "", "/", ""));
    }

    #[test]
    fn what_is_no_passwd_line_is_refused_with_its_reason() {
        let table = [
            ("ada:x", "has 2"),
            ("ada:x:1000:1000:::/bin/sh:", "has 8"),
            ("ada:x::1000:::", "uid"),
            ("ada:x:-1:1000:::", "uid"),
            ("ada:x:+1:1000:::", "uid"),
            ("ada:x:4294967296:1000:::", "uid"),
            ("ada:x:1000:staff:::", "gid"),
        ];
        for (line, reason) in table {
            match parse(line.as_bytes()).next() {
                Some(Line::Refused(refusal)) => {
                    assert!(refusal.reason.contains(reason) && refusal.name == "ada", "{refusal:?}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
