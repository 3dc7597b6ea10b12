//! The end of sessions that somebody else wants ended. podyd-helper does it, being root; here it is said whose.

use std::collections::BTreeMap;

use identity::{Name, State, User};
use protocol::helper::{EndSessions, Leader};
use tokio::time::timeout;

use super::{Caller, Operation, Service, Session};
use crate::directory::{Directory, Error, Member, Present, Result};
use crate::limits::{LOOK_FOR_LOCKED, MAX_PAGE, SESSIONS_END_WITHIN};

impl<D: Directory> Service<D> {
    /// Ends one session, and says how many processes of its user it had.
    pub async fn end_session(&self, caller: &Caller, id: u64) -> Result<u32> {
        let none = || Error::NotFound(format!("there is no session {id} (podyctl session list shows them)"));
        self.forget_ended_sessions().await;
        let session = self.sessions.open(&self.node).await.ledger().get(id).cloned().ok_or_else(none)?;
        let Session { name, uid, leader, .. } = session;
        let owner = match caller {
            // The name that it began with may be another's by now.
            Caller::User(own) if self.uid_with_sessions(*own).await? != uid => return Err(none()),
            Caller::User(own) => *own,
            _ => name,
        };
        caller.may(Operation::EndSessionsOf(owner))?;
        let leader = Some(Leader { pid: leader.pid, started: leader.started });
        let processes = self.ask_to_end(EndSessions { uid, leader }).await?;
        tracing::info!(user = %name, session = id, processes, by = %caller, "a session was ended");
        Ok(processes)
    }

    /// Ends whatever a user runs on this node, and says how many processes that was.
    pub async fn end_sessions(&self, caller: &Caller, name: Name) -> Result<u32> {
        caller.may(Operation::EndSessionsOf(name))?;
        let uid = self.uid_with_sessions(name).await?;
        let processes = self.ask_to_end(EndSessions { uid, leader: None }).await?;
        tracing::info!(user = %name, processes, by = %caller, "a user's sessions were ended");
        Ok(processes)
    }

    async fn ask_to_end(&self, sessions: EndSessions) -> Result<u32> {
        let ended = self.helper.call_within(SESSIONS_END_WITHIN, &sessions).await?;
        self.forget_ended_sessions().await;
        Ok(ended.processes)
    }

    /// Ends the sessions of whoever may not log in any more, if this node is to, for as long as it is polled.
    pub async fn end_sessions_of_the_locked(&self) {
        loop {
            let shown = self.published.position();
            if self.current_settings().sessions.end_when_locked {
                self.end_sessions_of_those_locked_now().await;
            }
            let _ = timeout(LOOK_FOR_LOCKED, self.published.leaves(shown.as_ref())).await;
        }
    }

    /// What does not succeed is tried again when somebody next looks.
    pub(in crate::service) async fn end_sessions_of_those_locked_now(&self) {
        self.forget_ended_sessions().await;
        let open: BTreeMap<String, (u32, Name)> = {
            let ledger = self.sessions.open(&self.node).await.ledger();
            ledger.all().map(|session| (session.uuid.clone(), (session.uid, session.name))).collect()
        };
        let uuids: Vec<String> = open.keys().cloned().collect();
        for uuids in uuids.chunks(MAX_PAGE as usize) {
            let present = match self.directory.present(uuids, &[]).await {
                Ok(present) => present,
                Err(error) => return tracing::debug!(%error, "nobody's sessions are ended"),
            };
            for (uuid, why) in self.not_to_be_here(&present) {
                let Some((uid, name)) = open.get(uuid) else { continue };
                match self.ask_to_end(EndSessions { uid: *uid, leader: None }).await {
                    Ok(processes) => {
                        tracing::info!(user = %name, processes, why, "a user's sessions were ended")
                    }
                    Err(error) => {
                        tracing::warn!(user = %name, %error, why, "a user's sessions are not ended")
                    }
                }
            }
        }
    }

    /// Who may not be on this node any more, and why. Whoever is not in the directory is nobody whom it says anything about:
    /// a deletion has a tombstone.
    fn not_to_be_here<'a>(&self, present: &'a Present) -> Vec<(&'a String, &'static str)> {
        let today = self.clock.today();
        let why = |user: &User| match user.state {
            State::Locked => Some("locked"),
            State::Active if user.expires_at.is_some_and(|day| day <= today) => Some("expired"),
            State::Active => self.is_refused(&user.uuid).then_some("ended at the OpenID provider"),
        };
        let living = present.users.iter().filter_map(|Member { user, .. }| Some((&user.uuid, why(user)?)));
        let gone = present.gone_users.iter().map(|gone| (&gone.uuid, "deleted"));
        living.chain(gone).collect()
    }
}
