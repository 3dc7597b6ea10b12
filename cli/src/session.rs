//! `podyctl session …`: who is on this node, and the end of that.

use protocol::session::{End, List, SessionRecord};

use crate::arguments::{EndSession, SessionCommand};
use crate::daemon::{Daemon, pages};
use crate::table::{Listing, Value};
use crate::{Result, Session};

/// Runs a command about sessions.
pub fn run(command: SessionCommand, session: &mut Session<'_>) -> Result<()> {
    match command {
        SessionCommand::List { user } => list(user, session),
        SessionCommand::End(which) => end(which, session),
    }
}

fn list(user: Option<String>, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let page = |after| {
        let reply = daemon.call(&List { user: user.clone(), after, limit: None })?;
        Ok((reply.sessions, reply.more))
    };
    let key = |session: &SessionRecord| session.id;
    let output = &mut session.output;
    if output.json {
        let mut array = output.array();
        pages(page, key, |sessions| sessions.iter().try_for_each(|session| array.push(session)))?;
        return array.end();
    }
    let mut listing = Listing::new(["ID", "USER", "SERVICE", "SINCE", "LEADER", "TTY", "FROM"]);
    pages(page, key, |sessions| listing.page(output, sessions.into_iter().map(row)))
}

fn row(session: SessionRecord) -> [Value; 7] {
    let SessionRecord { id, user, service, tty, rhost, began_at, leader, .. } = session;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        id.into(),
        user.into(),
        service.into(),
        began_at.into(),
        leader.into(),
        or_none(tty).into(),
        or_none(rhost).into(),
    ]
}

fn end(EndSession { id, user }: EndSession, session: &mut Session<'_>) -> Result<()> {
    let what = match (&id, &user) {
        (_, Some(user)) => format!("What {user} ran on this node"),
        (id, None) => format!("Session {}", id.unwrap_or_default()),
    };
    let ended = Daemon::connect(&session.socket)?.call(&End { id, user })?;
    session.output.answer(&format!("{what} was ended: {} processes.", ended.processes), &ended)
}
