//! What a snapshot shows and what it must show, as plain values that can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use identity::{Gid, Name, State, Uid};
use snapshot::{GroupRecord, UserRecord, View};

use crate::directory::{Directory, Rules};
use crate::testing::{Everything, Publishing};

/// A user as NSS and the account phase see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownUser {
    name: String,
    uid: u32,
    gid: u32,
    gecos: String,
    home: String,
    shell: String,
}

/// A group as NSS sees it, its members sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownGroup {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// All that must be shown.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    users: BTreeMap<String, ShownUser>,
    groups: BTreeMap<String, ShownGroup>,
    groups_of: BTreeMap<String, BTreeSet<u32>>,
    accounts: BTreeMap<String, (u32, bool, Option<i32>)>,
}

/// Every name and id there ever was, whether or not it is shown now.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub names: BTreeSet<String>,
    pub ids: BTreeSet<u32>,
}

impl Expected {
    /// What the directory's own reads say, without whom the rules do not let live here.
    pub async fn of(directory: &impl Directory, rules: &Rules, known: &mut Known) -> Self {
        let everything = Everything::of(directory).await;
        let mut expected = Self::default();
        for member in &everything.users {
            let user = &member.user;
            let name = user.name.to_string();
            known.names.insert(name.clone());
            known.ids.extend([user.uid.0, user.gid.0]);
            if rules.objection_to_user(user.name, user.uid, user.gid).is_some() {
                continue;
            }
            let served = |(gid, group): &&(Gid, Name)| rules.objection_to_group(*group, *gid).is_none();
            let gids = member.groups.iter().filter(served).map(|(gid, _)| gid.0).collect();
            let shown = ShownUser {
                name: name.clone(),
                uid: user.uid.0,
                gid: user.gid.0,
                gecos: user.gecos.to_string(),
                home: user.home.to_string(),
                shell: user.shell.to_string(),
            };
            let account = (user.uid.0, user.state == State::Locked, user.expires_at.map(|day| day.0));
            expected.users.insert(name.clone(), shown);
            expected.groups_of.insert(name.clone(), gids);
            expected.accounts.insert(name, account);
        }
        for team in everything.groups {
            let name = team.group.name.to_string();
            known.names.insert(name.clone());
            known.ids.insert(team.group.gid.0);
            if rules.objection_to_group(team.group.name, team.group.gid).is_some() {
                continue;
            }
            let members = team.members.iter().map(Name::to_string);
            let members = members.filter(|member| expected.users.contains_key(member)).collect();
            expected.groups.insert(name.clone(), ShownGroup { name, gid: team.group.gid.0, members });
        }
        expected
    }

    /// Says where a snapshot differs, whichever way it is asked.
    pub fn compare<D: Directory>(&self, publishing: &Publishing<D>, known: &Known) -> Result<(), String> {
        let loaded = publishing.look().map_err(|trouble| format!("no snapshot: {trouble}"))?;
        let view = loaded.view();
        self.compare_lists(&view)?;
        for name in &known.names {
            let found = view.user_by_name(name.as_bytes()).unwrap().map(|user| shown_user(&user));
            same(&format!("user {name}"), found, self.users.get(name).cloned())?;
            let found = view.group_by_name(name.as_bytes()).unwrap().map(|group| shown_group(&group));
            same(&format!("group {name}"), found, self.groups.get(name).cloned())?;
            let found = groups_of(&view, name);
            same(&format!("groups of {name}"), found, self.groups_of.get(name).cloned())?;
        }
        for id in &known.ids {
            let found = view.user_by_uid(Uid(*id)).unwrap().map(|user| shown_user(&user));
            let expected = self.users.values().find(|user| user.uid == *id);
            same(&format!("uid {id}"), found, expected.cloned())?;
            let found = view.group_by_gid(Gid(*id)).unwrap().map(|group| shown_group(&group));
            let expected = self.groups.values().find(|group| group.gid == *id);
            same(&format!("gid {id}"), found, expected.cloned())?;
        }
        self.compare_accounts(publishing, known)
    }

    fn compare_lists(&self, view: &View<'_>) -> Result<(), String> {
        let users = (0..view.user_count()).filter_map(|index| view.user_at(index).unwrap());
        let mut users: Vec<_> = users.map(|user| shown_user(&user)).collect();
        users.sort_by(|one, other| one.name.cmp(&other.name));
        same("all users", users, self.users.values().cloned().collect())?;
        let groups = (0..view.group_count()).filter_map(|index| view.group_at(index).unwrap());
        let mut groups: Vec<_> = groups.map(|group| shown_group(&group)).collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        same("all groups", groups, self.groups.values().cloned().collect())
    }

    fn compare_accounts<D: Directory>(
        &self,
        publishing: &Publishing<D>,
        known: &Known,
    ) -> Result<(), String> {
        let loaded =
            publishing.look_at_accounts().map_err(|trouble| format!("no account part: {trouble}"))?;
        let view = loaded.view();
        for name in &known.names {
            let found = view.account_by_name(name.as_bytes()).unwrap();
            let found = found.map(|account| (account.uid.0, account.locked, account.expires_at));
            same(&format!("account {name}"), found, self.accounts.get(name).copied())?;
        }
        let accounts = (0..view.account_count()).filter_map(|index| view.account_at(index).unwrap());
        let mut names: Vec<_> = accounts.map(|account| text(account.name())).collect();
        names.sort_unstable();
        same("all accounts", names, self.accounts.keys().cloned().collect())
    }
}

fn same<T: PartialEq + Debug>(what: &str, shown: T, expected: T) -> Result<(), String> {
    if shown == expected {
        return Ok(());
    }
    Err(format!("{what}: the snapshot shows\n  {shown:?}\nand the directory says\n  {expected:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn shown_user(user: &UserRecord<'_>) -> ShownUser {
    let field = |start| text(user.field(start));
    assert_eq!(field(user.password), "*");
    ShownUser {
        name: text(user.name()),
        uid: user.uid.0,
        gid: user.gid.0,
        gecos: field(user.gecos),
        home: field(user.home),
        shell: field(user.shell),
    }
}

fn shown_group(group: &GroupRecord<'_>) -> ShownGroup {
    let mut members: Vec<_> = group.members.iter().map(|member| text(member.unwrap())).collect();
    members.sort_unstable();
    ShownGroup { name: text(group.name()), gid: group.gid.0, members }
}

fn groups_of(view: &View<'_>, name: &str) -> Option<BTreeSet<u32>> {
    Some(view.groups_of(name.as_bytes()).unwrap()?.map(|gid| gid.unwrap().0).collect())
}
