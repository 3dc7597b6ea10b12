//! What the publisher follows: the change feed, the present state of what it names, and everything at once.

use std::collections::BTreeSet;

use identity::{Name, Uid};
use serde_json::json;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::read;
use crate::directory::{Change, Error, Feed, Position, Present, Result, Sink};
use crate::store::rows::{self, database};

/// More distinct changes than this are not worth following one by one: the follower starts over.
const MAX_FEED: usize = 20_000;

/// Users a dump reads at a time, so that its memory does not grow with the directory.
const DUMP_PAGE: u32 = 5_000;

pub async fn changes(connection: &mut SqliteConnection, since: &Position) -> Result<Feed> {
    let position = read::position(connection).await?;
    if position.epoch != since.epoch || position.revision < since.revision {
        return Ok(Feed::StartOver);
    }
    let rows = sqlx::query("SELECT DISTINCT kind, one, other FROM changes WHERE revision > ? LIMIT ?")
        .bind(signed(since.revision))
        .bind(MAX_FEED as i64 + 1)
        .fetch_all(connection)
        .await
        .map_err(database)?;
    if rows.len() > MAX_FEED {
        return Ok(Feed::StartOver);
    }
    let changes = rows.iter().map(change).collect::<Result<_>>()?;
    Ok(Feed::Changes { changes, position })
}

fn change(row: &SqliteRow) -> Result<Change> {
    let uuid = rows::text(row, "one")?;
    match rows::text(row, "kind")?.as_str() {
        "user" => Ok(Change::User { uuid }),
        "group" => Ok(Change::Group { uuid }),
        "member" => Ok(Change::Member { group: uuid, user: rows::text(row, "other")? }),
        kind => Err(Error::Failed(format!("the store holds a change of unknown kind {kind:?}"))),
    }
}

/// SQLite's integers are signed; a revision never comes near the limit.
fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

pub async fn present(
    connection: &mut SqliteConnection,
    users: &[String],
    groups: &[String],
) -> Result<Present> {
    let (users, groups) = (json!(users).to_string(), json!(groups).to_string());
    let mut present = Present::default();
    let living = read::select_members!("WHERE u.uuid IN (SELECT value FROM json_each(?))");
    for row in sqlx::query(living).bind(&users).fetch_all(&mut *connection).await.map_err(database)? {
        present.users.push(rows::member(&row)?);
    }
    let living = read::select_teams!("WHERE g.uuid IN (SELECT value FROM json_each(?))");
    for row in sqlx::query(living).bind(&groups).fetch_all(&mut *connection).await.map_err(database)? {
        present.groups.push(rows::team(&row)?);
    }
    // SQLite takes the bare columns from the row that has the maximum.
    let dead = "SELECT uuid, name, id, MAX(revision) FROM tombstones WHERE uuid IN (SELECT value FROM json_each(?)) \
                AND uuid NOT IN (SELECT uuid FROM users) AND uuid NOT IN (SELECT uuid FROM groups) GROUP BY uuid";
    for (uuids, gone) in [(&users, &mut present.gone_users), (&groups, &mut present.gone_groups)] {
        for row in sqlx::query(dead).bind(uuids).fetch_all(&mut *connection).await.map_err(database)? {
            gone.push(rows::tombstone(&row)?);
        }
    }
    Ok(present)
}

pub async fn holders(
    connection: &mut SqliteConnection,
    names: &[String],
    ids: &[u32],
) -> Result<BTreeSet<Change>> {
    let (names, ids) = (json!(names).to_string(), json!(ids).to_string());
    let rows = sqlx::query(
        "WITH name AS (SELECT value FROM json_each(?1)), id AS (SELECT value FROM json_each(?2)) \
         SELECT 'user' AS kind, uuid AS one, NULL AS other FROM users \
         WHERE name IN name OR uid IN id OR gid IN id \
         UNION SELECT 'group', uuid, NULL FROM groups WHERE name IN name OR gid IN id \
         UNION SELECT 'member', group_uuid, user_uuid FROM members WHERE user_uuid IN \
         (SELECT uuid FROM users WHERE name IN name OR uid IN id OR gid IN id)",
    )
    .bind(names)
    .bind(ids)
    .fetch_all(connection)
    .await
    .map_err(database)?;
    rows.iter().map(change).collect()
}

pub async fn dump(connection: &mut SqliteConnection, sink: &mut dyn Sink) -> Result<Position> {
    let position = read::position(connection).await?;
    sink.begin(&position, read::counts(connection).await?)?;
    let mut after = None;
    loop {
        let page = read::users(connection, after, DUMP_PAGE).await?;
        for member in &page.items {
            sink.user(member)?;
        }
        after = page.items.last().map(|member| member.user.name);
        if !page.more {
            break;
        }
    }
    let mut after = None;
    loop {
        let page = read::groups(connection, after, DUMP_PAGE, true).await?;
        let members = members_of(connection, after, page.items.last().map(|team| team.group.name)).await?;
        let mut members = members.into_iter().peekable();
        for team in &page.items {
            let gid = team.group.gid.0;
            let mut own = std::iter::from_fn(|| members.next_if(|(group, ..)| *group == gid));
            sink.group(&team.group, &mut (&mut own).map(|(_, name, uid)| (name, uid)))?;
        }
        after = page.items.last().map(|team| team.group.name);
        if !page.more {
            return Ok(position);
        }
    }
}

/// The members of the groups with names after `after` up to `last`, in the order of the groups' names.
async fn members_of(
    connection: &mut SqliteConnection,
    after: Option<Name>,
    last: Option<Name>,
) -> Result<Vec<(u32, Name, Uid)>> {
    let rows = sqlx::query(
        "SELECT g.gid, u.name, u.uid FROM groups g JOIN members m ON m.group_uuid = g.uuid \
         JOIN users u ON u.uuid = m.user_uuid WHERE g.name > ? AND g.name <= ? ORDER BY g.name, u.name",
    )
    .bind(after.as_ref().map_or("", Name::as_str))
    .bind(last.as_ref().map_or("", Name::as_str))
    .fetch_all(connection)
    .await
    .map_err(database)?;
    rows.iter()
        .map(|row| Ok((rows::number(row, "gid")?, rows::name(row)?, Uid(rows::number(row, "uid")?))))
        .collect()
}
