//! `org.pody.Directory`, but for the import.

use identity::{Gid, Name, Uid};
use protocol::directory::{
    AddMembers, CreateGroup, CreateUser, DeleteGroup, DeleteUser, Done, GetGroup, GetUser, GroupReply,
    GroupsReply, ListGroups, ListUsers, RemoveMembers, SetPassword, UpdateUser, UserReply, UsersReply,
};

use super::Handle;
use super::identity::key as identity_key;
use crate::directory::{Directory, Member, Result, UserChange};
use crate::doors::record::{self, fitting, key, names, page_size, parse, parse_change, parse_option, secret};
use crate::limits::{MAX_MEMBERS_PAGE, MAX_PAGE};
use crate::service::{Caller, NewAccount, PasswordChange, Service};

fn user_reply<D: Directory>(service: &Service<D>, member: Member) -> UserReply {
    let hidden = service.objection(&member);
    UserReply { user: record::user(member, hidden) }
}

impl<D: Directory> Handle<D> for CreateUser {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<UserReply> {
        let account = NewAccount {
            uid: self.uid.map(Uid),
            group: parse_option("group", self.group.as_deref())?,
            gecos: parse_option("gecos", self.gecos.as_deref())?,
            email: parse_option("email", self.email.as_deref())?,
            home: parse_option("home", self.home.as_deref())?,
            shell: parse_option("shell", self.shell.as_deref())?,
            expires_at: parse_option("expires_at", self.expires_at.as_deref())?,
            is_admin: self.is_admin,
            groups: names("groups", &self.groups)?,
            password: self.password.map(secret),
            reuse_name: self.reuse_name,
        };
        let member = service.create_user(caller, parse("name", &self.name)?, account).await?;
        Ok(user_reply(service, member))
    }
}

impl<D: Directory> Handle<D> for GetUser {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<UserReply> {
        let member = service.user(caller, key(self.name.as_deref(), self.uid)?).await?;
        let name = member.user.name;
        let is_refused = service.is_refused(&member.user.uuid);
        let mut reply = user_reply(service, member);
        reply.user.refused = is_refused;
        // Everything else is known while the directory is away, too.
        if let Ok(page) = service.identities(caller, Some(name), None, MAX_PAGE).await {
            let living = page.items.iter().filter(|linked| !linked.is_deleted);
            reply.user.identities = living.map(|linked| identity_key(&linked.identity)).collect();
        }
        Ok(reply)
    }
}

impl<D: Directory> Handle<D> for ListUsers {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<UsersReply> {
        let after = parse_option("after", self.after.as_deref())?;
        let page = service.users(caller, after, page_size(self.limit, MAX_PAGE)).await?;
        let users = page.items.into_iter().map(|member| user_reply(service, member).user).collect();
        let (users, some_stay) = fitting(users);
        Ok(UsersReply { users, more: page.more || some_stay })
    }
}

impl<D: Directory> Handle<D> for UpdateUser {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<UserReply> {
        let change = UserChange {
            name: parse_option("new_name", self.new_name.as_deref())?,
            gecos: parse_option("gecos", self.gecos.as_deref())?,
            email: parse_change("email", self.email.as_deref())?,
            home: parse_option("home", self.home.as_deref())?,
            shell: parse_option("shell", self.shell.as_deref())?,
            state: self.state.as_deref().map(record::state).transpose()?,
            expires_at: parse_change("expires_at", self.expires_at.as_deref())?,
            is_admin: self.is_admin,
            if_revision: self.if_revision,
        };
        let member = service.update_user(caller, parse("name", &self.name)?, change).await?;
        Ok(user_reply(service, member))
    }
}

impl<D: Directory> Handle<D> for DeleteUser {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Done> {
        Ok(Done { revision: service.delete_user(caller, parse("name", &self.name)?, None).await? })
    }
}

impl<D: Directory> Handle<D> for SetPassword {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Done> {
        let change = PasswordChange { old: self.old.map(secret), new: self.new.map(secret) };
        Ok(Done { revision: service.set_password(caller, parse("name", &self.name)?, change).await? })
    }
}

impl<D: Directory> Handle<D> for CreateGroup {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<GroupReply> {
        let name = parse("name", &self.name)?;
        let team = service.create_group(caller, name, self.gid.map(Gid), self.reuse_name).await?;
        Ok(GroupReply { group: record::group(team), more: false })
    }
}

impl<D: Directory> Handle<D> for GetGroup {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<GroupReply> {
        let after: Option<Name> = parse_option("after", self.after.as_deref())?;
        let mut team = service.group(caller, key(self.name.as_deref(), self.gid)?).await?;
        team.members.retain(|member| after.is_none_or(|after| *member > after));
        let more = team.members.len() > MAX_MEMBERS_PAGE;
        team.members.truncate(MAX_MEMBERS_PAGE);
        Ok(GroupReply { group: record::group(team), more })
    }
}

impl<D: Directory> Handle<D> for ListGroups {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<GroupsReply> {
        let after = parse_option("after", self.after.as_deref())?;
        let page = service.groups(caller, after, page_size(self.limit, MAX_PAGE), self.private).await?;
        Ok(GroupsReply { groups: page.items.into_iter().map(record::group).collect(), more: page.more })
    }
}

impl<D: Directory> Handle<D> for DeleteGroup {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Done> {
        Ok(Done { revision: service.delete_group(caller, parse("name", &self.name)?, None).await? })
    }
}

impl<D: Directory> Handle<D> for AddMembers {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Done> {
        let (group, users) = (parse("group", &self.group)?, names("users", &self.users)?);
        Ok(Done { revision: service.set_members(caller, group, users, true).await? })
    }
}

impl<D: Directory> Handle<D> for RemoveMembers {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Done> {
        let (group, users) = (parse("group", &self.group)?, names("users", &self.users)?);
        Ok(Done { revision: service.set_members(caller, group, users, false).await? })
    }
}
