//! This node's copy of a shared directory, in a SQLite file: everything that lookups need, and of passwords only when they
//! were set. It is filled whole from a dump, or brought up to date by a stretch of the change feed, in one transaction that
//! ends at the source's position; the source's history is not copied.

use std::collections::BTreeSet;

use identity::{Name, Uid};
use serde_json::{Value as Json, json};

use super::SqlDirectory;
use super::change::{entry, forget_history};
use super::create::{INSERT_GROUPS, INSERT_USERS};
use super::secrets;
use super::session::Session;
use super::value::{Row, values};
use crate::directory::{
    Change, Counts, Member, Position, Present, Result, Secrets, Sink, Team, Tombstone, named,
};

impl SqlDirectory {
    /// Brings the replica to a position of its source.
    pub async fn follow(
        &self,
        changes: &BTreeSet<Change>,
        present: &Present,
        secrets: Option<&Secrets>,
        position: &Position,
    ) -> Result<()> {
        let mut session = self.write().await?;
        let outcome = follow(&mut session, changes, present, secrets, position).await;
        session.finish(outcome).await
    }

    /// Begins to fill the replica anew. Until the loader has finished, readers see what was there before.
    pub async fn reload(&self) -> Result<Loader> {
        let mut session = self.write().await?;
        let outcome = empty(&mut session).await;
        match outcome {
            Ok(()) => Ok(Loader { session }),
            Err(error) => session.finish(Err(error)).await,
        }
    }
}

/// Rows come in the order of names and go into indexes in that of chance. In SQLite's own 2 MiB, pages would be written out and
/// read again many times; more than 16 MiB gain nothing for 100 000 users. They are given back at the end.
const FILLING: &str = "PRAGMA cache_size = -16384";
const FILLED: &str = "PRAGMA cache_size = -2000";

/// Fills a replica from a dump of its source.
pub struct Loader {
    session: Session,
}

impl Loader {
    /// Users that are there, by identity.
    pub async fn user_uuids(&mut self, after: &str, limit: u32) -> Result<Vec<String>> {
        let statement = "SELECT uuid FROM users WHERE uuid > $1 ORDER BY uuid LIMIT $2";
        let rows = self.session.query(statement, values![after, limit]).await?;
        rows.iter().map(|row| Ok(row.text("uuid")?.to_owned())).collect()
    }

    /// Uids that were another user's before, with the name then and now; at most so many.
    pub async fn changed_hands(&mut self, limit: u32) -> Result<Vec<(Uid, String, String)>> {
        let statement = "SELECT u.uid, h.name AS before, u.name FROM users u JOIN held h ON h.uid = u.uid \
                         WHERE h.uuid <> u.uuid ORDER BY u.uid LIMIT $1";
        let rows = self.session.query(statement, values![limit]).await?;
        let found =
            |row: Row<'_>| Ok((Uid(row.id("uid")?), row.text("before")?.into(), row.text("name")?.into()));
        rows.iter().map(found).collect()
    }

    /// The transaction that all of this is.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Keeps what the dump brought, or what was there before it when the dump failed.
    pub async fn finish(mut self, dumped: Result<Position>) -> Result<Position> {
        let outcome = match dumped {
            Ok(position) => arrive_anew(&mut self.session, &position).await.map(|()| position),
            Err(error) => Err(error),
        };
        let outcome = self.session.execute(FILLED, &[]).await.and(outcome);
        self.session.finish(outcome).await
    }
}

impl Sink for Loader {
    async fn begin(&mut self, _: &Position, _: Counts) -> Result<()> {
        Ok(())
    }

    async fn users(&mut self, page: Vec<Member>) -> Result<()> {
        insert_users(&mut self.session, &page).await
    }

    async fn groups(&mut self, page: Vec<(Team, Vec<(Name, Uid)>)>) -> Result<()> {
        insert_groups(&mut self.session, page.iter().map(|(team, _)| team)).await?;
        let members = page.iter().flat_map(|(team, members)| {
            members.iter().map(|(_, uid)| json!({"one": team.group.uuid, "uid": uid.0}))
        });
        let statement = "INSERT INTO members (group_uuid, user_uuid, origin) SELECT r.one, u.uuid, 'admin' \
                         FROM {rows $1 one text, uid integer} JOIN users u ON u.uid = r.uid";
        self.session.execute(statement, values![rows(members)]).await
    }
}

async fn follow(
    session: &mut Session,
    changes: &BTreeSet<Change>,
    present: &Present,
    secrets: Option<&Secrets>,
    position: &Position,
) -> Result<()> {
    // What is changed is taken out and put in again; in between, references lead nowhere.
    session.execute("PRAGMA defer_foreign_keys = ON", &[]).await?;
    let (users, groups) = named(changes);
    let gone_groups: Vec<&str> = present.gone_groups.iter().map(|gone| gone.uuid.as_str()).collect();
    let [users, groups, gone_groups] =
        [json!(users), json!(groups), json!(gone_groups)].map(|list| list.to_string());
    session.execute("DELETE FROM members WHERE group_uuid IN {texts $1}", values![&gone_groups]).await?;
    session.execute("DELETE FROM groups WHERE uuid IN {texts $1}", values![&groups]).await?;
    for statement in [
        "DELETE FROM members WHERE user_uuid IN {texts $1}",
        "DELETE FROM credentials WHERE user_uuid IN {texts $1}",
        "DELETE FROM users WHERE uuid IN {texts $1}",
    ] {
        session.execute(statement, values![&users]).await?;
    }
    insert_users(session, &present.users).await?;
    insert_groups(session, present.groups.iter()).await?;
    insert_memberships(session, &present.users).await?;
    session
        .execute("DELETE FROM tokens WHERE uuid IN {texts $1}", values![json!(tokens(changes)).to_string()])
        .await?;
    if let Some(secrets) = secrets {
        secrets::write(session, secrets).await?;
    }
    bury(session, position, "user", &present.gone_users).await?;
    bury(session, position, "group", &present.gone_groups).await?;
    log(session, position, changes).await?;
    arrive(session, position).await
}

async fn empty(session: &mut Session) -> Result<()> {
    session.execute(FILLING, &[]).await?;
    session.execute("PRAGMA defer_foreign_keys = ON", &[]).await?;
    for statement in [
        // Who had which uid, until this transaction is over.
        "CREATE TEMP TABLE held AS SELECT uid, uuid, name FROM users",
        "DELETE FROM members",
        "DELETE FROM tokens",
        "DELETE FROM credentials",
        "DELETE FROM groups",
        "DELETE FROM users",
        "DELETE FROM tombstones",
        "DELETE FROM changes",
        "DELETE FROM revisions",
    ] {
        session.execute(statement, &[]).await?;
    }
    Ok(())
}

async fn insert_users(session: &mut Session, members: &[Member]) -> Result<()> {
    let users = members.iter().map(|Member { user, origin, password_revision, .. }| {
        json!({
            "uuid": user.uuid, "name": user.name.as_str(), "uid": user.uid.0, "gid": user.gid.0,
            "gecos": user.gecos.as_str(), "email": user.email.as_ref().map(|email| email.as_str()),
            "home": user.home.as_str(), "shell": user.shell.as_str(), "state": user.state.as_str(),
            "expires_at": user.expires_at.map(|day| day.0), "is_admin": u8::from(user.is_admin),
            "revision": user.revision, "password_revision": password_revision,
            "origin": origin.as_str(),
        })
    });
    let users = rows(users);
    session.execute(INSERT_USERS, values![&users]).await?;
    let statement = "INSERT INTO credentials (user_uuid, hash, revision) SELECT r.uuid, '', r.password_revision \
                     FROM {rows $1 uuid text, password_revision integer} WHERE r.password_revision IS NOT NULL";
    session.execute(statement, values![&users]).await
}

async fn insert_groups(session: &mut Session, teams: impl Iterator<Item = &Team>) -> Result<()> {
    let groups = teams.map(|Team { group, private_of, .. }| {
        json!({
            "uuid": group.uuid, "name": group.name.as_str(), "gid": group.gid.0, "private_of": private_of,
            "revision": group.revision,
        })
    });
    session.execute(INSERT_GROUPS, values![rows(groups)]).await
}

/// The memberships of users whose groups are all there.
async fn insert_memberships(session: &mut Session, members: &[Member]) -> Result<()> {
    let memberships = members.iter().flat_map(|member| {
        member.groups.iter().map(|(gid, _)| json!({"gid": gid.0, "other": member.user.uuid}))
    });
    let statement = "INSERT INTO members (group_uuid, user_uuid, origin) SELECT g.uuid, r.other, 'admin' \
                     FROM {rows $1 gid integer, other text} JOIN groups g ON g.gid = r.gid";
    session.execute(statement, values![rows(memberships)]).await
}

async fn bury(session: &mut Session, position: &Position, kind: &str, gone: &[Tombstone]) -> Result<()> {
    let dead = gone.iter().map(|gone| json!({"uuid": gone.uuid, "name": gone.name.as_str(), "id": gone.id}));
    let dead = rows(dead);
    let forget = "DELETE FROM tombstones WHERE uuid IN (SELECT r.uuid FROM {rows $1 uuid text})";
    session.execute(forget, values![&dead]).await?;
    let statement = "INSERT INTO tombstones (uuid, kind, name, id, revision) SELECT r.uuid, $2, r.name, r.id, $3 \
                     FROM {rows $1 uuid text, name text, id integer}";
    session.execute(statement, values![&dead, kind, position.revision]).await
}

async fn log(session: &mut Session, position: &Position, changes: &BTreeSet<Change>) -> Result<()> {
    let entries = changes.iter().map(|change| {
        let (kind, one, other) = entry(change);
        json!({"kind": kind, "one": one, "other": other})
    });
    let statement = "INSERT INTO changes (revision, kind, one, other) SELECT $2, r.kind, r.one, r.other \
                     FROM {rows $1 kind text, one text, other text}";
    session.execute(statement, values![rows(entries), position.revision]).await
}

/// The same after a whole copy.
async fn arrive_anew(session: &mut Session, position: &Position) -> Result<()> {
    session.execute("DROP TABLE held", &[]).await?;
    arrive(session, position).await
}

/// From here on the replica is where its source was.
async fn arrive(session: &mut Session, position: &Position) -> Result<()> {
    let Position { epoch, revision, stamp, committed_at } = position;
    session.execute("UPDATE directory SET epoch = $1, revision = $2", values![epoch, *revision]).await?;
    forget_history(session, *revision).await?;
    session.execute("DELETE FROM revisions WHERE revision = $1", values![*revision]).await?;
    let statement = "INSERT INTO revisions (revision, stamp, committed_at) VALUES ($1, $2, $3)";
    session.execute(statement, values![*revision, *stamp, *committed_at]).await
}

/// The tokens that changes speak of.
pub fn tokens(changes: &BTreeSet<Change>) -> Vec<String> {
    let token = |change: &Change| match change {
        Change::Token { uuid } => Some(uuid.clone()),
        _ => None,
    };
    changes.iter().filter_map(token).collect()
}

/// Rows as the one argument that carries them.
fn rows(rows: impl Iterator<Item = Json>) -> String {
    Json::Array(rows.collect()).to_string()
}
