//! `podyctl group …`.

use protocol::directory::{
    AddMembers, CreateGroup, DeleteGroup, GetGroup, GroupRecord, ListGroups, RemoveMembers,
};

use crate::arguments::{GroupCommand, Members};
use crate::daemon::{Daemon, pages};
use crate::person::confirm;
use crate::table::{Listing, Value, record};
use crate::{Code, Failure, Result, Session};

/// Runs a command about groups.
pub fn run(command: GroupCommand, session: &mut Session<'_>) -> Result<()> {
    match command {
        GroupCommand::Add { name, gid, reuse_name } => add(CreateGroup { name, gid, reuse_name }, session),
        GroupCommand::Show { group } => show(&group, session),
        GroupCommand::List { private } => list(private, session),
        GroupCommand::Delete { name, yes } => delete(name, yes, session),
        GroupCommand::AddMember(members) => add_members(members, session),
        GroupCommand::RemoveMember(members) => remove_members(members, session),
    }
}

fn add(call: CreateGroup, session: &mut Session<'_>) -> Result<()> {
    let group = Daemon::connect(&session.socket)?.call(&call)?.group;
    session.output.answer(&format!("{} was created with gid {}.", group.name, group.gid), &group)
}

fn show(key: &str, session: &mut Session<'_>) -> Result<()> {
    let by_id = key.starts_with(|c: char| c.is_ascii_digit());
    let call = if by_id {
        let gid = key
            .parse()
            .map_err(|_| Failure::new(Code::Usage, format_args!("{key} is neither a name nor a gid")))?;
        GetGroup { gid: Some(gid), ..GetGroup::default() }
    } else {
        GetGroup { name: Some(key.to_owned()), ..GetGroup::default() }
    };
    let group = whole(call, &mut Daemon::connect(&session.socket)?)?;
    if session.output.json {
        return session.output.object(&group);
    }
    let kind = kind(&group);
    record(
        &mut session.output,
        [
            ("name", group.name.into()),
            ("gid", group.gid.into()),
            ("kind", kind),
            ("members", group.members.join(" ").into()),
            ("uuid", Value::from(group.uuid)),
        ],
    )
}

/// A group with all of its members, however many pages they take.
fn whole(mut call: GetGroup, daemon: &mut Daemon) -> Result<GroupRecord> {
    let mut reply = daemon.call(&call)?;
    let mut group = std::mem::take(&mut reply.group);
    while reply.more {
        call.after = group.members.last().cloned();
        reply = daemon.call(&call)?;
        group.members.append(&mut reply.group.members);
    }
    Ok(group)
}

fn kind(group: &GroupRecord) -> Value {
    if group.private { "private" } else { "shared" }.into()
}

fn list(private: bool, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let output = &mut session.output;
    if output.json {
        let mut array = output.array();
        each_page(&mut daemon, private, |groups| groups.iter().try_for_each(|group| array.push(group)))?;
        return array.end();
    }
    let mut listing = Listing::new(["NAME", "GID", "KIND"]);
    each_page(&mut daemon, private, |groups| {
        let rows = groups.into_iter().map(|group| {
            let kind = kind(&group);
            [group.name.into(), group.gid.into(), kind]
        });
        listing.page(output, rows)
    })
}

/// Hands over all groups, without their members, a page at a time.
pub fn each_page(
    daemon: &mut Daemon,
    private: bool,
    each: impl FnMut(Vec<GroupRecord>) -> Result<()>,
) -> Result<()> {
    let page = |after| {
        let reply = daemon.call(&ListGroups { after, limit: None, private })?;
        Ok((reply.groups, reply.more))
    };
    pages(page, |group: &GroupRecord| group.name.clone(), each)
}

fn delete(name: String, yes: bool, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    if !yes {
        daemon.call(&GetGroup { name: Some(name.clone()), ..GetGroup::default() })?;
    }
    confirm(session, yes, &format!("Delete the group {name}?"))?;
    let done = daemon.call(&DeleteGroup { name: name.clone() })?;
    session.output.answer(&format!("{name} was deleted."), &done)
}

fn add_members(Members { group, users }: Members, session: &mut Session<'_>) -> Result<()> {
    let sentence = format!("{} now in {group}.", and_are(&users));
    let done = Daemon::connect(&session.socket)?.call(&AddMembers { group, users })?;
    session.output.answer(&sentence, &done)
}

fn remove_members(Members { group, users }: Members, session: &mut Session<'_>) -> Result<()> {
    let sentence = format!("{} no longer in {group}.", and_are(&users));
    let done = Daemon::connect(&session.socket)?.call(&RemoveMembers { group, users })?;
    session.output.answer(&sentence, &done)
}

fn and_are(users: &[String]) -> String {
    match users {
        [one] => format!("{one} is"),
        many => format!("{} are", many.join(", ")),
    }
}
