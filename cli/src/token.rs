//! `podyctl token …`. The text of a new token goes to standard output alone; the text of one to check comes from standard
//! input: arguments stand in `ps` and in the shell's history.

use protocol::directory::Secret;
use protocol::token::{Check, Checked, Create, List, Revoke, TokenKey, TokenRecord};

use crate::arguments::{CheckToken, NewToken, TokenCommand};
use crate::daemon::{Daemon, pages};
use crate::person::{ask_password, read_secret};
use crate::table::{Listing, Value, record};
use crate::{Code, Failure, Result, Session};

/// Runs a command about tokens.
pub fn run(command: TokenCommand, session: &mut Session<'_>) -> Result<()> {
    match command {
        TokenCommand::Create(new) => create(new, session),
        TokenCommand::List { owner } => list(owner, session),
        TokenCommand::Revoke { name, owner } => revoke(name, owner, session),
        TokenCommand::Check(check) => self::check(check, session),
    }
}

fn create(new: NewToken, session: &mut Session<'_>) -> Result<()> {
    let call = Create {
        owner: new.owner,
        name: new.name,
        scopes: new.scope,
        networks: new.from,
        expires_at: Some(new.expires).filter(|date| !date.is_empty()),
    };
    let created = Daemon::connect(&session.socket)?.call(&call)?;
    let output = &mut session.output;
    let written =
        if output.json { output.object(&created) } else { output.text(&format!("{}\n", created.secret.0)) };
    let TokenRecord { owner, name, .. } = &created.token;
    // A reader that has gone is a failure here: nobody has the token, and it is valid.
    written.and_then(|()| output.flush()).map_err(|failure| {
        let why = if failure.message.is_empty() { "nobody reads the output" } else { &failure.message };
        Failure::new(
            Code::Failed,
            format_args!(
                "the token was created, and then lost: {why}. Revoke it: podyctl token revoke {name} --owner {owner}"
            ),
        )
    })?;
    output.remark(&sentence(&created.token));
    Ok(())
}

fn sentence(token: &TokenRecord) -> String {
    let TokenRecord { owner, name, .. } = token;
    let until = match &token.expires_at {
        Some(date) => format!("until it expires on {date}"),
        None => "until it is revoked".to_owned(),
    };
    format!(
        "{owner}'s token {name} was created, for {} from {}, {until}. It is shown this once: keep it as you keep a password.",
        token.scopes.join(" and "),
        networks(token)
    )
}

fn networks(token: &TokenRecord) -> String {
    if token.networks.is_empty() { "anywhere".into() } else { token.networks.join(" ") }
}

fn list(owner: Option<String>, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let page = |after| {
        let reply = daemon.call(&List { owner: owner.clone(), after, limit: None })?;
        Ok((reply.tokens, reply.more))
    };
    let key = |token: &TokenRecord| TokenKey { owner: token.owner.clone(), name: token.name.clone() };
    let output = &mut session.output;
    if output.json {
        let mut array = output.array();
        pages(page, key, |tokens| tokens.iter().try_for_each(|token| array.push(token)))?;
        return array.end();
    }
    let mut listing = Listing::new(["OWNER", "NAME", "SCOPES", "EXPIRES", "LAST USED", "FROM"]);
    pages(page, key, |tokens| listing.page(output, tokens.into_iter().map(row)))
}

fn row(token: TokenRecord) -> [Value; 6] {
    let from = networks(&token).into();
    [
        token.owner.into(),
        token.name.into(),
        token.scopes.join(",").into(),
        token.expires_at.unwrap_or_else(|| "never".into()).into(),
        token.last_used_at.unwrap_or_else(|| "never".into()).into(),
        from,
    ]
}

fn revoke(name: String, owner: Option<String>, session: &mut Session<'_>) -> Result<()> {
    let done = Daemon::connect(&session.socket)?.call(&Revoke { owner, name: name.clone() })?;
    session.output.answer(&format!("The token {name} was revoked."), &done)
}

fn check(CheckToken { scope, from, is_use }: CheckToken, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let given = match session.person.as_deref_mut() {
        Some(person) => ask_password(person, "Token: ")?,
        None => read_secret(session.input, "token")?,
    };
    let token = Secret(given.0.trim().to_owned());
    let checked = daemon.call(&Check { token, scope, source: from, is_use })?;
    if session.output.json {
        session.output.object(&checked)?;
    } else {
        show(&checked, session)?;
    }
    if checked.accepted {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format_args!("this token is not accepted: {}", checked.objections.join("; ")),
    ))
}

fn show(checked: &Checked, session: &mut Session<'_>) -> Result<()> {
    let Some(token) = &checked.token else { return Ok(()) };
    let accepted = if checked.accepted { "yes".into() } else { Value::Striking("no".into()) };
    let last_use = match (&token.last_used_at, &token.last_used_from) {
        (Some(at), Some(from)) => format!("{at} from {from}"),
        _ => "never".into(),
    };
    record(
        &mut session.output,
        [
            ("accepted", accepted),
            ("owner", token.owner.as_str().into()),
            ("name", token.name.as_str().into()),
            ("scopes", token.scopes.join(",").into()),
            ("from", networks(token).into()),
            ("expires", token.expires_at.as_deref().unwrap_or("never").into()),
            ("created", token.created_at.as_str().into()),
            ("last used", last_use.into()),
            ("uuid", token.uuid.as_str().into()),
        ],
    )
}
