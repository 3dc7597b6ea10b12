//! What people and programs ask of the directory.

use identity::Name;
use sqlx::SqliteConnection;

use crate::directory::{Counts, Credential, Error, Key, Member, Page, Position, Result, Team};
use crate::store::rows;
use crate::store::rows::database;

/// A user with memberships as JSON and whether there is a password, for [`rows::member`].
macro_rules! select_members {
    ($tail:literal) => {
        concat!(
            "SELECT u.*, ",
            "(SELECT json_group_array(json_array(g.gid, g.name)) FROM members m JOIN groups g ON g.uuid = m.group_uuid ",
            "WHERE m.user_uuid = u.uuid) AS memberships, ",
            "EXISTS (SELECT 1 FROM credentials c WHERE c.user_uuid = u.uuid) AS has_password ",
            "FROM users u ",
            $tail
        )
    };
}

/// A group without members, for [`rows::team`].
macro_rules! select_teams {
    ($tail:literal) => {
        concat!(
            "SELECT g.uuid, g.name, g.gid, g.revision, g.private_of IS NOT NULL AS private FROM groups g ",
            $tail
        )
    };
}

pub(super) use {select_members, select_teams};

pub async fn position(connection: &mut SqliteConnection) -> Result<Position> {
    let (epoch, revision): (String, i64) = sqlx::query_as("SELECT epoch, revision FROM directory")
        .fetch_one(connection)
        .await
        .map_err(database)?;
    Ok(Position { epoch, revision: revision.unsigned_abs() })
}

pub async fn counts(connection: &mut SqliteConnection) -> Result<Counts> {
    let (users, groups): (i64, i64) =
        sqlx::query_as("SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM groups)")
            .fetch_one(connection)
            .await
            .map_err(database)?;
    Ok(Counts { users: users.unsigned_abs(), groups: groups.unsigned_abs() })
}

pub async fn user(connection: &mut SqliteConnection, key: Key) -> Result<Option<Member>> {
    let query = match &key {
        Key::Name(name) => sqlx::query(select_members!("WHERE u.name = ?")).bind(name.as_str()),
        Key::Id(uid) => sqlx::query(select_members!("WHERE u.uid = ?")).bind(uid),
    };
    query.fetch_optional(connection).await.map_err(database)?.as_ref().map(rows::member).transpose()
}

pub async fn existing_user(connection: &mut SqliteConnection, name: Name) -> Result<Member> {
    user(connection, Key::Name(name)).await?.ok_or_else(|| Error::no_user(name))
}

pub async fn users(
    connection: &mut SqliteConnection,
    after: Option<Name>,
    limit: u32,
) -> Result<Page<Member>> {
    let rows = sqlx::query(select_members!("WHERE u.name > ? ORDER BY u.name LIMIT ?"))
        .bind(after.as_ref().map_or("", Name::as_str))
        .bind(i64::from(limit) + 1)
        .fetch_all(connection)
        .await
        .map_err(database)?;
    page(rows.iter().map(rows::member).collect::<Result<_>>()?, limit)
}

pub async fn group(connection: &mut SqliteConnection, key: Key) -> Result<Option<Team>> {
    let query = match &key {
        Key::Name(name) => sqlx::query(select_teams!("WHERE g.name = ?")).bind(name.as_str()),
        Key::Id(gid) => sqlx::query(select_teams!("WHERE g.gid = ?")).bind(gid),
    };
    let Some(row) = query.fetch_optional(&mut *connection).await.map_err(database)? else {
        return Ok(None);
    };
    let mut team = rows::team(&row)?;
    let members = sqlx::query(
        "SELECT u.name FROM members m JOIN users u ON u.uuid = m.user_uuid WHERE m.group_uuid = ? ORDER BY u.name",
    )
    .bind(&team.group.uuid)
    .fetch_all(connection)
    .await
    .map_err(database)?;
    team.members = members.iter().map(rows::name).collect::<Result<_>>()?;
    Ok(Some(team))
}

pub async fn existing_group(connection: &mut SqliteConnection, name: Name) -> Result<Team> {
    let row = sqlx::query(select_teams!("WHERE g.name = ?"))
        .bind(name.as_str())
        .fetch_optional(connection)
        .await
        .map_err(database)?;
    rows::team(&row.ok_or_else(|| Error::no_group(name))?)
}

pub async fn groups(
    connection: &mut SqliteConnection,
    after: Option<Name>,
    limit: u32,
    private: bool,
) -> Result<Page<Team>> {
    let rows = sqlx::query(select_teams!(
        "WHERE g.name > ? AND (g.private_of IS NULL OR ?) ORDER BY g.name LIMIT ?"
    ))
    .bind(after.as_ref().map_or("", Name::as_str))
    .bind(private)
    .bind(i64::from(limit) + 1)
    .fetch_all(connection)
    .await
    .map_err(database)?;
    page(rows.iter().map(rows::team).collect::<Result<_>>()?, limit)
}

/// One more row than asked for was fetched, to know whether there are more.
fn page<T>(mut items: Vec<T>, limit: u32) -> Result<Page<T>> {
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    Ok(Page { items, more })
}

pub async fn credential(connection: &mut SqliteConnection, name: Name) -> Result<Option<Credential>> {
    let found: Option<(String, Option<String>)> = sqlx::query_as(
        "SELECT u.uuid, c.hash FROM users u LEFT JOIN credentials c ON c.user_uuid = u.uuid WHERE u.name = ?",
    )
    .bind(name.as_str())
    .fetch_optional(connection)
    .await
    .map_err(database)?;
    Ok(found.map(|(uuid, hash)| Credential { uuid, hash }))
}
