//! How batches of users, groups and memberships come into the tables: the facts are read, `directory::plan` decides, and
//! rows are written together with their entries in the change feed, one statement for each table.

use std::collections::{BTreeSet, HashSet};

use identity::Name;
use serde_json::{Value as Json, json};

use super::change::next_revision;
use super::reservation::kept;
use super::rows::{self, select_teams};
use super::session::Session;
use super::user_count::UserCount;
use super::value::values;
use crate::directory::{Batch, Facts, KnownGroup, Plan, Primary, Refusal, Result, Rules, plan};

/// Creates a batch; says what was refused and whether anything was taken.
pub async fn create(
    session: &mut Session,
    batch: Batch,
    rules: &Rules,
    user_count: &UserCount,
) -> Result<(Vec<Refusal>, bool)> {
    let all_or_nothing = batch.all_or_nothing;
    let facts = facts(session, &batch, rules, user_count, None).await?;
    let mut plan = plan(batch, facts, rules);
    if all_or_nothing && !plan.refused.is_empty() {
        return Err(plan.refused.swap_remove(0).error);
    }
    let taken = !(plan.groups.is_empty() && plan.users.is_empty() && plan.members.is_empty());
    if taken {
        let revision = next_revision(session).await?;
        insert(session, revision, &plan, Grant::Admin).await?;
    }
    Ok((plan.refused, taken))
}

/// Reads what the plan needs to know about the names and ids of a batch. What is kept for one name is no hindrance to whoever
/// comes for it.
pub async fn facts(
    session: &mut Session,
    batch: &Batch,
    rules: &Rules,
    user_count: &UserCount,
    comes_for: Option<Name>,
) -> Result<Facts> {
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

    let reservations = kept(session, comes_for).await?;
    let reserved = reservations.iter().map(|kept| kept.name).filter(|name| Some(*name) != comes_for);
    let mut facts = Facts { reserved: reserved.collect(), ..Facts::default() };
    if let Some(max) = rules.max_users {
        facts.user_count = user_count.at_most(session, batch.users.len() as u64, max).await?;
    }
    let known =
        session.query("SELECT uuid, name FROM users WHERE name IN {texts $1}", values![&users]).await?;
    for row in known.iter() {
        facts.users.insert(row.parsed("name")?, row.text("uuid")?.to_owned());
    }
    let known = session.query(select_teams!("WHERE g.name IN {texts $1}"), values![&groups]).await?;
    for row in known.iter() {
        let team = rows::team(row)?;
        let known =
            KnownGroup { uuid: team.group.uuid, gid: team.group.gid, private: team.private_of.is_some() };
        facts.groups.insert(team.group.name, known);
    }
    let dead = "SELECT name FROM tombstones WHERE kind = $1 AND name IN {texts $2}";
    for (kind, names, gone) in
        [("user", &users, &mut facts.gone_users), ("group", &groups, &mut facts.gone_groups)]
    {
        let rows = session.query(dead, values![kind, names]).await?;
        *gone = rows.iter().map(|row| row.parsed("name")).collect::<Result<_>>()?;
    }
    let given = "SELECT id FROM ids WHERE kind = $1 AND id IN {ids $2}";
    for (kind, taken) in [("uid", &mut facts.uids), ("gid", &mut facts.gids)] {
        let rows = session.query(given, values![kind, &ids]).await?;
        *taken = rows.iter().map(|row| row.id("id")).collect::<Result<_>>()?;
    }
    let wanted = batch.users.iter().filter(|user| user.uid.is_none()).count()
        + batch.groups.iter().filter(|group| group.gid.is_none()).count();
    facts.uids.extend(reservations.iter().map(|kept| kept.uid.0));
    facts.gids.extend(reservations.iter().map(|kept| kept.gid.0));
    // A record that names an id may take one of these first, or it may be kept: there is one to spare for each.
    facts.free_ids = free_ids(session, rules, wanted + named_ids + 2 * reservations.len()).await?;
    Ok(facts)
}

/// The next numbers that never were anybody's: those above the highest given one, then the gaps below it.
async fn free_ids(session: &mut Session, rules: &Rules, wanted: usize) -> Result<Vec<u32>> {
    let (min, max) = (rules.allocate.min(), rules.allocate.max());
    let highest = "SELECT MAX(id) AS id FROM (SELECT MAX(id) AS id FROM ids WHERE kind = 'uid' AND id BETWEEN $1 AND $2 \
                   UNION ALL SELECT MAX(id) FROM ids WHERE kind = 'gid' AND id BETWEEN $1 AND $2) AS highest";
    let rows = session.query(highest, values![min, max]).await?;
    let highest = rows.one()?.optional_integer("id")?.and_then(|id| u32::try_from(id).ok());
    let above = highest.map_or(Some(min), |highest| highest.checked_add(1)).map(|first| first..=max);
    let mut free: Vec<u32> =
        above.into_iter().flatten().filter(|&id| rules.may_allocate(id)).take(wanted).collect();
    if free.len() < wanted && highest.is_some() {
        let given = "SELECT DISTINCT id FROM ids WHERE id BETWEEN $1 AND $2";
        let rows = session.query(given, values![min, max]).await?;
        let given: HashSet<u32> = rows.iter().map(|row| row.id("id")).collect::<Result<_>>()?;
        let gaps = (min..=highest.unwrap_or(min)).filter(|id| !given.contains(id) && rules.may_allocate(*id));
        free.extend(gaps.take(wanted - free.len()));
    }
    Ok(free)
}

/// Who says that somebody is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// An admin, for good.
    Admin,
    /// An OpenID provider, until it says otherwise.
    Claims,
}

impl Grant {
    /// The word used in the store.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Claims => "claims",
        }
    }
}

/// Writes a plan: one statement for each table, however many rows.
pub async fn insert(session: &mut Session, revision: u64, plan: &Plan, grant: Grant) -> Result<()> {
    let users: Vec<Json> = plan.users.iter().map(|planned| user_row(planned, revision)).collect();
    let groups: Vec<Json> = plan
        .groups
        .iter()
        .map(|(uuid, name, gid, private_of)| {
            json!({"uuid": uuid, "name": name.as_str(), "gid": gid.0, "private_of": private_of, "revision": revision})
        })
        .collect();
    let (users, groups) = (json!(users).to_string(), json!(groups).to_string());
    for (statement, rows) in INSERTS {
        let rows = match rows {
            Table::Users => &users,
            Table::Groups => &groups,
        };
        if rows != "[]" {
            session.execute(statement, values![rows, revision]).await?;
        }
    }
    insert_members(session, revision, &plan.members, grant).await
}

async fn insert_members(
    session: &mut Session,
    revision: u64,
    members: &[(String, String)],
    grant: Grant,
) -> Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    let rows: Vec<Json> = members.iter().map(|(group, user)| json!({"one": group, "other": user})).collect();
    let groups: BTreeSet<&str> = members.iter().map(|(group, _)| group.as_str()).collect();
    let users: BTreeSet<&str> = members.iter().map(|(_, user)| user.as_str()).collect();
    let (rows, groups, users) =
        (json!(rows).to_string(), json!(groups).to_string(), json!(users).to_string());
    if grant == Grant::Admin {
        // What came from claims is granted by an admin from now on.
        let grant = "UPDATE members SET origin = 'admin' WHERE origin <> 'admin' AND user_uuid IN {texts $2} \
                     AND (group_uuid, user_uuid) IN (SELECT r.one, r.other FROM {rows $1 one text, other text})";
        session.execute(grant, values![&rows, &users]).await?;
    }
    let join = "INSERT INTO members (group_uuid, user_uuid, origin) SELECT DISTINCT r.one, r.other, $2 \
                FROM {rows $1 one text, other text} WHERE NOT EXISTS \
                (SELECT 1 FROM members m WHERE m.group_uuid = r.one AND m.user_uuid = r.other)";
    session.execute(join, values![&rows, grant.as_str()]).await?;
    let log = "INSERT INTO changes (revision, kind, one, other) SELECT $2, 'member', r.one, r.other \
               FROM {rows $1 one text, other text}";
    session.execute(log, values![&rows, revision]).await?;
    let touch_users = "UPDATE users SET revision = $1 WHERE uuid IN {texts $2}";
    session.execute(touch_users, values![revision, &users]).await?;
    let touch_groups = "UPDATE groups SET revision = $1 WHERE uuid IN {texts $2}";
    session.execute(touch_groups, values![revision, &groups]).await
}

fn user_row(planned: &crate::directory::Planned, revision: u64) -> Json {
    let new = &planned.new;
    json!({
        "uuid": new.uuid, "name": new.name.as_str(), "uid": planned.uid.0, "gid": planned.gid.0,
        "gecos": new.gecos.as_str(), "email": new.email.as_ref().map(|email| email.as_str()),
        "home": planned.home.as_str(), "shell": new.shell.as_str(), "state": new.state.as_str(),
        "expires_at": new.expires_at.map(|day| day.0), "is_admin": u8::from(new.is_admin), "hash": new.password,
        "origin": new.origin.as_str(), "revision": revision,
    })
}

/// Users, of whom `$1` are the records.
pub const INSERT_USERS: &str = "\
    INSERT INTO users (uuid, name, uid, gid, gecos, email, home, shell, state, expires_at, is_admin, origin, revision) \
    SELECT r.uuid, r.name, r.uid, r.gid, r.gecos, r.email, r.home, r.shell, r.state, r.expires_at, r.is_admin, r.origin, \
    r.revision FROM {rows $1 uuid text, name text, uid integer, gid integer, gecos text, email text, home text, shell text, \
    state text, expires_at integer, is_admin integer, origin text, revision integer}";

/// The same of groups.
pub const INSERT_GROUPS: &str = "\
    INSERT INTO groups (uuid, name, gid, private_of, revision) SELECT r.uuid, r.name, r.gid, r.private_of, r.revision \
    FROM {rows $1 uuid text, name text, gid integer, private_of text, revision integer}";

/// Which records a statement is given.
enum Table {
    Users,
    Groups,
}

/// `$1` are the records, `$2` is the revision.
const INSERTS: [(&str, Table); 7] = [
    (INSERT_USERS, Table::Users),
    (
        "INSERT INTO ids (kind, id, owner) SELECT 'uid', r.uid, r.uuid FROM {rows $1 uuid text, uid integer}",
        Table::Users,
    ),
    (
        "INSERT INTO credentials (user_uuid, hash, revision) SELECT r.uuid, r.hash, $2 \
         FROM {rows $1 uuid text, hash text} WHERE r.hash IS NOT NULL",
        Table::Users,
    ),
    (INSERT_GROUPS, Table::Groups),
    (
        "INSERT INTO ids (kind, id, owner) SELECT 'gid', r.gid, r.uuid FROM {rows $1 uuid text, gid integer}",
        Table::Groups,
    ),
    (
        "INSERT INTO changes (revision, kind, one) SELECT $2, 'user', r.uuid FROM {rows $1 uuid text}",
        Table::Users,
    ),
    (
        "INSERT INTO changes (revision, kind, one) SELECT $2, 'group', r.uuid FROM {rows $1 uuid text}",
        Table::Groups,
    ),
];
