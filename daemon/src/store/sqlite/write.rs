//! What changes the directory. Every function runs inside the caller's transaction: it reads the facts, lets
//! `directory::plan` decide, and writes rows together with their entries in the change feed.

use std::collections::HashSet;

use identity::{Gid, Name};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::read;
use crate::directory::{
    Batch, Change, Error, Facts, KnownGroup, Plan, Primary, Refusal, Result, Rules, UserChange, plan,
    private_group,
};
use crate::store::rows::{self, database};

/// Creates a batch; says what was refused and whether anything was taken.
pub async fn create(
    connection: &mut SqliteConnection,
    batch: Batch,
    rules: &Rules,
) -> Result<(Vec<Refusal>, bool)> {
    let all_or_nothing = batch.all_or_nothing;
    let facts = facts(connection, &batch, rules).await?;
    let mut plan = plan(batch, facts, rules);
    if all_or_nothing && !plan.refused.is_empty() {
        return Err(plan.refused.swap_remove(0).error);
    }
    let taken = !(plan.groups.is_empty() && plan.users.is_empty() && plan.members.is_empty());
    if taken {
        insert(connection, &plan).await?;
    }
    Ok((plan.refused, taken))
}

/// Reads what the plan needs to know about the names and ids of a batch.
async fn facts(connection: &mut SqliteConnection, batch: &Batch, rules: &Rules) -> Result<Facts> {
    let users: HashSet<&str> = (batch.users.iter().map(|user| user.name.as_str()))
        .chain(batch.members.iter().map(|member| member.user.as_str()))
        .collect();
    let primary = batch.users.iter().filter_map(|user| match &user.primary {
        Primary::Named(group) => Some(group.as_str()),
        Primary::Private { .. } => None,
    });
    let groups: HashSet<&str> = (batch.groups.iter().map(|group| group.name.as_str()))
        .chain(batch.users.iter().map(|user| user.name.as_str()))
        .chain(batch.members.iter().map(|member| member.group.as_str()))
        .chain(primary)
        .collect();
    let ids: HashSet<u32> = (batch.groups.iter().filter_map(|group| Some(group.gid?.0)))
        .chain(batch.users.iter().filter_map(|user| Some(user.uid?.0)))
        .chain(batch.users.iter().filter_map(|user| match user.primary {
            Primary::Private { gid, .. } => Some(gid?.0),
            Primary::Named(_) => None,
        }))
        .collect();
    let named_ids = ids.len();
    let (users, groups, ids) = (json!(users).to_string(), json!(groups).to_string(), json!(ids).to_string());

    let mut facts = Facts { user_count: read::counts(connection).await?.users, ..Facts::default() };
    let named = "SELECT uuid, name FROM users WHERE name IN (SELECT value FROM json_each(?))";
    for row in sqlx::query(named).bind(&users).fetch_all(&mut *connection).await.map_err(database)? {
        facts.users.insert(rows::name(&row)?, rows::text(&row, "uuid")?);
    }
    let named = read::select_teams!("WHERE g.name IN (SELECT value FROM json_each(?))");
    for row in sqlx::query(named).bind(&groups).fetch_all(&mut *connection).await.map_err(database)? {
        let team = rows::team(&row)?;
        let known = KnownGroup { uuid: team.group.uuid, gid: team.group.gid, private: team.private };
        facts.groups.insert(team.group.name, known);
    }
    for (kind, names, gone) in
        [("user", &users, &mut facts.gone_users), ("group", &groups, &mut facts.gone_groups)]
    {
        let dead = "SELECT name FROM tombstones WHERE kind = ? AND name IN (SELECT value FROM json_each(?))";
        for row in
            sqlx::query(dead).bind(kind).bind(names).fetch_all(&mut *connection).await.map_err(database)?
        {
            gone.insert(rows::name(&row)?);
        }
    }
    for (kind, taken) in [("uid", &mut facts.uids), ("gid", &mut facts.gids)] {
        let given = "SELECT id FROM ids WHERE kind = ? AND id IN (SELECT value FROM json_each(?))";
        for row in
            sqlx::query(given).bind(kind).bind(&ids).fetch_all(&mut *connection).await.map_err(database)?
        {
            taken.insert(rows::number(&row, "id")?);
        }
    }
    let wanted = batch.users.iter().filter(|user| user.uid.is_none()).count()
        + batch.groups.iter().filter(|group| group.gid.is_none()).count();
    // A record that names an id may take one of these first, so there is one for each named id to spare.
    facts.free_ids = free_ids(connection, rules, wanted + named_ids).await?;
    Ok(facts)
}

/// The next numbers that never were anybody's: those above the highest given one, then the gaps below it.
async fn free_ids(connection: &mut SqliteConnection, rules: &Rules, wanted: usize) -> Result<Vec<u32>> {
    let (min, max) = (rules.allocate.min(), rules.allocate.max());
    let highest: Option<u32> = sqlx::query_scalar("SELECT MAX(id) FROM ids WHERE id BETWEEN ? AND ?")
        .bind(min)
        .bind(max)
        .fetch_one(&mut *connection)
        .await
        .map_err(database)?;
    let above = highest.map_or(Some(min), |highest| highest.checked_add(1)).map(|first| first..=max);
    let mut free: Vec<u32> =
        above.into_iter().flatten().filter(|&id| rules.may_allocate(id)).take(wanted).collect();
    if free.len() < wanted && highest.is_some() {
        let given: HashSet<u32> = sqlx::query_scalar("SELECT DISTINCT id FROM ids WHERE id BETWEEN ? AND ?")
            .bind(min)
            .bind(max)
            .fetch_all(connection)
            .await
            .map_err(database)?
            .into_iter()
            .collect();
        let gaps = (min..=highest.unwrap_or(min)).filter(|id| !given.contains(id) && rules.may_allocate(*id));
        free.extend(gaps.take(wanted - free.len()));
    }
    Ok(free)
}

/// Writes a plan: one statement for each table, however many rows.
async fn insert(connection: &mut SqliteConnection, plan: &Plan) -> Result<()> {
    let revision = next_revision(connection).await?;
    let users: Vec<Value> = plan
        .users
        .iter()
        .map(|user| {
            json!({
                "uuid": user.new.uuid, "name": user.new.name.as_str(), "uid": user.uid.0, "gid": user.gid.0,
                "gecos": user.new.gecos.as_str(), "email": user.new.email.as_ref().map(|email| email.as_str()),
                "home": user.home.as_str(), "shell": user.new.shell.as_str(), "state": user.new.state.as_str(),
                "expires_at": user.new.expires_at.map(|day| day.0), "is_admin": user.new.is_admin,
                "hash": user.new.password,
            })
        })
        .collect();
    let groups: Vec<Value> = plan
        .groups
        .iter()
        .map(|(uuid, name, gid, private_of)| {
            json!({"uuid": uuid, "name": name.as_str(), "gid": gid.0, "private_of": private_of})
        })
        .collect();
    let members: Vec<Value> =
        plan.members.iter().map(|(group, user)| json!({"group": group, "user": user})).collect();
    let (users, groups, members) =
        (json!(users).to_string(), json!(groups).to_string(), json!(members).to_string());

    let statements: [(&'static str, &str); 11] = [
        (
            "INSERT INTO users SELECT value ->> 'uuid', value ->> 'name', value ->> 'uid', value ->> 'gid', \
             value ->> 'gecos', value ->> 'email', value ->> 'home', value ->> 'shell', value ->> 'state', \
             value ->> 'expires_at', value ->> 'is_admin', 'admin', ?2 FROM json_each(?1)",
            &users,
        ),
        ("INSERT INTO ids SELECT 'uid', value ->> 'uid', value ->> 'uuid' FROM json_each(?1)", &users),
        (
            "INSERT INTO credentials SELECT value ->> 'uuid', value ->> 'hash' FROM json_each(?1) \
             WHERE value ->> 'hash' IS NOT NULL",
            &users,
        ),
        (
            "INSERT INTO groups SELECT value ->> 'uuid', value ->> 'name', value ->> 'gid', value ->> 'private_of', ?2 \
             FROM json_each(?1)",
            &groups,
        ),
        ("INSERT INTO ids SELECT 'gid', value ->> 'gid', value ->> 'uuid' FROM json_each(?1)", &groups),
        (
            "INSERT INTO members SELECT value ->> 'group', value ->> 'user', 'admin' FROM json_each(?1) WHERE true \
             ON CONFLICT DO UPDATE SET origin = 'admin'",
            &members,
        ),
        ("INSERT INTO changes SELECT NULL, ?2, 'user', value ->> 'uuid', NULL FROM json_each(?1)", &users),
        ("INSERT INTO changes SELECT NULL, ?2, 'group', value ->> 'uuid', NULL FROM json_each(?1)", &groups),
        (
            "INSERT INTO changes SELECT NULL, ?2, 'member', value ->> 'group', value ->> 'user' FROM json_each(?1)",
            &members,
        ),
        (
            "UPDATE users SET revision = ?2 WHERE uuid IN (SELECT value ->> 'user' FROM json_each(?1))",
            &members,
        ),
        (
            "UPDATE groups SET revision = ?2 WHERE uuid IN (SELECT value ->> 'group' FROM json_each(?1))",
            &members,
        ),
    ];
    for (statement, rows) in statements {
        if rows != "[]" {
            sqlx::query(statement)
                .bind(rows)
                .bind(revision)
                .execute(&mut *connection)
                .await
                .map_err(database)?;
        }
    }
    Ok(())
}

/// Takes the next revision, under the lock that the transaction holds.
async fn next_revision(connection: &mut SqliteConnection) -> Result<i64> {
    sqlx::query_scalar("UPDATE directory SET revision = revision + 1 RETURNING revision")
        .fetch_one(connection)
        .await
        .map_err(database)
}

async fn log(connection: &mut SqliteConnection, revision: i64, change: &Change) -> Result<()> {
    let (kind, one, other) = match change {
        Change::User { uuid } => ("user", uuid, None),
        Change::Group { uuid } => ("group", uuid, None),
        Change::Member { group, user } => ("member", group, Some(user)),
    };
    sqlx::query("INSERT INTO changes VALUES (NULL, ?, ?, ?, ?)")
        .bind(revision)
        .bind(kind)
        .bind(one)
        .bind(other)
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

/// Logs every membership of a user, whose name stands in the groups' member lists.
async fn log_memberships(connection: &mut SqliteConnection, revision: i64, user: &str) -> Result<()> {
    let statements = [
        "INSERT INTO changes SELECT NULL, ?1, 'member', group_uuid, user_uuid FROM members WHERE user_uuid = ?2",
        "UPDATE groups SET revision = ?1 WHERE uuid IN (SELECT group_uuid FROM members WHERE user_uuid = ?2)",
    ];
    for statement in statements {
        sqlx::query(statement).bind(revision).bind(user).execute(&mut *connection).await.map_err(database)?;
    }
    Ok(())
}

pub async fn update_user(
    connection: &mut SqliteConnection,
    name: Name,
    change: UserChange,
    rules: &Rules,
) -> Result<()> {
    let user = read::existing_user(connection, name).await?.user;
    if change.if_revision.is_some_and(|revision| revision != user.revision) {
        return Err(Error::Conflict(format!(
            "{name} has changed since revision {}: look at it again",
            change.if_revision.unwrap_or_default()
        )));
    }
    let revision = next_revision(connection).await?;
    if let Some(new) = change.name.filter(|new| *new != name) {
        rename(connection, revision, &user, new, rules).await?;
    }
    let email = change.email.unwrap_or(user.email);
    sqlx::query(
        "UPDATE users SET gecos = ?, email = ?, home = ?, shell = ?, state = ?, expires_at = ?, is_admin = ?, \
         revision = ? WHERE uuid = ?",
    )
    .bind(change.gecos.unwrap_or(user.gecos).as_str())
    .bind(email.as_ref().map(|email| email.as_str()))
    .bind(change.home.unwrap_or(user.home).as_str())
    .bind(change.shell.unwrap_or(user.shell).as_str())
    .bind(change.state.unwrap_or(user.state).as_str())
    .bind(change.expires_at.unwrap_or(user.expires_at).map(|day| day.0))
    .bind(change.is_admin.unwrap_or(user.is_admin))
    .bind(revision)
    .bind(&user.uuid)
    .execute(&mut *connection)
    .await
    .map_err(database)?;
    log(connection, revision, &Change::User { uuid: user.uuid }).await
}

/// Gives a user, and the private group with it, another name. The old name is kept back as a
/// deleted one's is, for everybody but this user.
async fn rename(
    connection: &mut SqliteConnection,
    revision: i64,
    user: &identity::User,
    new: Name,
    rules: &Rules,
) -> Result<()> {
    let private = private_group_of(connection, &user.uuid).await?;
    let objection = rules.objection_to_user(new, user.uid, user.gid);
    let to_group = || private.as_ref().and_then(|(_, gid)| rules.objection_to_group(new, *gid));
    if let Some(objection) = objection.or_else(to_group) {
        return Err(Error::Refused(objection));
    }
    let of_user = "SELECT 'is the name of another user', uuid FROM users WHERE name = ?1 UNION ALL SELECT * FROM \
         (SELECT 'was the name of a deleted user', uuid FROM tombstones WHERE kind = 'user' AND name = ?1 \
         ORDER BY revision DESC LIMIT 1)";
    check_unclaimed(connection, of_user, new, &user.uuid).await?;
    sqlx::query("UPDATE users SET name = ? WHERE uuid = ?")
        .bind(new.as_str())
        .bind(&user.uuid)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
    bury(connection, revision, "user", &user.uuid, user.name, user.uid.0).await?;
    if let Some((uuid, gid)) = private {
        rename_group(connection, revision, (uuid, user.name, gid), new).await?;
    }
    log_memberships(connection, revision, &user.uuid).await
}

async fn rename_group(
    connection: &mut SqliteConnection,
    revision: i64,
    (uuid, old, gid): (String, Name, Gid),
    new: Name,
) -> Result<()> {
    let of_group = "SELECT 'is the name of a group', uuid FROM groups WHERE name = ?1 UNION ALL SELECT * FROM \
         (SELECT 'was the name of a deleted group', uuid FROM tombstones WHERE kind = 'group' AND name = ?1 \
         ORDER BY revision DESC LIMIT 1)";
    check_unclaimed(connection, of_group, new, &uuid).await?;
    sqlx::query("UPDATE groups SET name = ?, revision = ? WHERE uuid = ?")
        .bind(new.as_str())
        .bind(revision)
        .bind(&uuid)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
    bury(connection, revision, "group", &uuid, old, gid.0).await?;
    log(connection, revision, &Change::Group { uuid }).await
}

/// Refuses a name that somebody else has or, if nobody has it, somebody else had last.
async fn check_unclaimed(
    connection: &mut SqliteConnection,
    claims: &'static str,
    name: Name,
    own_uuid: &str,
) -> Result<()> {
    let claim: Option<(String, String)> =
        sqlx::query_as(claims).bind(name.as_str()).fetch_optional(connection).await.map_err(database)?;
    match claim {
        Some((what, uuid)) if uuid != own_uuid => Err(Error::Conflict(format!("{name} {what}"))),
        _ => Ok(()),
    }
}

async fn private_group_of(connection: &mut SqliteConnection, user: &str) -> Result<Option<(String, Gid)>> {
    let found: Option<(String, u32)> = sqlx::query_as("SELECT uuid, gid FROM groups WHERE private_of = ?")
        .bind(user)
        .fetch_optional(connection)
        .await
        .map_err(database)?;
    Ok(found.map(|(uuid, gid)| (uuid, Gid(gid))))
}

pub async fn delete_user(connection: &mut SqliteConnection, name: Name) -> Result<()> {
    let user = read::existing_user(connection, name).await?.user;
    let revision = next_revision(connection).await?;
    log_memberships(connection, revision, &user.uuid).await?;
    if let Some((uuid, gid)) = private_group_of(connection, &user.uuid).await? {
        let others: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE gid = ? AND uuid <> ?")
            .bind(gid.0)
            .bind(&user.uuid)
            .fetch_one(&mut *connection)
            .await
            .map_err(database)?;
        if others > 0 {
            return Err(Error::Conflict(format!(
                "{name}'s private group is the primary group of {others} other users; change or delete them first"
            )));
        }
        remove_group(connection, revision, &uuid, name, gid).await?;
    }
    for statement in
        ["DELETE FROM members WHERE user_uuid = ?", "DELETE FROM credentials WHERE user_uuid = ?"]
    {
        sqlx::query(statement).bind(&user.uuid).execute(&mut *connection).await.map_err(database)?;
    }
    sqlx::query("DELETE FROM users WHERE uuid = ?")
        .bind(&user.uuid)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
    bury(connection, revision, "user", &user.uuid, name, user.uid.0).await?;
    log(connection, revision, &Change::User { uuid: user.uuid }).await
}

pub async fn delete_group(connection: &mut SqliteConnection, name: Name) -> Result<()> {
    let team = read::existing_group(connection, name).await?;
    if team.private {
        return Err(Error::Refused(format!(
            "{name} is the private group of the user {name}, and goes with the user"
        )));
    }
    let users: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE gid = ?")
        .bind(team.group.gid.0)
        .fetch_one(&mut *connection)
        .await
        .map_err(database)?;
    if users > 0 {
        return Err(Error::Conflict(format!(
            "{name} is the primary group of {users} users; delete them or change their group first"
        )));
    }
    let revision = next_revision(connection).await?;
    remove_group(connection, revision, &team.group.uuid, name, team.group.gid).await
}

async fn remove_group(
    connection: &mut SqliteConnection,
    revision: i64,
    uuid: &str,
    name: Name,
    gid: Gid,
) -> Result<()> {
    for statement in ["DELETE FROM members WHERE group_uuid = ?", "DELETE FROM groups WHERE uuid = ?"] {
        sqlx::query(statement).bind(uuid).execute(&mut *connection).await.map_err(database)?;
    }
    bury(connection, revision, "group", uuid, name, gid.0).await?;
    log(connection, revision, &Change::Group { uuid: uuid.to_owned() }).await
}

async fn bury(
    connection: &mut SqliteConnection,
    revision: i64,
    kind: &str,
    uuid: &str,
    name: Name,
    id: u32,
) -> Result<()> {
    sqlx::query("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?, ?)")
        .bind(uuid)
        .bind(kind)
        .bind(name.as_str())
        .bind(id)
        .bind(revision)
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

pub async fn set_members(
    connection: &mut SqliteConnection,
    group: Name,
    users: &[Name],
    present: bool,
) -> Result<()> {
    let team = read::existing_group(connection, group).await?;
    if team.private {
        return Err(private_group(group));
    }
    let revision = next_revision(connection).await?;
    for user in users {
        let user = read::existing_user(connection, *user).await?.user.uuid;
        let statement = if present {
            "INSERT INTO members VALUES (?, ?, 'admin') ON CONFLICT DO UPDATE SET origin = 'admin'"
        } else {
            "DELETE FROM members WHERE group_uuid = ? AND user_uuid = ?"
        };
        let group = team.group.uuid.clone();
        sqlx::query(statement).bind(&group).bind(&user).execute(&mut *connection).await.map_err(database)?;
        sqlx::query("UPDATE users SET revision = ? WHERE uuid = ?")
            .bind(revision)
            .bind(&user)
            .execute(&mut *connection)
            .await
            .map_err(database)?;
        log(connection, revision, &Change::Member { group, user }).await?;
    }
    sqlx::query("UPDATE groups SET revision = ? WHERE uuid = ?")
        .bind(revision)
        .bind(&team.group.uuid)
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

pub async fn set_password(connection: &mut SqliteConnection, name: Name, hash: Option<String>) -> Result<()> {
    let user = read::existing_user(connection, name).await?.user.uuid;
    let revision = next_revision(connection).await?;
    let statement = match &hash {
        Some(_) => {
            "INSERT INTO credentials VALUES (?1, ?2) ON CONFLICT (user_uuid) DO UPDATE SET hash = excluded.hash"
        }
        None => "DELETE FROM credentials WHERE user_uuid = ?1",
    };
    sqlx::query(statement).bind(&user).bind(&hash).execute(&mut *connection).await.map_err(database)?;
    sqlx::query("UPDATE users SET revision = ? WHERE uuid = ?")
        .bind(revision)
        .bind(&user)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
    log(connection, revision, &Change::User { uuid: user }).await
}

pub async fn upgrade_password(
    connection: &mut SqliteConnection,
    uuid: &str,
    old: &str,
    new: &str,
) -> Result<()> {
    sqlx::query("UPDATE credentials SET hash = ? WHERE user_uuid = ? AND hash = ?")
        .bind(new)
        .bind(uuid)
        .bind(old)
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}
