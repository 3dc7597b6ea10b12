//! What people and programs ask of the directory.

use identity::Name;

use super::dialect::Dialect;
use super::rows::{self, select_members, select_teams};
use super::session::Session;
use super::value::{Rows, values};
use crate::directory::{Counts, Credential, Error, Key, Member, Page, Position, Result, Team};

pub async fn position(session: &mut Session) -> Result<Position> {
    let statement = "SELECT d.epoch, d.revision, r.stamp, r.committed_at FROM directory d JOIN revisions r ON r.revision = d.revision";
    let rows = session.query(statement, &[]).await?;
    let row = rows.one()?;
    Ok(Position {
        epoch: row.text("epoch")?.to_owned(),
        revision: row.unsigned("revision")?,
        stamp: row.integer("stamp")?,
        committed_at: row.integer("committed_at")?,
    })
}

/// What the database's own clock shows, in seconds since 1970.
pub async fn unix_seconds(session: &mut Session) -> Result<i64> {
    let statement = match session.dialect() {
        Dialect::Sqlite => "SELECT unixepoch() AS seconds",
        Dialect::Postgres => "SELECT EXTRACT(EPOCH FROM clock_timestamp())::bigint AS seconds",
        Dialect::MySql => "SELECT UNIX_TIMESTAMP() AS seconds",
    };
    session.query(statement, &[]).await?.one()?.integer("seconds")
}

pub async fn counts(session: &mut Session) -> Result<Counts> {
    let statement = "SELECT (SELECT COUNT(*) FROM users) AS users, (SELECT COUNT(*) FROM groups) AS teams, \
                     (SELECT COUNT(*) FROM members) AS memberships";
    let rows = session.query(statement, &[]).await?;
    let row = rows.one()?;
    Ok(Counts {
        users: row.unsigned("users")?,
        groups: row.unsigned("teams")?,
        members: row.unsigned("memberships")?,
    })
}

pub async fn user(session: &mut Session, key: Key) -> Result<Option<Member>> {
    let rows = match key {
        Key::Name(name) => session.query(select_members!("WHERE u.name = $1"), values![name.as_str()]).await,
        Key::Id(uid) => session.query(select_members!("WHERE u.uid = $1"), values![uid]).await,
    };
    rows?.first().map(rows::member).transpose()
}

pub async fn existing_user(session: &mut Session, name: Name) -> Result<Member> {
    user(session, Key::Name(name)).await?.ok_or_else(|| Error::no_user(name))
}

pub async fn users(session: &mut Session, after: Option<Name>, limit: u32) -> Result<Page<Member>> {
    let statement = select_members!("WHERE u.name > $1 ORDER BY u.name LIMIT $2");
    let rows = session.query(statement, values![start(after.as_ref()), i64::from(limit) + 1]).await?;
    page(&rows, rows::member, limit)
}

pub async fn group(session: &mut Session, key: Key) -> Result<Option<Team>> {
    let rows = match key {
        Key::Name(name) => session.query(select_teams!("WHERE g.name = $1"), values![name.as_str()]).await,
        Key::Id(gid) => session.query(select_teams!("WHERE g.gid = $1"), values![gid]).await,
    };
    let Some(mut team) = rows?.first().map(rows::team).transpose()? else {
        return Ok(None);
    };
    let members = "SELECT u.name FROM members m JOIN users u ON u.uuid = m.user_uuid WHERE m.group_uuid = $1 \
                   ORDER BY u.name";
    let rows = session.query(members, values![&team.group.uuid]).await?;
    team.members = rows.iter().map(|row| row.parsed("name")).collect::<Result<_>>()?;
    Ok(Some(team))
}

pub async fn existing_group(session: &mut Session, name: Name) -> Result<Team> {
    let rows = session.query(select_teams!("WHERE g.name = $1"), values![name.as_str()]).await?;
    rows::team(rows.first().ok_or_else(|| Error::no_group(name))?)
}

pub async fn groups(
    session: &mut Session,
    after: Option<Name>,
    limit: u32,
    private: bool,
) -> Result<Page<Team>> {
    let statement =
        select_teams!("WHERE g.name > $1 AND (g.private_of IS NULL OR $2 = 1) ORDER BY g.name LIMIT $3");
    let values = values![start(after.as_ref()), private, i64::from(limit) + 1];
    page(&session.query(statement, values).await?, rows::team, limit)
}

/// Every name comes after the empty text.
pub fn start(after: Option<&Name>) -> &str {
    after.map_or("", Name::as_str)
}

/// One more row than asked for was fetched, to know whether there are more.
pub fn page<T>(rows: &Rows, read: fn(super::value::Row<'_>) -> Result<T>, limit: u32) -> Result<Page<T>> {
    let items = rows.iter().take(limit as usize).map(read).collect::<Result<_>>()?;
    Ok(Page { items, more: rows.rows.len() > limit as usize })
}

pub async fn credential(session: &mut Session, name: Name) -> Result<Option<Credential>> {
    let statement = "SELECT u.uuid, c.hash, c.revision FROM users u LEFT JOIN credentials c ON c.user_uuid = u.uuid \
                     WHERE u.name = $1";
    let rows = session.query(statement, values![name.as_str()]).await?;
    let credential = |row: super::value::Row<'_>| {
        Ok(Credential {
            uuid: row.text("uuid")?.to_owned(),
            hash: row.optional_text("hash")?.map(str::to_owned),
            revision: row.optional_integer("revision")?.unwrap_or_default().unsigned_abs(),
        })
    };
    rows.first().map(credential).transpose()
}
