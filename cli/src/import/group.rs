//! group(5): `name:password:gid:members`. Group passwords are not taken over.

use std::borrow::Cow;

use super::lines::{self, Line};

/// A line of a group file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The line's number.
    pub line: u64,
    /// The group's name.
    pub name: &'a str,
    /// The group id.
    pub gid: u32,
    /// The names of the members.
    pub members: Vec<&'a str>,
}

/// Reads a group file.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Line<Entry<'_>>> {
    lines::parse(text, entry)
}

fn entry(line: u64, text: &str) -> Result<Entry<'_>, Cow<'static, str>> {
    let fields: Vec<&str> = text.split(':').collect();
    let &[name, _password, gid, members] = fields.as_slice() else {
        return Err(format!("a line of a group file has 4 fields, this one has {}", fields.len()).into());
    };
    let members = members.split(',').map(str::trim).filter(|member| !member.is_empty()).collect();
    Ok(Entry { line, name, gid: lines::id(gid, "gid")?, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_between_commas() {
        let members =
            |text: &'static str| parse(text.as_bytes()).next().and_then(Line::taken).unwrap().members;
        assert_eq!(members("physics:x:5000:ada, bob,,eve,"), ["ada", "bob", "eve"]);
        assert_eq!(members("physics:*:5000:"), [""; 0]);
    }

    #[test]
    fn what_is_no_group_line_is_refused() {
        for text in ["physics", "physics:x:5000", "physics:x:many:", "physics:x:5000:a:b"] {
            assert!(matches!(parse(text.as_bytes()).next(), Some(Line::Refused(_))), "{text}");
        }
    }
}
