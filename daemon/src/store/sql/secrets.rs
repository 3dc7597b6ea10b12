//! Password hashes and tokens, for a replica that answers for its source while that is away.

use serde_json::json;

use super::replica::Loader;
use super::session::Session;
use super::token::{self, select_tokens};
use super::value::values;
use crate::directory::{Credential, Directory, Result, Secrets};

/// Users and tokens whose secrets are copied at a time.
const PAGE: u32 = 1_000;

/// Fills a replica, which has the users already, with all secrets there are.
pub async fn copy(source: &impl Directory, loader: &mut Loader) -> Result<()> {
    let mut after = String::new();
    loop {
        let uuids = loader.user_uuids(&after, PAGE).await?;
        let Some(last) = uuids.last() else { break };
        after.clone_from(last);
        write(loader.session(), &source.secrets(&uuids, &[]).await?).await?;
    }
    let mut after = None;
    loop {
        let page = source.tokens(None, after.take(), PAGE).await?;
        after = page.items.last().map(|token| (token.owner.name, token.name.clone()));
        write(loader.session(), &Secrets { tokens: page.items, ..Secrets::default() }).await?;
        if !page.more {
            return Ok(());
        }
    }
}

/// The secrets of these users, and these tokens.
pub async fn read(session: &mut Session, users: &[String], tokens: &[String]) -> Result<Secrets> {
    let [users, tokens] = [json!(users), json!(tokens)].map(|uuids| uuids.to_string());
    let statement = "SELECT user_uuid, hash, revision FROM credentials WHERE user_uuid IN {texts $1}";
    let rows = session.query(statement, values![users]).await?;
    let credential = |row: super::value::Row<'_>| {
        Ok(Credential {
            uuid: row.text("user_uuid")?.to_owned(),
            hash: Some(row.text("hash")?.to_owned()),
            revision: row.unsigned("revision")?,
        })
    };
    let credentials = rows.iter().map(credential).collect::<Result<_>>()?;
    let rows = session.query(select_tokens!("WHERE t.uuid IN {texts $1}"), values![tokens]).await?;
    Ok(Secrets { credentials, tokens: rows.iter().map(token::token).collect::<Result<_>>()? })
}

/// Writes secrets of users who are there.
pub async fn write(session: &mut Session, secrets: &Secrets) -> Result<()> {
    for Credential { uuid, hash, revision } in &secrets.credentials {
        let statement = "UPDATE credentials SET hash = $1, revision = $2 WHERE user_uuid = $3";
        session.execute(statement, values![hash.as_deref(), *revision, uuid]).await?;
    }
    for token in &secrets.tokens {
        session.execute("DELETE FROM tokens WHERE uuid = $1", values![&token.uuid]).await?;
        token::insert(session, token).await?;
    }
    Ok(())
}
