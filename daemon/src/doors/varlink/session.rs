//! `org.pody.Session`.

use protocol::session::{self, Close, Closed, End, Ended, List, Open, SessionRecord, SessionsReply};

use super::Handle;
use crate::clock::rfc_3339;
use crate::directory::{Directory, Error, Result};
use crate::doors::record::{fitting, page_size, parse, parse_option};
use crate::limits::MAX_PAGE;
use crate::service::{Caller, Opened, Opening, Peer, Service, Session};

/// The session is the calling process's.
pub async fn open<D: Directory>(
    Open { user, service: pam_service, tty, rhost }: Open,
    service: &Service<D>,
    caller: &Caller,
    process: Peer,
) -> Result<session::Opened> {
    let opening = Opening { user: parse("user", &user)?, service: pam_service, tty, rhost };
    let Opened { messages, refused } = service.open_session(caller, process, opening).await?;
    Ok(session::Opened { messages, refused })
}

/// The same.
pub async fn close<D: Directory>(
    Close {}: Close,
    service: &Service<D>,
    caller: &Caller,
    process: Peer,
) -> Result<Closed> {
    service.close_session(caller, process).await?;
    Ok(Closed {})
}

impl<D: Directory> Handle<D> for List {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<SessionsReply> {
        let user = parse_option("user", self.user.as_deref())?;
        let page = service.sessions(caller, user, self.after, page_size(self.limit, MAX_PAGE)).await?;
        let (sessions, some_stay) = fitting(page.items.into_iter().map(record).collect());
        Ok(SessionsReply { sessions, more: page.more || some_stay })
    }
}

impl<D: Directory> Handle<D> for End {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Ended> {
        let processes = match (self.id, self.user) {
            (Some(id), None) => service.end_session(caller, id).await?,
            (None, Some(user)) => service.end_sessions(caller, parse("user", &user)?).await?,
            _ => return Err(Error::invalid("id", "give either a session or a user")),
        };
        Ok(Ended { processes })
    }
}

fn record(session: Session) -> SessionRecord {
    let Session { id, name, uid, service, tty, rhost, began_at, leader, .. } = session;
    SessionRecord {
        id,
        user: name.to_string(),
        uid,
        service,
        tty,
        rhost,
        began_at: rfc_3339(began_at),
        leader: leader.pid,
    }
}
