//! A directory in memory, with as many rules as the tests need.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Error;
use protocol::directory::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::podyd::{Answer, Podyd};

/// Users and groups, by name.
#[derive(Clone, Default)]
pub struct Directory {
    users: BTreeMap<String, ExportedUser>,
    groups: BTreeMap<String, GroupRecord>,
    next_id: u32,
}

impl Directory {
    /// A directory that holds users `u000000`, `u000001`, …
    pub fn of_users(count: u32) -> Self {
        let mut directory = Self::default();
        let users =
            (0..count).map(|number| ImportUser { name: format!("u{number:06}"), ..Default::default() });
        let refused = directory.import(Import { users: users.collect(), ..Default::default() }).refused;
        assert_eq!(refused, []);
        directory
    }

    /// Serves it.
    pub fn serve(mut self) -> Podyd {
        Podyd::start(move |method, parameters| self.answer(method, parameters))
    }

    fn answer(&mut self, method: &str, parameters: Value) -> Answer {
        fn reply<M: DeserializeOwned, R: Serialize>(
            parameters: Value,
            answer: impl FnOnce(M) -> R,
        ) -> Answer {
            let call = serde_json::from_value(parameters).unwrap();
            Some(Ok(serde_json::to_value(answer(call)).unwrap()))
        }
        match method {
            "Directory.Import" => reply(parameters, |call| self.import(call)),
            "Directory.Export" => reply(parameters, |call: Export| {
                let (users, more) = page(&self.users, call.after, call.limit.unwrap_or(500));
                ExportReply { users, more }
            }),
            "Directory.ListUsers" => reply(parameters, |call: ListUsers| {
                let (users, more) = page(&self.users, call.after, call.limit.unwrap_or(1000));
                UsersReply { users: users.into_iter().map(|exported| exported.user).collect(), more }
            }),
            "Directory.ListGroups" => reply(parameters, |call: ListGroups| {
                let shown = |group: &&GroupRecord| call.private || !group.private;
                let groups = self.groups.values().filter(shown).cloned();
                let groups =
                    groups.map(|group| (group.name.clone(), GroupRecord { members: vec![], ..group }));
                let (groups, more) = page(&groups.collect(), call.after, call.limit.unwrap_or(1000));
                GroupsReply { groups, more }
            }),
            other => Some(Err(Error::MethodNotFound { message: other.to_owned() })),
        }
    }

    fn import(&mut self, batch: Import) -> ImportReply {
        assert!(
            batch.groups.len() + batch.users.len() + batch.members.len() <= 500 || batch.users[0].line == 0
        );
        let mut after = self.clone();
        let mut refused = Vec::new();
        let mut refuse = |line, name: &str, result: Result<(), &str>| {
            let refusal =
                |reason: &str| RefusedRecord { line, name: name.to_owned(), reason: reason.to_owned() };
            refused.extend(result.err().map(refusal));
        };
        for group in &batch.groups {
            refuse(group.line, &group.name, after.add_group(group, batch.new_ids));
        }
        for user in &batch.users {
            refuse(user.line, &user.name, after.add_user(user, batch.new_ids));
        }
        for member in &batch.members {
            refuse(member.line, &member.user, after.add_member(member));
        }
        if !batch.dry_run {
            *self = after;
        }
        let records = batch.groups.len() + batch.users.len() + batch.members.len();
        ImportReply { taken: (records - refused.len()) as u64, refused }
    }

    fn id(&mut self, wanted: Option<u32>, new_ids: bool) -> Result<u32, &'static str> {
        let taken: BTreeSet<u32> = self
            .groups
            .values()
            .map(|group| group.gid)
            .chain(self.users.values().map(|user| user.user.uid))
            .collect();
        match wanted.filter(|_| !new_ids) {
            Some(id) if taken.contains(&id) => Err("the id is taken"),
            Some(id) => Ok(id),
            None => {
                self.next_id += 1;
                Ok(1_900_000_000 + self.next_id)
            }
        }
    }

    fn add_group(&mut self, group: &ImportGroup, new_ids: bool) -> Result<(), &'static str> {
        if self.groups.contains_key(&group.name) {
            return Err("the name is taken");
        }
        let gid = self.id(group.gid, new_ids)?;
        let record = GroupRecord { name: group.name.clone(), gid, ..Default::default() };
        self.groups.insert(group.name.clone(), record);
        Ok(())
    }

    fn add_user(&mut self, user: &ImportUser, new_ids: bool) -> Result<(), &'static str> {
        if user.name.parse::<identity::Name>().is_err() {
            return Err("the name is none");
        }
        if self.users.contains_key(&user.name) {
            return Err("the name is taken");
        }
        if user
            .password_hash
            .as_ref()
            .is_some_and(|hash| !hash.0.starts_with('$') && !hash.0.starts_with("sha256:"))
        {
            return Err("the password is of a kind that is not taken over");
        }
        // Allocation in the fake looks at every id: fresh ones are given by counting alone.
        let uid = if user.uid.is_some() { self.id(user.uid, new_ids)? } else { self.id(None, true)? };
        let gid = match &user.group {
            Some(group) => self.groups.get(group).ok_or("there is no such group")?.gid,
            None => user.gid.filter(|_| !new_ids).unwrap_or(uid),
        };
        if user.group.is_none() {
            let private = GroupRecord { name: user.name.clone(), gid, private: true, ..Default::default() };
            if self.groups.insert(user.name.clone(), private).is_some() {
                return Err("a group has the name");
            }
        }
        let record = UserRecord {
            name: user.name.clone(),
            uid,
            gid,
            gecos: user.gecos.clone(),
            email: user.email.clone(),
            home: user.home.clone().unwrap_or_else(|| format!("/home/{}", user.name)),
            shell: user.shell.clone().unwrap_or_else(|| "/bin/bash".into()),
            state: if user.locked { "locked" } else { "active" }.into(),
            expires_at: user.expires_at.clone(),
            is_admin: user.is_admin,
            has_password: user.password_hash.is_some(),
            ..Default::default()
        };
        let exported = ExportedUser { user: record, password_hash: user.password_hash.clone() };
        self.users.insert(user.name.clone(), exported);
        Ok(())
    }

    fn add_member(&mut self, member: &ImportMember) -> Result<(), &'static str> {
        if !self.groups.contains_key(&member.group) {
            return Err("there is no such group");
        }
        let user = self.users.get_mut(&member.user).ok_or("there is no such user")?;
        user.user.groups.push(member.group.clone());
        user.user.groups.sort();
        Ok(())
    }
}

fn page<T: Clone>(all: &BTreeMap<String, T>, after: Option<String>, limit: u32) -> (Vec<T>, bool) {
    let mut rest = all.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
    let page = rest.by_ref().take(limit as usize).map(|(_, item)| item.clone()).collect();
    (page, rest.next().is_some())
}
