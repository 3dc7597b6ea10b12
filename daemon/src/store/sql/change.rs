//! What changes the directory's records one by one. Every function runs inside a transaction that holds the revision's lock,
//! so that nobody changes anything between what it reads and what it writes.

use identity::{Gid, Name, State, User};

use super::reservation::kept;
use super::session::Session;
use super::value::{Value, values};
use super::{read, token};
use crate::clock::unix_milliseconds;
use crate::directory::{Change, Error, Result, Rules, Scopes, UserChange, private_group, reserved};

/// Takes the next revision.
pub async fn next_revision(session: &mut Session) -> Result<u64> {
    session.execute("UPDATE directory SET revision = revision + 1", &[]).await?;
    let revision = session.query("SELECT revision FROM directory", &[]).await?.one()?.unsigned("revision")?;
    stamp(session, revision).await?;
    if revision.is_multiple_of(FORGET_EVERY) {
        forget_history(session, revision).await?;
    }
    Ok(revision)
}

/// Marks a revision as this database's own: nobody else's of that number has the same stamp.
pub async fn stamp(session: &mut Session, revision: u64) -> Result<()> {
    let stamp = getrandom::u64().map_err(|error| Error::Failed(format!("no random numbers: {error}")))?;
    let statement = "INSERT INTO revisions (revision, stamp, committed_at) VALUES ($1, $2, $3)";
    session.execute(statement, values![revision, stamp >> 1, unix_milliseconds()]).await
}

/// How many revisions the change feed reaches back to: whoever is further behind copies the directory as a whole, which is
/// no more work by then.
const HISTORY: u64 = 100_000;

/// Not every change pays for forgetting.
const FORGET_EVERY: u64 = 64;

/// Forgets what was changed so long ago that nobody follows from there any more.
pub async fn forget_history(session: &mut Session, revision: u64) -> Result<()> {
    let oldest = revision.saturating_sub(HISTORY);
    session.execute("DELETE FROM changes WHERE revision < $1", values![oldest]).await?;
    session.execute("DELETE FROM revisions WHERE revision < $1", values![oldest]).await
}

/// A change as its row in the feed has it: the kind, and whom it names.
pub fn entry(change: &Change) -> (&'static str, &str, Option<&str>) {
    match change {
        Change::User { uuid } => ("user", uuid, None),
        Change::Group { uuid } => ("group", uuid, None),
        Change::Member { group, user } => ("member", group, Some(user)),
        Change::Token { uuid } => ("token", uuid, None),
    }
}

pub async fn log(session: &mut Session, revision: u64, change: &Change) -> Result<()> {
    let (kind, one, other) = entry(change);
    let statement = "INSERT INTO changes (revision, kind, one, other) VALUES ($1, $2, $3, $4)";
    session.execute(statement, values![revision, kind, one, other]).await
}

/// Logs every membership of a user, whose name stands in the groups' member lists.
async fn log_memberships(session: &mut Session, revision: u64, user: &str) -> Result<()> {
    for statement in [
        "INSERT INTO changes (revision, kind, one, other) \
         SELECT $1, 'member', group_uuid, user_uuid FROM members WHERE user_uuid = $2",
        "UPDATE groups SET revision = $1 WHERE uuid IN (SELECT group_uuid FROM members WHERE user_uuid = $2)",
    ] {
        session.execute(statement, values![revision, user]).await?;
    }
    Ok(())
}

pub async fn update_user(session: &mut Session, name: Name, change: UserChange, rules: &Rules) -> Result<()> {
    let user = read::existing_user(session, name).await?.user;
    check_unchanged(name, user.revision, change.if_revision)?;
    let revision = next_revision(session).await?;
    if let Some(new) = change.name.filter(|new| *new != name) {
        rename(session, revision, &user, new, rules).await?;
    }
    if change.state == Some(State::Locked) {
        token::revoke_those(session, revision, &user.uuid, |_| true).await?;
    } else if user.is_admin && change.is_admin == Some(false) {
        token::revoke_those(session, revision, &user.uuid, |token| {
            !token.scopes.are_within(Scopes::OF_USERS)
        })
        .await?;
    }
    let email = change.email.unwrap_or(user.email);
    let statement = "UPDATE users SET gecos = $1, email = $2, home = $3, shell = $4, state = $5, expires_at = $6, \
                     is_admin = $7, revision = $8 WHERE uuid = $9";
    let values = values![
        change.gecos.unwrap_or(user.gecos).as_str(),
        email.as_ref().map(|email| email.as_str()),
        change.home.unwrap_or(user.home).as_str(),
        change.shell.unwrap_or(user.shell).as_str(),
        change.state.unwrap_or(user.state).as_str(),
        change.expires_at.unwrap_or(user.expires_at).map(|day| i64::from(day.0)),
        change.is_admin.unwrap_or(user.is_admin),
        revision,
        &user.uuid,
    ];
    session.execute(statement, values).await?;
    log(session, revision, &Change::User { uuid: user.uuid }).await
}

/// Refuses what somebody asks for who has seen another revision.
fn check_unchanged(name: Name, revision: u64, seen: Option<u64>) -> Result<()> {
    match seen {
        Some(seen) if seen != revision => {
            Err(Error::Changed(format!("{name} has changed since revision {seen}: look at it again")))
        }
        _ => Ok(()),
    }
}

/// Gives a user, and the private group with it, another name. The old name is kept back as a
/// deleted one's is, for everybody but this user.
async fn rename(session: &mut Session, revision: u64, user: &User, new: Name, rules: &Rules) -> Result<()> {
    let private = private_group_of(session, &user.uuid).await?;
    let objection = rules.objection_to_user(new, user.uid, user.gid);
    let to_group = || private.as_ref().and_then(|(_, gid)| rules.objection_to_group(new, *gid));
    if let Some(objection) = objection.or_else(to_group) {
        return Err(Error::Refused(objection));
    }
    check_unclaimed(session, "user", new, &user.uuid).await?;
    session.execute("UPDATE users SET name = $1 WHERE uuid = $2", values![new.as_str(), &user.uuid]).await?;
    bury(session, revision, "user", (&user.uuid, user.name, user.uid.0)).await?;
    if let Some((uuid, gid)) = private {
        rename_group(session, revision, (uuid, user.name, gid), new).await?;
    }
    log_memberships(session, revision, &user.uuid).await
}

async fn rename_group(
    session: &mut Session,
    revision: u64,
    (uuid, old, gid): (String, Name, Gid),
    new: Name,
) -> Result<()> {
    check_unclaimed(session, "group", new, &uuid).await?;
    let statement = "UPDATE groups SET name = $1, revision = $2 WHERE uuid = $3";
    session.execute(statement, values![new.as_str(), revision, &uuid]).await?;
    bury(session, revision, "group", (&uuid, old, gid.0)).await?;
    log(session, revision, &Change::Group { uuid }).await
}

/// Refuses a name that somebody else has or, if nobody has it, somebody else had last.
async fn check_unclaimed(session: &mut Session, kind: &str, name: Name, own_uuid: &str) -> Result<()> {
    if kept(session, None).await?.iter().any(|kept| kept.name == name) {
        return Err(reserved(name));
    }
    let holders = format!("SELECT uuid FROM {kind}s WHERE name = $1");
    let last = "SELECT uuid FROM tombstones WHERE kind = $1 AND name = $2 ORDER BY revision DESC LIMIT 1";
    let mut holder = (session.query(&holders, values![name.as_str()]).await?, "is the name of another");
    if holder.0.first().is_none() {
        holder = (session.query(last, values![kind, name.as_str()]).await?, "was the name of a deleted");
    }
    match holder.0.first() {
        Some(row) if row.text("uuid")? != own_uuid => {
            Err(Error::Conflict(format!("{name} {} {kind}", holder.1)))
        }
        _ => Ok(()),
    }
}

async fn private_group_of(session: &mut Session, user: &str) -> Result<Option<(String, Gid)>> {
    let rows = session.query("SELECT uuid, gid FROM groups WHERE private_of = $1", values![user]).await?;
    rows.first().map(|row| Ok((row.text("uuid")?.to_owned(), Gid(row.id("gid")?)))).transpose()
}

/// How many users a statement finds.
async fn count(session: &mut Session, statement: &str, values: &[Value]) -> Result<u64> {
    session.query(statement, values).await?.one()?.unsigned("users")
}

pub async fn delete_user(session: &mut Session, name: Name, if_revision: Option<u64>) -> Result<()> {
    let user = read::existing_user(session, name).await?.user;
    check_unchanged(name, user.revision, if_revision)?;
    let revision = next_revision(session).await?;
    log_memberships(session, revision, &user.uuid).await?;
    if let Some((uuid, gid)) = private_group_of(session, &user.uuid).await? {
        let others = "SELECT COUNT(*) AS users FROM users WHERE gid = $1 AND uuid <> $2";
        let others = count(session, others, values![gid.0, &user.uuid]).await?;
        if others > 0 {
            return Err(Error::Conflict(format!(
                "{name}'s private group is the primary group of {others} other users; change or delete them first"
            )));
        }
        remove_group(session, revision, &uuid, name, gid).await?;
    }
    token::revoke_those(session, revision, &user.uuid, |_| true).await?;
    for statement in [
        "DELETE FROM members WHERE user_uuid = $1",
        "DELETE FROM credentials WHERE user_uuid = $1",
        "DELETE FROM users WHERE uuid = $1",
    ] {
        session.execute(statement, values![&user.uuid]).await?;
    }
    bury(session, revision, "user", (&user.uuid, name, user.uid.0)).await?;
    log(session, revision, &Change::User { uuid: user.uuid }).await
}

pub async fn delete_group(session: &mut Session, name: Name, if_revision: Option<u64>) -> Result<()> {
    let team = read::existing_group(session, name).await?;
    check_unchanged(name, team.group.revision, if_revision)?;
    if team.private_of.is_some() {
        return Err(Error::Refused(format!(
            "{name} is the private group of the user {name}, and goes with the user"
        )));
    }
    let users = "SELECT COUNT(*) AS users FROM users WHERE gid = $1";
    let users = count(session, users, values![team.group.gid.0]).await?;
    if users > 0 {
        return Err(Error::Conflict(format!(
            "{name} is the primary group of {users} users; delete them or change their group first"
        )));
    }
    let revision = next_revision(session).await?;
    remove_group(session, revision, &team.group.uuid, name, team.group.gid).await
}

async fn remove_group(session: &mut Session, revision: u64, uuid: &str, name: Name, gid: Gid) -> Result<()> {
    for statement in ["DELETE FROM members WHERE group_uuid = $1", "DELETE FROM groups WHERE uuid = $1"] {
        session.execute(statement, values![uuid]).await?;
    }
    bury(session, revision, "group", (uuid, name, gid.0)).await?;
    log(session, revision, &Change::Group { uuid: uuid.to_owned() }).await
}

/// Leaves a tombstone; a name that is given up twice by the same has one, the latest.
async fn bury(
    session: &mut Session,
    revision: u64,
    kind: &str,
    (uuid, name, id): (&str, Name, u32),
) -> Result<()> {
    let forget = "DELETE FROM tombstones WHERE uuid = $1 AND name = $2";
    session.execute(forget, values![uuid, name.as_str()]).await?;
    let statement = "INSERT INTO tombstones (uuid, kind, name, id, revision) VALUES ($1, $2, $3, $4, $5)";
    session.execute(statement, values![uuid, kind, name.as_str(), id, revision]).await
}

pub async fn set_members(session: &mut Session, group: Name, users: &[Name], present: bool) -> Result<()> {
    let team = read::existing_group(session, group).await?;
    if team.private_of.is_some() {
        return Err(private_group(group));
    }
    let revision = next_revision(session).await?;
    let group = team.group.uuid;
    for user in users {
        let user = read::existing_user(session, *user).await?.user.uuid;
        let leave = "DELETE FROM members WHERE group_uuid = $1 AND user_uuid = $2";
        session.execute(leave, values![&group, &user]).await?;
        if present {
            let join = "INSERT INTO members (group_uuid, user_uuid, origin) VALUES ($1, $2, 'admin')";
            session.execute(join, values![&group, &user]).await?;
        }
        touch_user(session, revision, &user).await?;
        log(session, revision, &Change::Member { group: group.clone(), user }).await?;
    }
    session.execute("UPDATE groups SET revision = $1 WHERE uuid = $2", values![revision, &group]).await
}

async fn touch_user(session: &mut Session, revision: u64, user: &str) -> Result<()> {
    session.execute("UPDATE users SET revision = $1 WHERE uuid = $2", values![revision, user]).await
}

pub async fn set_password(session: &mut Session, name: Name, hash: Option<String>) -> Result<()> {
    let user = read::existing_user(session, name).await?.user.uuid;
    let revision = next_revision(session).await?;
    session.execute("DELETE FROM credentials WHERE user_uuid = $1", values![&user]).await?;
    if let Some(hash) = hash {
        let statement = "INSERT INTO credentials (user_uuid, hash, revision) VALUES ($1, $2, $3)";
        session.execute(statement, values![&user, hash, revision]).await?;
    }
    touch_user(session, revision, &user).await?;
    log(session, revision, &Change::User { uuid: user }).await
}

pub async fn upgrade_password(session: &mut Session, uuid: &str, old: &str, new: &str) -> Result<()> {
    let statement = "UPDATE credentials SET hash = $1 WHERE user_uuid = $2 AND hash = $3";
    session.execute(statement, values![new, uuid, old]).await
}
