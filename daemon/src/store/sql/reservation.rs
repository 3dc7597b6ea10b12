//! What is kept for people who are about to log in for the first time: a name and the ids that go with it. Nobody else
//! is given these meanwhile; no feed tells of them, and the revision stays what it is. They come into the table `ids`, which
//! nothing leaves, with the user who comes of it.

use identity::{Gid, Name, State, Uid};

use super::create::facts;
use super::session::Session;
use super::user_count::UserCount;
use super::value::{Row, values};
use crate::clock::Clock;
use crate::directory::{
    Arrival, Batch, Error, Facts, Kind, NewUser, Origin, Primary, Reservation, Result, Rules, plan,
};
use crate::limits::MAX_DIRECTORY_RESERVATIONS;

/// A new identity.
pub fn new_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub async fn reserve(
    session: &mut Session,
    name: Name,
    rules: &Rules,
    user_count: &UserCount,
    until: i64,
) -> Result<Reservation> {
    if let Some(reservation) = of_name(session, name).await? {
        return extend(session, reservation, until).await;
    }
    let batch = Batch { users: vec![newcomer(name, rules)], ..Batch::default() };
    let facts = facts(session, &batch, rules, user_count, None).await?;
    if facts.reserved.len() >= MAX_DIRECTORY_RESERVATIONS {
        return Err(Error::Busy(format!(
            "names are kept for {MAX_DIRECTORY_RESERVATIONS} people who log in for the first time, and for no more at a time: try again \
             in some minutes"
        )));
    }
    check_derived(name, &facts, rules)?;
    let mut plan = plan(batch, facts, rules);
    let Some(planned) = plan.users.pop() else {
        return Err(plan.refused.swap_remove(0).error);
    };
    let reservation = Reservation {
        uuid: planned.new.uuid,
        name,
        uid: planned.uid,
        gid: planned.gid,
        home: planned.home,
        shell: planned.new.shell,
        expires_at: until,
    };
    insert(session, &reservation).await?;
    Ok(reservation)
}

/// Whoever comes under this name, as far as that is known before.
fn newcomer(name: Name, rules: &Rules) -> NewUser {
    NewUser {
        line: 0,
        uuid: new_uuid(),
        name,
        uid: rules.derived_id(Kind::User, name).map(Uid),
        primary: Primary::Private { uuid: new_uuid(), gid: None },
        gecos: identity::Gecos::EMPTY,
        email: None,
        home: None,
        shell: rules.shell.clone(),
        state: State::Active,
        expires_at: None,
        is_admin: false,
        password: None,
        reuse_name: false,
        origin: Origin::Oidc,
    }
}

/// An id that comes of a name and is another's cannot be made another: files may have it from before.
pub fn check_derived(name: Name, facts: &Facts, rules: &Rules) -> Result<()> {
    match rules.derived_id(Kind::User, name) {
        Some(id) if facts.uids.contains(&id) || facts.gids.contains(&id) => Err(Error::Conflict(format!(
            "ids come of names here (ids.allocation in config.toml), and {id}, which {name} comes to, is another's: an admin can \
             create {name} with another id, and link you to it (podyctl user add, podyctl identity link)"
        ))),
        _ => Ok(()),
    }
}

/// The user who comes of an arrival, with what was kept.
pub fn user_of(arrival: &Arrival, reservation: Option<&Reservation>, rules: &Rules) -> NewUser {
    let mut user = newcomer(arrival.asked, rules);
    if let Some(kept) = reservation {
        user.uuid.clone_from(&kept.uuid);
        user.uid = Some(kept.uid);
        user.primary = Primary::Private { uuid: new_uuid(), gid: Some(kept.gid) };
        user.home = Some(kept.home.clone());
        user.shell = kept.shell.clone();
    }
    NewUser {
        gecos: arrival.gecos.clone().unwrap_or(user.gecos),
        email: arrival.email.clone(),
        shell: arrival.shell.clone().unwrap_or(user.shell),
        ..user
    }
}

async fn extend(session: &mut Session, kept: Reservation, until: i64) -> Result<Reservation> {
    let expires_at = kept.expires_at.max(until);
    let statement = "UPDATE reservations SET expires_at = $1 WHERE uuid = $2";
    session.execute(statement, values![expires_at, &kept.uuid]).await?;
    Ok(Reservation { expires_at, ..kept })
}

async fn insert(session: &mut Session, kept: &Reservation) -> Result<()> {
    let statement = "INSERT INTO reservations (uuid, name, uid, gid, home, shell, expires_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Reservation { uuid, name, uid, gid, home, shell, expires_at } = kept;
    let values = values![uuid, name.as_str(), uid.0, gid.0, home.as_str(), shell.as_str(), *expires_at];
    session.execute(statement, values).await
}

/// What is kept for a name, also what has run out and was not given back yet.
pub async fn of_name(session: &mut Session, name: Name) -> Result<Option<Reservation>> {
    let statement = "SELECT uuid, name, uid, gid, home, shell, expires_at FROM reservations WHERE name = $1";
    session.query(statement, values![name.as_str()]).await?.first().map(reservation).transpose()
}

fn reservation(row: Row<'_>) -> Result<Reservation> {
    Ok(Reservation {
        uuid: row.text("uuid")?.to_owned(),
        name: row.parsed("name")?,
        uid: Uid(row.id("uid")?),
        gid: Gid(row.id("gid")?),
        home: row.parsed("home")?,
        shell: row.parsed("shell")?,
        expires_at: row.integer("expires_at")?,
    })
}

/// What is kept. What has run out goes back, but for one name, for which somebody has come.
pub async fn kept(session: &mut Session, comes_for: Option<Name>) -> Result<Vec<Reservation>> {
    let now = Clock::System.unix_seconds();
    let statement = "SELECT uuid, name, uid, gid, home, shell, expires_at FROM reservations";
    let rows = session.query(statement, &[]).await?;
    let all = rows.iter().map(reservation).collect::<Result<Vec<_>>>()?;
    let is_kept = |kept: &Reservation| kept.expires_at > now || Some(kept.name) == comes_for;
    let (kept, over): (Vec<_>, Vec<_>) = all.into_iter().partition(is_kept);
    for over in over {
        give_back(session, &over.uuid).await?;
    }
    Ok(kept)
}

pub async fn release(session: &mut Session, uuid: &str) -> Result<()> {
    let statement = "DELETE FROM reservations WHERE uuid = $1 AND expires_at <= $2";
    session.execute(statement, values![uuid, Clock::System.unix_seconds()]).await
}

/// Ends a reservation. Its ids were nobody's, so that they may be given to others.
pub async fn give_back(session: &mut Session, uuid: &str) -> Result<()> {
    session.execute("DELETE FROM reservations WHERE uuid = $1", values![uuid]).await
}
