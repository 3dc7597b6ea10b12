//! Rows read back into the directory's types.

use identity::{Day, Gid, Group, Name, State, Uid, User};

use super::value::{Row, parse};
use crate::directory::{Error, Member, Origin, Result, Team, Tombstone};

/// A user with groups and when the password was set, for [`member`].
macro_rules! select_members {
    ($tail:literal) => {
        concat!(
            "SELECT u.uuid, u.name, u.uid, u.gid, u.gecos, u.email, u.home, u.shell, u.state, u.expires_at, ",
            "u.is_admin, u.origin, u.revision, {memberships u.uuid} AS memberships, c.revision AS password_revision ",
            "FROM users u LEFT JOIN credentials c ON c.user_uuid = u.uuid ",
            $tail
        )
    };
}

/// A group without members, for [`team`].
macro_rules! select_teams {
    ($tail:literal) => {
        concat!("SELECT g.uuid, g.name, g.gid, g.revision, g.private_of FROM groups g ", $tail)
    };
}

pub(super) use {select_members, select_teams};

/// A user with groups and the presence of a password.
pub fn member(row: Row<'_>) -> Result<Member> {
    let email = row.optional_text("email")?.map(|text| parse("email", text)).transpose()?;
    let state = match row.text("state")? {
        "active" => State::Active,
        _ => State::Locked,
    };
    let expires_at = row.optional_integer("expires_at")?.map(|day| i32::try_from(day).map(Day));
    let user = User {
        uuid: row.text("uuid")?.to_owned(),
        name: row.parsed("name")?,
        uid: Uid(row.id("uid")?),
        gid: Gid(row.id("gid")?),
        gecos: row.parsed("gecos")?,
        email,
        home: row.parsed("home")?,
        shell: row.parsed("shell")?,
        state,
        expires_at: expires_at.transpose().map_err(|error| Error::Failed(format!("expires_at: {error}")))?,
        is_admin: row.flag("is_admin")?,
        revision: row.unsigned("revision")?,
    };
    let password_revision = row.optional_integer("password_revision")?.map(i64::unsigned_abs);
    let groups = memberships(row.optional_text("memberships")?)?;
    Ok(Member { user, origin: Origin::of(row.text("origin")?), groups, password_revision })
}

/// `[[gid, "name"], …]`, sorted by name; NULL where there is none.
fn memberships(json: Option<&str>) -> Result<Vec<(Gid, Name)>> {
    let pairs: Vec<(u32, String)> = serde_json::from_str(json.unwrap_or("[]"))
        .map_err(|error| Error::Failed(format!("the store holds broken memberships: {error}")))?;
    let group = |(gid, name): (u32, String)| Ok((Gid(gid), parse("name", &name)?));
    let mut groups = pairs.into_iter().map(group).collect::<Result<Vec<_>>>()?;
    groups.sort_unstable_by_key(|(_, name)| *name);
    Ok(groups)
}

/// A group without members.
pub fn team(row: Row<'_>) -> Result<Team> {
    Ok(Team {
        group: Group {
            uuid: row.text("uuid")?.to_owned(),
            name: row.parsed("name")?,
            gid: Gid(row.id("gid")?),
            revision: row.unsigned("revision")?,
        },
        private_of: row.optional_text("private_of")?.map(str::to_owned),
        members: Vec::new(),
    })
}

/// What is left of a user or group.
pub fn tombstone(row: Row<'_>) -> Result<Tombstone> {
    Ok(Tombstone { uuid: row.text("uuid")?.to_owned(), name: row.parsed("name")?, id: row.id("id")? })
}
