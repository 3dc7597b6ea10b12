//! What the publisher follows: the change feed, the present state of what it names, and everything at once.

use std::collections::BTreeSet;

use identity::{Name, Uid};
use serde_json::json;

use super::read::{self, start};
use super::rows::{self, select_members, select_teams};
use super::session::Session;
use super::value::{Row, values};
use crate::directory::{Change, Error, Feed, Position, Present, Result, Sink, named};

/// More distinct changes than this are not worth following one by one: the follower starts over.
const MAX_FEED: usize = 20_000;

/// Users a dump reads at a time, so that its memory does not grow with the directory.
const DUMP_PAGE: u32 = 5_000;

pub async fn changes(session: &mut Session, since: &Position) -> Result<Feed> {
    let position = read::position(session).await?;
    if position == *since {
        return Ok(Feed::Changes { changes: BTreeSet::new(), present: Present::default(), position });
    }
    // History reaches back to the cursor if the cursor's revision is in it, and is still the one that was seen.
    let seen = "SELECT revision FROM revisions WHERE revision = $1 AND stamp = $2";
    let seen = session.query(seen, values![since.revision, since.stamp]).await?;
    if position.epoch != since.epoch || seen.first().is_none() {
        return Ok(Feed::StartOver);
    }
    let statement = "SELECT DISTINCT kind, one, other FROM changes WHERE revision > $1 LIMIT $2";
    let rows = session.query(statement, values![since.revision, MAX_FEED as u64 + 1]).await?;
    if rows.rows.len() > MAX_FEED {
        return Ok(Feed::StartOver);
    }
    let changes = rows.iter().map(change).collect::<Result<_>>()?;
    let (users, groups) = named(&changes);
    let present = present(session, &users, &groups).await?;
    Ok(Feed::Changes { changes, present, position })
}

fn change(row: Row<'_>) -> Result<Change> {
    let uuid = row.text("one")?.to_owned();
    match row.text("kind")? {
        "user" => Ok(Change::User { uuid }),
        "group" => Ok(Change::Group { uuid }),
        "member" => Ok(Change::Member { group: uuid, user: row.text("other")?.to_owned() }),
        "token" => Ok(Change::Token { uuid }),
        kind => Err(Error::Failed(format!("the store holds a change of unknown kind {kind:?}"))),
    }
}

pub async fn present(session: &mut Session, users: &[String], groups: &[String]) -> Result<Present> {
    let (users, groups) = (json!(users).to_string(), json!(groups).to_string());
    let mut present = Present::default();
    let living = session.query(select_members!("WHERE u.uuid IN {texts $1}"), values![&users]).await?;
    present.users = living.iter().map(rows::member).collect::<Result<_>>()?;
    let living = session.query(select_teams!("WHERE g.uuid IN {texts $1}"), values![&groups]).await?;
    present.groups = living.iter().map(rows::team).collect::<Result<_>>()?;
    let last = "SELECT t.uuid, t.name, t.id FROM tombstones t WHERE t.uuid IN {texts $1} \
                AND NOT EXISTS (SELECT 1 FROM users u WHERE u.uuid = t.uuid) \
                AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.uuid = t.uuid) \
                AND t.revision = (SELECT MAX(later.revision) FROM tombstones later WHERE later.uuid = t.uuid)";
    for (uuids, gone) in [(&users, &mut present.gone_users), (&groups, &mut present.gone_groups)] {
        let dead = session.query(last, values![uuids]).await?;
        *gone = dead.iter().map(rows::tombstone).collect::<Result<_>>()?;
    }
    Ok(present)
}

pub async fn holders(session: &mut Session, names: &[String], ids: &[u32]) -> Result<BTreeSet<Change>> {
    let statement = "SELECT 'user' AS kind, uuid AS one, NULL AS other FROM users \
                     WHERE name IN {texts $1} OR uid IN {ids $2} OR gid IN {ids $2} \
                     UNION SELECT 'group', uuid, NULL FROM groups WHERE name IN {texts $1} OR gid IN {ids $2} \
                     UNION SELECT 'member', group_uuid, user_uuid FROM members WHERE user_uuid IN \
                     (SELECT uuid FROM users WHERE name IN {texts $1} OR uid IN {ids $2} OR gid IN {ids $2})";
    let rows = session.query(statement, values![json!(names).to_string(), json!(ids).to_string()]).await?;
    rows.iter().map(change).collect()
}

pub async fn dump(session: &mut Session, sink: &mut impl Sink) -> Result<Position> {
    let position = read::position(session).await?;
    sink.begin(&position, read::counts(session).await?).await?;
    let mut after = None;
    loop {
        let page = read::users(session, after, DUMP_PAGE).await?;
        after = page.items.last().map(|member| member.user.name);
        sink.users(page.items).await?;
        if !page.more {
            break;
        }
    }
    let mut after = None;
    loop {
        let page = read::groups(session, after, DUMP_PAGE, true).await?;
        let last = page.items.last().map(|team| team.group.name);
        let members = members_of(session, after, last).await?;
        let mut members = members.into_iter().peekable();
        let with_members = page.items.into_iter().map(|team| {
            let gid = team.group.gid.0;
            let mut own = Vec::new();
            while let Some((_, name, uid)) = members.next_if(|(group, ..)| *group == gid) {
                own.push((name, uid));
            }
            (team, own)
        });
        sink.groups(with_members.collect()).await?;
        after = last;
        if !page.more {
            return Ok(position);
        }
    }
}

/// The members of the groups with names after `after` up to `last`, in the order of the groups' names.
async fn members_of(
    session: &mut Session,
    after: Option<Name>,
    last: Option<Name>,
) -> Result<Vec<(u32, Name, Uid)>> {
    let statement = "SELECT g.gid, u.name, u.uid FROM groups g JOIN members m ON m.group_uuid = g.uuid \
                     JOIN users u ON u.uuid = m.user_uuid WHERE g.name > $1 AND g.name <= $2 ORDER BY g.name, u.name";
    let rows = session.query(statement, values![start(after.as_ref()), start(last.as_ref())]).await?;
    rows.iter().map(|row| Ok((row.id("gid")?, row.parsed("name")?, Uid(row.id("uid")?)))).collect()
}
