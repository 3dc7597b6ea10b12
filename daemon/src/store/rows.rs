//! Rows of the SQL backends, read back into the directory's types. A row that does not parse was not written
//! by us: that is [`Error::Failed`], never a user who half exists.

use std::str::FromStr;

use identity::{Day, Gid, Group, Name, State, Uid, User};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::directory::{Error, Member, Result, Team, Tombstone};

/// An error of the database, by who must act: a constraint that the plan should have kept is our fault,
/// anything else means that the database cannot work now.
pub fn database(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            Error::Conflict(format!("another change came first: {database}"))
        }
        sqlx::Error::Database(database)
            if database.is_check_violation() || database.is_foreign_key_violation() =>
        {
            Error::Failed(format!("the store refused a row: {database}"))
        }
        sqlx::Error::PoolTimedOut => Error::Away("the database is too busy to answer".into()),
        _ => Error::Away(format!("the database does not answer: {error}")),
    }
}

fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|error| Error::Failed(format!("column {name}: {error}")))
}

fn parsed<T: FromStr>(row: &SqliteRow, name: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    let text: &str = column(row, name)?;
    text.parse().map_err(|error| Error::Failed(format!("the store holds a broken {name} {text:?}: {error}")))
}

fn id(row: &SqliteRow, name: &str) -> Result<u32> {
    let number: i64 = column(row, name)?;
    u32::try_from(number).map_err(|_| Error::Failed(format!("the store holds a broken {name} {number}")))
}

fn revision(row: &SqliteRow) -> Result<u64> {
    let number: i64 = column(row, "revision")?;
    u64::try_from(number).map_err(|_| Error::Failed(format!("the store holds a broken revision {number}")))
}

/// A user with groups and the presence of a password.
pub fn member(row: &SqliteRow) -> Result<Member> {
    let email: Option<&str> = column(row, "email")?;
    let email = email.map(str::parse).transpose().map_err(|error: identity::FieldError| {
        Error::Failed(format!("the store holds a broken email: {error}"))
    })?;
    let state = match column::<&str>(row, "state")? {
        "active" => State::Active,
        _ => State::Locked,
    };
    let user = User {
        uuid: column(row, "uuid")?,
        name: parsed(row, "name")?,
        uid: Uid(id(row, "uid")?),
        gid: Gid(id(row, "gid")?),
        gecos: parsed(row, "gecos")?,
        email,
        home: parsed(row, "home")?,
        shell: parsed(row, "shell")?,
        state,
        expires_at: column::<Option<i32>>(row, "expires_at")?.map(Day),
        is_admin: column(row, "is_admin")?,
        revision: revision(row)?,
    };
    Ok(Member {
        user,
        groups: memberships(column(row, "memberships")?)?,
        has_password: column(row, "has_password")?,
    })
}

/// `[[gid, "name"], …]`, sorted by name.
fn memberships(json: &str) -> Result<Vec<(Gid, Name)>> {
    let pairs: Vec<(u32, String)> = serde_json::from_str(json)
        .map_err(|error| Error::Failed(format!("the store holds broken memberships: {error}")))?;
    let mut groups = pairs
        .into_iter()
        .map(|(gid, name)| Ok((Gid(gid), stored_name(&name)?)))
        .collect::<Result<Vec<_>>>()?;
    groups.sort_unstable_by_key(|(_, name)| *name);
    Ok(groups)
}

/// A name that the store holds.
pub fn stored_name(text: &str) -> Result<Name> {
    text.parse().map_err(|error| Error::Failed(format!("the store holds a broken name {text:?}: {error}")))
}

/// A group without members.
pub fn team(row: &SqliteRow) -> Result<Team> {
    Ok(Team {
        group: Group {
            uuid: column(row, "uuid")?,
            name: parsed(row, "name")?,
            gid: Gid(id(row, "gid")?),
            revision: revision(row)?,
        },
        private: column(row, "private")?,
        members: Vec::new(),
    })
}

/// What is left of a user or group.
pub fn tombstone(row: &SqliteRow) -> Result<Tombstone> {
    Ok(Tombstone { uuid: column(row, "uuid")?, name: parsed(row, "name")?, id: id(row, "id")? })
}

/// A name column.
pub fn name(row: &SqliteRow) -> Result<Name> {
    parsed(row, "name")
}

/// A text column.
pub fn text(row: &SqliteRow, name: &str) -> Result<String> {
    column(row, name)
}

/// An id column.
pub fn number(row: &SqliteRow, name: &str) -> Result<u32> {
    id(row, name)
}
