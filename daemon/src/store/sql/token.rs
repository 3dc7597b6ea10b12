//! Bearer tokens. What changes them runs inside a transaction that holds the revision's lock, as in `change.rs`: whoever
//! is deleted or locked has no token from that commit on.

use identity::{Day, Name, State};
use serde_json::json;

use super::change::{log, next_revision};
use super::read::{existing_user, page, start};
use super::rows;
use super::session::Session;
use super::value::{Row, parse, values};
use crate::directory::{
    Change, Error, NewToken, Page, Result, RevokedToken, Token, TokenHash, TokenLookup, TokenName, TokenUse,
};
use crate::limits::{MAX_REVOKED_TOKENS_PER_USER, MAX_TOKENS_PER_USER};

/// Tokens with their owners, for [`token`].
macro_rules! select_tokens {
    ($tail:literal) => {
        concat!(
            "SELECT u.uuid, u.name, u.uid, u.gid, u.gecos, u.email, u.home, u.shell, u.state, u.expires_at, u.is_admin, u.origin, ",
            "u.revision, NULL AS memberships, NULL AS password_revision, t.uuid AS token_uuid, t.hash, t.name AS token_name, ",
            "t.scopes, t.networks, t.expires_at AS token_expires_at, t.created_at, t.last_used_at, t.last_source, ",
            "t.revision AS token_revision FROM tokens t JOIN users u ON u.uuid = t.owner_uuid ",
            $tail
        )
    };
}

pub(super) use select_tokens;

/// A token with its owner.
pub fn token(row: Row<'_>) -> Result<Token> {
    let expires_at = row.optional_integer("token_expires_at")?.map(|day| i32::try_from(day).map(Day));
    let last_source = row.optional_text("last_source")?.map(|text| parse("last_source", text)).transpose()?;
    Ok(Token {
        uuid: row.text("token_uuid")?.to_owned(),
        hash: row.parsed("hash")?,
        owner: rows::member(row)?.user,
        name: row.parsed("token_name")?,
        scopes: row.parsed("scopes")?,
        networks: row.parsed("networks")?,
        expires_at: expires_at.transpose().map_err(|error| Error::Failed(format!("expires_at: {error}")))?,
        created_at: row.integer("created_at")?,
        last_use: row.optional_integer("last_used_at")?.zip(last_source),
        revision: row.unsigned("token_revision")?,
    })
}

pub async fn create(session: &mut Session, new: NewToken) -> Result<()> {
    let owner = existing_user(session, new.owner).await?.user;
    if owner.state == State::Locked {
        return Err(Error::Refused(format!("{} is locked, and has no tokens meanwhile", new.owner)));
    }
    let own = session
        .query(
            select_tokens!("WHERE t.owner_uuid = $1 AND t.name = $2"),
            values![&owner.uuid, new.name.as_str()],
        )
        .await?;
    if own.first().is_some() {
        return Err(Error::Conflict(format!("{} has a token {} already", new.owner, new.name)));
    }
    let count = "SELECT COUNT(*) AS tokens FROM tokens WHERE owner_uuid = $1";
    let count = session.query(count, values![&owner.uuid]).await?.one()?.unsigned("tokens")?;
    if count >= MAX_TOKENS_PER_USER {
        let owner = new.owner;
        return Err(Error::Refused(format!(
            "{owner} has {count} tokens already, which is the most there may be: revoke some that are not used any more"
        )));
    }
    let revision = next_revision(session).await?;
    let token = Token {
        uuid: new.uuid,
        hash: new.hash,
        owner,
        name: new.name,
        scopes: new.scopes,
        networks: new.networks,
        expires_at: new.expires_at,
        created_at: new.created_at,
        last_use: None,
        revision,
    };
    insert(session, &token).await?;
    log(session, revision, &Change::Token { uuid: token.uuid }).await
}

/// Writes a token that has not been used yet, as far as is known here.
pub async fn insert(session: &mut Session, token: &Token) -> Result<()> {
    let statement = "INSERT INTO tokens (uuid, hash, owner_uuid, name, scopes, networks, expires_at, created_at, revision) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values = values![
        &token.uuid,
        token.hash.to_string(),
        &token.owner.uuid,
        token.name.as_str(),
        token.scopes.to_string(),
        token.networks.to_string(),
        token.expires_at.map(|day| i64::from(day.0)),
        token.created_at,
        token.revision,
    ];
    session.execute(statement, values).await
}

pub async fn list(
    session: &mut Session,
    owner: Option<Name>,
    after: Option<(Name, TokenName)>,
    limit: u32,
) -> Result<Page<Token>> {
    let statement = select_tokens!(
        "WHERE (u.name > $1 OR (u.name = $1 AND t.name > $2)) AND ($3 = '' OR u.name = $3) \
         ORDER BY u.name, t.name LIMIT $4"
    );
    let (after_owner, after_name) = after.unzip();
    let values = values![
        start(after_owner.as_ref()),
        after_name.as_ref().map_or("", TokenName::as_str),
        start(owner.as_ref()),
        i64::from(limit) + 1,
    ];
    page(&session.query(statement, values).await?, token, limit)
}

pub async fn look_up(session: &mut Session, hash: &TokenHash) -> Result<TokenLookup> {
    let rows = session.query(select_tokens!("WHERE t.hash = $1"), values![hash.to_string()]).await?;
    if let Some(found) = rows.first().map(token).transpose()? {
        // Whatever the database takes for equal.
        return Ok(if found.hash == *hash {
            TokenLookup::Found(Box::new(found))
        } else {
            TokenLookup::Unknown
        });
    }
    let revoked = "SELECT owner, name, revision FROM revoked_tokens WHERE hash = $1";
    let rows = session.query(revoked, values![hash.to_string()]).await?;
    let Some(row) = rows.first() else {
        return Ok(TokenLookup::Unknown);
    };
    Ok(TokenLookup::Revoked(RevokedToken {
        owner: row.parsed("owner")?,
        name: row.parsed("name")?,
        revision: row.unsigned("revision")?,
    }))
}

pub async fn revoke(session: &mut Session, owner: Name, name: &TokenName) -> Result<()> {
    let user = existing_user(session, owner).await?.user;
    let revision = next_revision(session).await?;
    match revoke_those(session, revision, &user.uuid, |token| token.name == *name).await? {
        0 => Err(Error::NotFound(format!("{owner} has no token {name}"))),
        _ => Ok(()),
    }
}

/// Revokes tokens of one user, and says how many.
pub async fn revoke_those(
    session: &mut Session,
    revision: u64,
    owner: &str,
    are_meant: impl Fn(&Token) -> bool,
) -> Result<usize> {
    let rows = session.query(select_tokens!("WHERE t.owner_uuid = $1"), values![owner]).await?;
    let tokens = rows.iter().map(token).collect::<Result<Vec<_>>>()?;
    let meant: Vec<&str> =
        tokens.iter().filter(|token| are_meant(token)).map(|token| token.uuid.as_str()).collect();
    if meant.is_empty() {
        return Ok(0);
    }
    let uuids = json!(meant).to_string();
    for statement in [
        "INSERT INTO revoked_tokens (hash, owner_uuid, owner, name, revision) \
         SELECT t.hash, t.owner_uuid, u.name, t.name, $2 FROM tokens t JOIN users u ON u.uuid = t.owner_uuid \
         WHERE t.uuid IN {texts $1}",
        "INSERT INTO changes (revision, kind, one) SELECT $2, 'token', t.uuid FROM tokens t WHERE t.uuid IN {texts $1}",
    ] {
        session.execute(statement, values![&uuids, revision]).await?;
    }
    session.execute("DELETE FROM tokens WHERE uuid IN {texts $1}", values![&uuids]).await?;
    forget_old(session, owner).await?;
    Ok(meant.len())
}

/// Forgets the revoked tokens of a user but for the latest ones.
async fn forget_old(session: &mut Session, owner: &str) -> Result<()> {
    let statement = "DELETE FROM revoked_tokens WHERE owner_uuid = $1 AND revision < (SELECT MIN(latest.revision) FROM \
                     (SELECT revision FROM revoked_tokens WHERE owner_uuid = $1 ORDER BY revision DESC LIMIT $2) AS latest)";
    session.execute(statement, values![owner, MAX_REVOKED_TOKENS_PER_USER]).await
}

pub async fn note_uses(session: &mut Session, uses: &[TokenUse]) -> Result<()> {
    let statement = "UPDATE tokens SET last_used_at = $2, last_source = $3 \
                     WHERE uuid = $1 AND (last_used_at IS NULL OR last_used_at <= $2)";
    for TokenUse { uuid, at, source } in uses {
        session.execute(statement, values![uuid, *at, source.to_string()]).await?;
    }
    Ok(())
}
