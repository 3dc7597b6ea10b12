//! What the files hold, put together: passwd lines with their passwords and groups, or an export.
//! Everything here is decided from the text of the files; users are made one at a time, as they are sent.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use protocol::directory::{ImportGroup, ImportMember, ImportUser, RefusedRecord, Secret};

use super::lines::{Line, Password};
use super::{group, htpasswd, jsonl, passwd, shadow};

/// The files of a system: a passwd file, and the ones beside it.
#[derive(Clone, Copy, Debug)]
pub struct SystemFiles<'a> {
    /// passwd(5).
    pub passwd: &'a [u8],
    /// shadow(5).
    pub shadow: Option<&'a [u8]>,
    /// group(5).
    pub group: Option<&'a [u8]>,
}

/// Everything that is to be imported, in the order in which podyd wants it.
pub struct Records<'a> {
    /// Groups, which users and memberships refer to.
    pub groups: Vec<ImportGroup>,
    /// Users.
    pub users: Box<dyn Iterator<Item = Line<User>> + 'a>,
    /// Memberships, each once.
    pub members: Vec<ImportMember>,
    /// Lines of the group file that are no groups.
    pub refused_groups: Vec<RefusedRecord>,
    /// Lines of the shadow file that belong to nobody.
    pub refused_passwords: Vec<RefusedRecord>,
    /// How many lines users come from, at the most.
    pub user_lines: usize,
    /// How many users and groups were left out, since they belong to the system.
    pub system_entries: u64,
}

/// A user, and what an admin should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub user: ImportUser,
    /// A remark for the report.
    pub note: Option<&'static str>,
}

const EMPTY_PASSWORD: &str = "the password was empty: imported without one, which lets nobody in";

impl<'a> Records<'a> {
    /// Users alone.
    fn of_users(users: impl Iterator<Item = Line<User>> + 'a, user_lines: usize) -> Self {
        Self {
            groups: Vec::new(),
            users: Box::new(users),
            members: Vec::new(),
            refused_groups: Vec::new(),
            refused_passwords: Vec::new(),
            user_lines,
            system_entries: 0,
        }
    }

    /// Users that podyd has read out of the original Pody's database.
    pub fn of_pody_database(users: Vec<ImportUser>) -> Self {
        let count = users.len();
        Self::of_users(users.into_iter().map(|user| Line::Taken(User { user, note: None })), count)
    }

    /// The users of an htpasswd file.
    pub fn of_htpasswd(text: &'a [u8]) -> Self {
        let users = htpasswd::parse(text).map(|line| {
            line.and_then(|entry| {
                let note = (entry.password == Password::Empty).then_some(EMPTY_PASSWORD);
                Line::Taken(User { user: entry.into(), note })
            })
        });
        Self::of_users(users, count_lines(text))
    }

    /// Users, groups and memberships of an export. It is read twice: groups come after users in it.
    pub fn of_export(text: &'a [u8]) -> Self {
        let (mut groups, mut members) = (Vec::new(), Vec::new());
        for line in jsonl::parse(text) {
            match line {
                Line::Taken(jsonl::Record::Group(group, users)) => {
                    let membership =
                        |user| ImportMember { line: group.line, group: group.name.clone(), user };
                    members.extend(users.into_iter().map(membership));
                    groups.push(group);
                }
                Line::Taken(jsonl::Record::User(user, groups)) => {
                    let membership = |group| ImportMember { line: user.line, group, user: user.name.clone() };
                    members.extend(groups.into_iter().map(membership));
                }
                Line::Skipped | Line::Refused(_) => {}
            }
        }
        let names: HashMap<u32, String> =
            groups.iter().filter_map(|group| Some((group.gid?, group.name.clone()))).collect();
        let users = jsonl::parse(text).map(move |line| {
            line.and_then(|record| match record {
                jsonl::Record::Group(..) => Line::Skipped,
                jsonl::Record::User(user, _) => Line::Taken(with_primary_group(*user, &names)),
            })
        });
        Self { groups, members: each_once(members), ..Self::of_users(users, count_lines(text)) }
    }

    /// The people of a system. Lines with ids outside `ids` belong to the system itself.
    pub fn of_system(files: SystemFiles<'a>, ids: RangeInclusive<u32>) -> Self {
        let accounts: Vec<passwd::Entry<'a>> = passwd::parse(files.passwd).filter_map(Line::taken).collect();
        let groups = Groups::read(files.group.unwrap_or_default(), &accounts, &ids);
        let (passwords, refused_passwords) = Passwords::read(files.shadow.unwrap_or_default(), &accounts);
        let Groups { shared, members, refused, system, names } = groups;
        let system_people = accounts.iter().filter(|entry| !ids.contains(&entry.uid)).count() as u64;
        let users = passwd::parse(files.passwd).map(move |line| {
            line.and_then(|entry| {
                if ids.contains(&entry.uid) { person(&entry, &passwords, &names) } else { Line::Skipped }
            })
        });
        Self {
            groups: shared,
            members,
            refused_groups: refused,
            refused_passwords,
            system_entries: system + system_people,
            ..Self::of_users(users, accounts.len())
        }
    }
}

fn count_lines(text: &[u8]) -> usize {
    text.split(|&byte| byte == b'\n').count()
}

fn each_once(mut members: Vec<ImportMember>) -> Vec<ImportMember> {
    members.sort_by(|a, b| (&a.group, &a.user, a.line).cmp(&(&b.group, &b.user, b.line)));
    members.dedup_by(|a, b| a.group == b.group && a.user == b.user);
    members
}

/// In an export, a gid that is a group's means that group; any other is the private group's.
fn with_primary_group(mut user: ImportUser, names: &HashMap<u32, String>) -> User {
    let group = user.gid.and_then(|gid| names.get(&gid)).filter(|name| **name != user.name);
    if user.group.is_none() {
        user.group = group.cloned();
    }
    User { user, note: None }
}

/// Which group a gid means.
#[derive(Debug)]
enum Named {
    /// A group that is imported, or comes with the user of its name.
    Imported(String),
    /// A group of the system, which stays where it is.
    System(String),
}

/// A group file, sorted out.
struct Groups {
    shared: Vec<ImportGroup>,
    members: Vec<ImportMember>,
    refused: Vec<RefusedRecord>,
    system: u64,
    names: HashMap<u32, Named>,
}

impl Groups {
    fn read(text: &[u8], accounts: &[passwd::Entry<'_>], ids: &RangeInclusive<u32>) -> Self {
        let mut groups =
            Self { shared: vec![], members: vec![], refused: vec![], system: 0, names: HashMap::new() };
        // Backwards, since the first line of a name counts.
        let people = accounts.iter().rev().filter(|entry| ids.contains(&entry.uid));
        let primary: HashMap<&str, u32> = people.map(|entry| (entry.name, entry.gid)).collect();
        let system = accounts.iter().filter(|entry| !ids.contains(&entry.uid));
        let system: HashSet<&str> = system.map(|entry| entry.name).collect();
        for line in group::parse(text) {
            match line {
                Line::Taken(group) => groups.sort(group, &primary, &system, ids),
                Line::Refused(refusal) => groups.refused.push(refusal),
                Line::Skipped => {}
            }
        }
        groups
    }

    fn sort(
        &mut self,
        group: group::Entry<'_>,
        primary: &HashMap<&str, u32>,
        system: &HashSet<&str>,
        ids: &RangeInclusive<u32>,
    ) {
        if !ids.contains(&group.gid) {
            self.names.entry(group.gid).or_insert_with(|| Named::System(group.name.to_owned()));
            self.system += 1;
            return;
        }
        self.names.entry(group.gid).or_insert_with(|| Named::Imported(group.name.to_owned()));
        let private = primary.get(group.name) == Some(&group.gid);
        if !private {
            let name = group.name.to_owned();
            self.shared.push(ImportGroup { line: group.line, name, gid: Some(group.gid) });
        }
        // A user needs no membership in the group of its own, and the system's users are not imported.
        let comes_too = |user: &&str| !(system.contains(user) || private && *user == group.name);
        let membership = |user: &str| ImportMember {
            line: group.line,
            group: group.name.to_owned(),
            user: user.to_owned(),
        };
        self.members.extend(group.members.into_iter().filter(comes_too).map(membership));
    }
}

/// A shadow file, by name.
struct Passwords(HashMap<String, Result<(Password, Option<String>), RefusedRecord>>);

impl Passwords {
    /// Reads the file; lines that are refused and belong to nobody in `accounts` are handed back.
    fn read(text: &[u8], accounts: &[passwd::Entry<'_>]) -> (Self, Vec<RefusedRecord>) {
        let names: HashSet<&str> = accounts.iter().map(|entry| entry.name).collect();
        let (mut passwords, mut refused) = (HashMap::new(), Vec::new());
        for line in shadow::parse(text) {
            match line {
                Line::Taken(entry) => {
                    let expiry = entry.expires_at.map(|day| day.to_string());
                    // The first line of a name counts, as for getspnam(3).
                    passwords.entry(entry.name.to_owned()).or_insert(Ok((entry.password, expiry)));
                }
                Line::Refused(refusal) if names.contains(refusal.name.as_str()) => {
                    passwords.entry(refusal.name.clone()).or_insert(Err(refusal));
                }
                Line::Refused(refusal) => refused.push(refusal),
                Line::Skipped => {}
            }
        }
        (Self(passwords), refused)
    }

    /// The password and expiry of a passwd line. `x` means that shadow has the password; without a line
    /// there, no password fits.
    fn of(&self, entry: &passwd::Entry<'_>) -> Result<(Password, Option<String>), String> {
        let here = match entry.password {
            "x" => Password::Unusable,
            field => Password::parse(field),
        };
        match self.0.get(entry.name) {
            None => Ok((here, None)),
            Some(Ok((password, expiry))) if entry.password == "x" => Ok((password.clone(), expiry.clone())),
            Some(Ok((_, expiry))) => Ok((here, expiry.clone())),
            Some(Err(refusal)) => {
                Err(format!("line {} of the shadow file: {}", refusal.line, refusal.reason))
            }
        }
    }
}

fn person(entry: &passwd::Entry<'_>, passwords: &Passwords, names: &HashMap<u32, Named>) -> Line<User> {
    let user = passwords.of(entry).and_then(|password| {
        let group = primary_group(entry, names)?;
        Ok((password, group))
    });
    let ((password, expires_at), group) = match user {
        Ok(parts) => parts,
        Err(reason) => {
            return Line::Refused(RefusedRecord { line: entry.line, name: entry.name.to_owned(), reason });
        }
    };
    let note = (password == Password::Empty).then_some(EMPTY_PASSWORD);
    let (password_hash, locked): (Option<Secret>, bool) = password.into_parts();
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let user = ImportUser {
        line: entry.line,
        name: entry.name.to_owned(),
        uid: Some(entry.uid),
        gid: group.is_none().then_some(entry.gid),
        group,
        gecos: entry.gecos.to_owned(),
        home: given(entry.home),
        shell: given(entry.shell),
        password_hash,
        locked,
        expires_at,
        ..ImportUser::default()
    };
    Line::Taken(User { user, note })
}

/// The primary group's name, or none if it is the user's own.
fn primary_group(entry: &passwd::Entry<'_>, names: &HashMap<u32, Named>) -> Result<Option<String>, String> {
    match names.get(&entry.gid) {
        Some(Named::Imported(name)) if name == entry.name => Ok(None),
        Some(Named::Imported(name)) => Ok(Some(name.clone())),
        Some(Named::System(name)) => Err(format!(
            "the primary group, {name} ({}), belongs to the system and is not imported: give the user another, or choose --min-uid and --max-uid so that it is",
            entry.gid
        )),
        None if entry.gid == entry.uid => Ok(None),
        None => Err(format!(
            "the primary group {} has no line in a group file: give the file with --group",
            entry.gid
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"\
root:x:0:0:root:/root:/bin/bash
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
ada:x:1000:1000:Ada Lovelace:/home/ada:/bin/bash
bob:x:1001:5000:Bob:/home/bob:/bin/sh
carol:x:1002:1077::/home/carol:/bin/sh
dave:x:1003:100::/home/dave:/bin/sh
eve:x:1004:1009::/home/eve:/bin/sh
frank::1005:1005::/home/frank:/bin/sh
grace:$6$g$h:1006:1006:::
heidi:x:1007:1007::/home/heidi:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";
    const SHADOW: &[u8] = b"\
root:$y$secret:19000:0:99999:7:::
ada:$6$a$b:19000:0:99999:7::20454:
bob:!$6$c$d:19000:0:99999:7:::
carol:!:19000:0:99999:7:::
heidi:$6$e$f:19000:0:99999:7::soon:
stranger:*::::::soon:
";
    const GROUP: &[u8] = b"\
root:x:0:
users:x:100:ada
www-data:x:33:
ada:x:1000:ada,bob
carol:x:1077:
physics:x:5000:ada,www-data,ldapper
broken
";

    fn system(files: SystemFiles<'_>) -> (Records<'_>, HashMap<String, Result<ImportUser, String>>) {
        let mut records = Records::of_system(files, 1000..=59_999);
        let users = std::mem::replace(&mut records.users, Box::new(std::iter::empty()));
        let users = users.filter_map(|line| match line {
            Line::Taken(User { user, .. }) => Some((user.name.clone(), Ok(user))),
            Line::Refused(refusal) => Some((refusal.name, Err(refusal.reason))),
            Line::Skipped => None,
        });
        let users = users.collect();
        (records, users)
    }

    #[test]
    fn the_people_of_a_system_come_with_passwords_and_groups() {
        let (records, users) =
            system(SystemFiles { passwd: PASSWD, shadow: Some(SHADOW), group: Some(GROUP) });
        let user = |name: &str| users[name].clone().unwrap();
        let hash = |name: &str| user(name).password_hash.map(|hash| hash.0);

        assert_eq!(users.len(), 8, "root, www-data and nobody belong to the system");
        assert_eq!((user("ada").uid, user("ada").gid, user("ada").group), (Some(1000), Some(1000), None));
        assert_eq!((hash("ada"), user("ada").expires_at), (Some("$6$a$b".into()), Some("2026-01-01".into())));
        assert_eq!((user("bob").gid, user("bob").group), (None, Some("physics".into())));
        assert_eq!((hash("bob"), user("bob").locked), (Some("$6$c$d".into()), true));
        assert_eq!(
            (user("carol").gid, user("carol").group),
            (Some(1077), None),
            "private, of another number"
        );
        assert_eq!((hash("carol"), user("carol").locked), (None, false));
        assert_eq!(hash("frank"), None);
        assert_eq!((hash("grace"), user("grace").home), (Some("$6$g$h".into()), None));
        assert!(users["dave"].clone().unwrap_err().contains("users (100)"));
        assert!(users["eve"].clone().unwrap_err().contains("--group"));
        assert!(users["heidi"].clone().unwrap_err().contains("line 5 of the shadow file"));

        let groups: Vec<_> = records.groups.iter().map(|group| (group.name.as_str(), group.gid)).collect();
        assert_eq!(groups, [("physics", Some(5000))]);
        let members: Vec<_> = records.members.iter().map(|m| (m.group.as_str(), m.user.as_str())).collect();
        assert_eq!(members, [("ada", "bob"), ("physics", "ada"), ("physics", "ldapper")]);
        assert_eq!(records.system_entries, 6);
        assert_eq!(records.refused_groups.iter().map(|refusal| refusal.line).collect::<Vec<_>>(), [7]);
        assert_eq!(
            records.refused_passwords.iter().map(|refusal| &*refusal.name).collect::<Vec<_>>(),
            ["stranger"]
        );
    }

    #[test]
    fn an_empty_password_is_told_and_one_in_shadow_is_not_missed() {
        let (_, users) = system(SystemFiles { passwd: PASSWD, shadow: None, group: None });
        assert_eq!(users["ada"].clone().unwrap().password_hash, None);
        let notes: Vec<_> =
            Records::of_system(SystemFiles { passwd: PASSWD, shadow: None, group: None }, 1000..=2000)
                .users
                .filter_map(Line::taken)
                .filter(|user| user.note.is_some())
                .map(|user| user.user.name)
                .collect();
        assert_eq!(notes, ["frank"]);
    }

    #[test]
    fn an_export_names_primary_groups_and_each_membership_once() {
        let text = br#"{"name":"ada","uid":7000,"gid":7000,"groups":["physics"]}
{"name":"bob","uid":7001,"gid":5000,"groups":[]}
{"name":"eve","group":"physics","groups":["chess"]}
nonsense
{"group":{"name":"physics","gid":5000,"members":["ada","eve"]}}
"#;
        let records = Records::of_export(text);
        let members: Vec<_> = records.members.iter().map(|m| (m.group.as_str(), m.user.as_str())).collect();
        assert_eq!(members, [("chess", "eve"), ("physics", "ada"), ("physics", "eve")]);
        assert_eq!(records.groups.len(), 1);
        let users: Vec<_> = records.users.collect();
        assert_eq!(users.iter().filter(|line| matches!(line, Line::Refused(_))).count(), 1);
        let groups: Vec<_> = users.into_iter().filter_map(Line::taken).map(|user| user.user.group).collect();
        assert_eq!(groups, [None, Some("physics".into()), Some("physics".into())]);
    }
}
