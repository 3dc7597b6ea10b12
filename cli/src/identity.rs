//! `podyctl identity …`: who users are to OpenID providers.

use protocol::identity::{IdentityKey, IdentityRecord, Link, List, Unlink};

use crate::arguments::{IdentityCommand, Linking};
use crate::daemon::{Daemon, pages};
use crate::table::{Listing, Value};
use crate::{Result, Session};

/// Runs a command about identities.
pub fn run(command: IdentityCommand, session: &mut Session<'_>) -> Result<()> {
    match command {
        IdentityCommand::List { user } => list(user, session),
        IdentityCommand::Link(linking) => link(linking, session),
        IdentityCommand::Unlink(linking) => unlink(linking, session),
    }
}

fn list(user: Option<String>, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let page = |after| {
        let reply = daemon.call(&List { user: user.clone(), after, limit: None })?;
        Ok((reply.identities, reply.more))
    };
    let key = |one: &IdentityRecord| IdentityKey { issuer: one.issuer.clone(), subject: one.subject.clone() };
    let output = &mut session.output;
    if output.json {
        let mut array = output.array();
        pages(page, key, |identities| identities.iter().try_for_each(|one| array.push(one)))?;
        return array.end();
    }
    let mut listing = Listing::new(["USER", "STATE", "ISSUER", "SUBJECT"]);
    pages(page, key, |identities| listing.page(output, identities.into_iter().map(row)))
}

fn row(IdentityRecord { user, deleted, issuer, subject }: IdentityRecord) -> [Value; 4] {
    let state = if deleted { Value::Striking("deleted".into()) } else { "linked".into() };
    [user.into(), state, issuer.into(), subject.into()]
}

fn link(Linking { user, issuer, subject }: Linking, session: &mut Session<'_>) -> Result<()> {
    let done = format!("{subject} of {issuer} logs in as {user}.");
    let reply = Daemon::connect(&session.socket)?.call(&Link { user, issuer, subject })?;
    session.output.answer(&done, &reply)
}

fn unlink(Linking { user, issuer, subject }: Linking, session: &mut Session<'_>) -> Result<()> {
    let done = format!("{subject} of {issuer} is {user} no more.");
    let reply = Daemon::connect(&session.socket)?.call(&Unlink { user, issuer, subject })?;
    session.output.answer(&done, &reply)
}
