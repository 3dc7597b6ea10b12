//! Who users are to OpenID providers. The rows of a deleted user stay, and keep the same person from being created again.

use identity::Name;
use serde_json::json;

use super::change::{log, next_revision};
use super::read::{existing_user, page};
use super::session::Session;
use super::value::{Row, values};
use crate::directory::{Change, Error, Identity, Linked, Page, Result};
use crate::limits::MAX_IDENTITIES_PER_USER;

/// Identities with the names of their owners, living or not.
macro_rules! select_identities {
    ($tail:literal) => {
        concat!(
            "SELECT i.issuer, i.subject, u.name, (SELECT t.name FROM tombstones t WHERE t.uuid = i.owner_uuid ",
            "AND t.kind = 'user' ORDER BY t.revision DESC LIMIT 1) AS last_name ",
            "FROM identities i LEFT JOIN users u ON u.uuid = i.owner_uuid ",
            $tail
        )
    };
}

fn linked(row: Row<'_>) -> Result<Linked> {
    let living = row.optional_text("name")?;
    let name = if living.is_some() { "name" } else { "last_name" };
    Ok(Linked {
        name: row.parsed(name)?,
        is_deleted: living.is_none(),
        identity: Identity::new(row.text("issuer")?, row.text("subject")?)
            .map_err(|error| Error::Failed(format!("the store holds a broken identity: {error}")))?,
    })
}

/// Whose an identity is.
pub async fn owner(session: &mut Session, identity: &Identity) -> Result<Option<Linked>> {
    let statement = select_identities!("WHERE i.issuer = $1 AND i.subject = $2");
    let rows = session.query(statement, values![identity.issuer(), identity.subject()]).await?;
    rows.first().map(linked).transpose()
}

pub async fn list(
    session: &mut Session,
    owner: Option<Name>,
    after: Option<&Identity>,
    limit: u32,
) -> Result<Page<Linked>> {
    let after = after.map_or(("", ""), |after| (after.issuer(), after.subject()));
    let Some(owner) = owner else {
        let statement = select_identities!(
            "WHERE i.issuer > $1 OR (i.issuer = $1 AND i.subject > $2) ORDER BY i.issuer, i.subject LIMIT $3"
        );
        let rows = session.query(statement, values![after.0, after.1, i64::from(limit) + 1]).await?;
        return page(&rows, linked, limit);
    };
    let statement = select_identities!(
        "WHERE i.owner_uuid IN {texts $1} AND (i.issuer > $2 OR (i.issuer = $2 AND i.subject > $3)) \
         ORDER BY i.issuer, i.subject LIMIT $4"
    );
    let owners = bearers(session, owner).await?;
    let values = values![owners, after.0, after.1, i64::from(limit) + 1];
    let mut found = page(&session.query(statement, values).await?, linked, limit)?;
    // Whoever gave the name up is found by the one that came after it.
    found.items.retain(|linked| linked.name == owner);
    Ok(found)
}

/// Everybody who has this name or had it, as a list of uuids.
async fn bearers(session: &mut Session, name: Name) -> Result<String> {
    let statement = "SELECT uuid FROM users WHERE name = $1 UNION \
                     SELECT uuid FROM tombstones WHERE kind = 'user' AND name = $1";
    let rows = session.query(statement, values![name.as_str()]).await?;
    let uuids = rows.iter().map(|row| row.text("uuid")).collect::<Result<Vec<_>>>()?;
    Ok(json!(uuids).to_string())
}

pub async fn link(session: &mut Session, name: Name, identity: &Identity) -> Result<()> {
    let user = existing_user(session, name).await?.user;
    match owner(session, identity).await? {
        Some(Linked { name: holder, is_deleted: false, .. }) if holder == name => return Ok(()),
        Some(Linked { name: holder, is_deleted: false, .. }) => {
            return Err(Error::Conflict(format!(
                "{identity} is linked to {holder}: podyctl identity unlink {holder} {identity} ends that"
            )));
        }
        Some(_) => remove(session, identity).await?,
        None => {}
    }
    let count = "SELECT COUNT(*) AS identities FROM identities WHERE owner_uuid = $1";
    let count = session.query(count, values![&user.uuid]).await?.one()?.unsigned("identities")?;
    if count >= MAX_IDENTITIES_PER_USER {
        return Err(Error::Refused(format!(
            "{name} is linked to {count} identities already, which is the most there may be: podyctl identity list {name} \
             shows them"
        )));
    }
    insert(session, identity, &user.uuid).await
}

pub async fn unlink(session: &mut Session, name: Name, identity: &Identity) -> Result<()> {
    match owner(session, identity).await? {
        Some(linked) if linked.name == name => {
            remove(session, identity).await?;
            match linked.is_deleted {
                true => Ok(()),
                false => touch(session, name).await,
            }
        }
        Some(Linked { name: holder, .. }) => {
            Err(Error::NotFound(format!("{identity} is linked to {holder}, and not to {name}")))
        }
        None => Err(Error::NotFound(format!("{identity} is linked to nobody"))),
    }
}

/// Whoever keeps something on the strength of who this user was learns that it is another now.
async fn touch(session: &mut Session, name: Name) -> Result<()> {
    let uuid = existing_user(session, name).await?.user.uuid;
    let revision = next_revision(session).await?;
    let statement = "UPDATE users SET revision = $1 WHERE uuid = $2";
    session.execute(statement, values![revision, &uuid]).await?;
    log(session, revision, &Change::User { uuid }).await
}

pub async fn insert(session: &mut Session, identity: &Identity, owner_uuid: &str) -> Result<()> {
    let statement = "INSERT INTO identities (issuer, subject, owner_uuid) VALUES ($1, $2, $3)";
    session.execute(statement, values![identity.issuer(), identity.subject(), owner_uuid]).await
}

async fn remove(session: &mut Session, identity: &Identity) -> Result<()> {
    let statement = "DELETE FROM identities WHERE issuer = $1 AND subject = $2";
    session.execute(statement, values![identity.issuer(), identity.subject()]).await
}
