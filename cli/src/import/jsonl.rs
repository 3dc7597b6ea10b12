//! JSON Lines: a user a line, as `podyctl user export` writes them, or a group, as `{"group": {…}}`.
//! A line written by hand needs no more than `{"name": "ada"}`.

use std::borrow::Cow;

use protocol::directory::{ImportGroup, ImportUser, Secret};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::lines::{self, Line};

/// A line of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A user, and the groups it belongs to.
    User(Box<ImportUser>, Vec<String>),
    /// A group and its members.
    Group(ImportGroup, Vec<String>),
}

/// What a user's line may hold. What podyd decides anew is read and left: who knows `revision` need not
/// know that it means nothing here, but who misspells `shell` is told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserLine {
    name: String,
    uid: Option<u32>,
    gid: Option<u32>,
    group: Option<String>,
    #[serde(default)]
    gecos: String,
    email: Option<String>,
    home: Option<String>,
    shell: Option<String>,
    state: Option<State>,
    expires_at: Option<String>,
    #[serde(default)]
    is_admin: bool,
    #[serde(default)]
    groups: Vec<String>,
    password_hash: Option<Secret>,
    #[serde(rename = "uuid")]
    _uuid: Option<IgnoredAny>,
    #[serde(rename = "origin")]
    _origin: Option<IgnoredAny>,
    #[serde(rename = "has_password")]
    _has_password: Option<IgnoredAny>,
    #[serde(rename = "revision")]
    _revision: Option<IgnoredAny>,
    #[serde(rename = "hidden")]
    _hidden: Option<IgnoredAny>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Active,
    Locked,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupLine {
    group: GroupFields,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFields {
    name: String,
    gid: Option<u32>,
    #[serde(default)]
    members: Vec<String>,
    #[serde(rename = "uuid")]
    _uuid: Option<IgnoredAny>,
    #[serde(rename = "private")]
    _private: Option<IgnoredAny>,
    #[serde(rename = "revision")]
    _revision: Option<IgnoredAny>,
}

/// Reads an export.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Line<Record>> {
    lines::parse(text, record)
}

fn record(line: u64, text: &str) -> Result<Record, Cow<'static, str>> {
    // A user's line has a `group`, too: the name of the primary one.
    match serde_json::from_str(text) {
        Ok(GroupLine { group }) => Ok(group_record(line, group)),
        Err(as_group) => match serde_json::from_str(text) {
            Ok(user) => Ok(user_record(line, user)),
            Err(_) if text.trim_start().starts_with("{\"group\":{") => Err(reason(&as_group)),
            Err(as_user) => Err(reason(&as_user)),
        },
    }
}

/// Where in the line it went wrong, and what; never the text itself, which may hold a hash.
fn reason(error: &serde_json::Error) -> Cow<'static, str> {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or(&message);
    match what.split_once(": ") {
        Some(("invalid type" | "invalid value", _)) | None
            if error.is_data() && what.starts_with("invalid") =>
        {
            format!("a value of the wrong kind at column {}", error.column()).into()
        }
        _ => format!("not a user or group in JSON: {what} at column {}", error.column()).into(),
    }
}

fn group_record(line: u64, group: GroupFields) -> Record {
    Record::Group(ImportGroup { line, name: group.name, gid: group.gid }, group.members)
}

fn user_record(line: u64, user: UserLine) -> Record {
    let groups = user.groups;
    let user = ImportUser {
        line,
        name: user.name,
        uid: user.uid,
        group: user.group,
        gid: user.gid,
        gecos: user.gecos,
        email: user.email,
        home: user.home,
        shell: user.shell,
        password_hash: user.password_hash,
        locked: user.state == Some(State::Locked),
        expires_at: user.expires_at,
        is_admin: user.is_admin,
    };
    Record::User(Box::new(user), groups)
}

#[cfg(test)]
mod tests {
    use protocol::directory::{ExportedUser, UserRecord};

    use super::*;

    fn first(text: &str) -> Line<Record> {
        parse(text.as_bytes()).next().unwrap()
    }

    #[test]
    fn a_name_is_enough_and_an_export_is_understood() {
        let user = ImportUser { line: 1, name: "ada".into(), ..Default::default() };
        assert_eq!(first(r#"{"name": "ada"}"#), Line::Taken(Record::User(Box::new(user), vec![])));
        let exported = ExportedUser {
            user: UserRecord {
                name: "ada".into(),
                uid: 7,
                gid: 8,
                state: "locked".into(),
                groups: vec!["physics".into()],
                hidden: Some("local".into()),
                ..Default::default()
            },
            password_hash: Some(Secret("$6$a$b".into())),
        };
        let Line::Taken(Record::User(user, groups)) = first(&serde_json::to_string(&exported).unwrap())
        else {
            panic!("not a user");
        };
        assert_eq!(
            (user.uid, user.gid, user.locked, groups),
            (Some(7), Some(8), true, vec!["physics".into()])
        );
        assert_eq!(user.password_hash, exported.password_hash);
    }

    #[test]
    fn groups_stand_on_lines_of_their_own() {
        let group = ImportGroup { line: 1, name: "physics".into(), gid: Some(5) };
        let line =
            r#"{"group": {"name": "physics", "gid": 5, "members": ["ada"], "uuid": "u", "private": false}}"#;
        assert_eq!(first(line), Line::Taken(Record::Group(group, vec!["ada".into()])));
    }

    #[test]
    fn mistakes_are_told_without_showing_secrets() {
        let table = [
            (r#"{"name": "ada", "shel": "/bin/sh"}"#, "unknown field `shel`"),
            (r#"{"group":{"nam": "x"}}"#, "unknown field `nam`"),
            (r#"{"uid": 5}"#, "missing field `name`"),
            (r#"{"name": "ada", "state": "asleep"}"#, "unknown variant"),
            (r#"{"name": "ada", "uid": "s3cret"}"#, "wrong kind"),
            ("s3cret", "column 1"),
            (r#"{"name": "ada"} s3cret"#, "column"),
            ("[1]", "column"),
        ];
        for (line, expected) in table {
            match first(line) {
                Line::Refused(RefusedRecord { reason, .. }) => {
                    assert!(reason.contains(expected) && !reason.contains("s3cret"), "{line}: {reason}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    use protocol::directory::RefusedRecord;
}
