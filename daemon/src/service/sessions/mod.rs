//! Sessions on this node: pam_pody says that one begins, and here it is written down, counted, and whatever it needs made
//! ready. What fails here keeps nobody out but by a limit that an admin has set.
//!
//! A session is the process that opened it: it ends when that says so, or is gone. Authentication is none of this module's
//! business; somebody comes by a key, too.

mod end;
mod ledger;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::Name;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{Caller, Operation, Peer, Service};
use crate::directory::{Directory, Error, Key, Member, Page, Result};
use crate::limits::{MAX_SESSION_TEXT_CHARS, SESSION_WRITTEN_WITHIN};
use crate::process::{Process, boot_id};
use crate::store::NodeStore;
pub use crate::store::Session;
use ledger::{Ledger, Refusal};

/// A session that is about to begin, as PAM tells of it.
pub struct Opening {
    /// Whose.
    pub user: Name,
    /// The PAM service.
    pub service: String,
    /// The terminal.
    pub tty: Option<String>,
    /// The host they come from.
    pub rhost: Option<String>,
}

/// What becomes of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// What the person is told, a line each.
    pub messages: Vec<String>,
    /// Why it may not begin, for the person.
    pub refused: Option<String>,
}

/// The sessions of this node, which are read from its file when they are first asked for.
#[derive(Default)]
pub struct Sessions(OnceCell<Open>);

struct Open {
    ledger: Mutex<Ledger>,
    boot: String,
}

impl Sessions {
    async fn open(&self, node: &NodeStore) -> &Open {
        self.0
            .get_or_init(async || {
                let boot = boot_id();
                let kept = node.sessions(&boot).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "sessions that are open already are not known");
                    Vec::new()
                });
                Open { ledger: Mutex::new(Ledger::of(kept)), boot }
            })
            .await
    }
}

impl Open {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Directory> Service<D> {
    /// A process begins a session. Nothing is done about whoever is not ours.
    pub async fn open_session(&self, caller: &Caller, process: Peer, opening: Opening) -> Result<Opened> {
        caller.may(Operation::KeepSessions)?;
        let member = self.directory.user(Key::Name(opening.user)).await?;
        let Some(member) = member.filter(|member| self.objection(member).is_none()) else {
            return Ok(Opened::default());
        };
        if !self.current_settings().sessions.counts(&opening.service) {
            return Ok(Opened::default());
        }
        if let Some(refused) = self.enter(&member, process, opening).await {
            return Ok(Opened { refused: Some(refused), ..Opened::default() });
        }
        let mut messages: Vec<String> = self.home_is_made(&member).await.into_iter().collect();
        messages.extend(self.session_opens(&member).await);
        Ok(Opened { messages, refused: None })
    }

    /// Writes a session down, or says why it may not begin.
    async fn enter(&self, member: &Member, process: Peer, opening: Opening) -> Option<String> {
        let Member { user, .. } = member;
        let Opening { service, tty, rhost, .. } = opening;
        let Some(leader) = Process::of(process.pid) else {
            tracing::warn!(user = %user.name, pid = process.pid, "a session is not written down: its process cannot be seen");
            return None;
        };
        let session = Session {
            id: 0,
            uuid: user.uuid.clone(),
            name: user.name,
            uid: user.uid.0,
            service: short(service),
            tty: tty.map(short),
            rhost: rhost.map(short),
            began_at: self.clock.unix_seconds(),
            leader,
        };
        self.forget_ended_sessions().await;
        let open = self.sessions.open(&self.node).await;
        let allowed = self.sessions_allowed(member).await;
        let entered = open.ledger().enter(session, allowed);
        match entered {
            Ok(session) => {
                tracing::debug!(
                    user = %session.name,
                    session = session.id,
                    service = session.service,
                    "a session begins"
                );
                let kept =
                    timeout(SESSION_WRITTEN_WITHIN, self.node.keep_session(&open.boot, &session)).await;
                if !matches!(kept, Ok(Ok(()))) {
                    tracing::warn!(?kept, "a session is not known any more when podyd starts again");
                }
                None
            }
            Err(Refusal::TooMany(open)) => {
                tracing::info!(user = %user.name, open, "a session is refused: there are as many as are allowed");
                Some(too_many(user.name, open))
            }
            Err(Refusal::NoRoom) => {
                tracing::warn!(user = %user.name, "a session is not written down: there are too many");
                None
            }
        }
    }

    /// The process's session ends; one that is not known is no trouble.
    pub async fn close_session(&self, caller: &Caller, process: Peer) -> Result<()> {
        caller.may(Operation::KeepSessions)?;
        let left = match Process::of(process.pid) {
            Some(leader) => self.sessions.open(&self.node).await.ledger().leave(leader),
            None => None,
        };
        self.forget(left).await;
        Ok(())
    }

    /// Sessions in their order: of one user, or all that the caller may see.
    pub async fn sessions(
        &self,
        caller: &Caller,
        name: Option<Name>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Page<Session>> {
        let name = match (name, caller) {
            (None, Caller::User(own)) => Some(*own),
            (name, _) => name,
        };
        caller.may(name.map_or(Operation::List, Operation::LookAt))?;
        self.forget_ended_sessions().await;
        let uid = match name {
            Some(name) => Some(self.uid_with_sessions(name).await?),
            None => None,
        };
        let ledger = self.sessions.open(&self.node).await.ledger();
        let wanted =
            |session: &&Session| Some(session.id) > after && uid.is_none_or(|uid| session.uid == uid);
        let mut items: Vec<Session> = ledger.all().filter(wanted).take(limit as usize + 1).cloned().collect();
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        Ok(Page { items, more })
    }

    /// Whose sessions are meant: a user's, or a deleted one's who still has some.
    async fn uid_with_sessions(&self, name: Name) -> Result<u32> {
        if let Some(member) = self.directory.user(Key::Name(name)).await? {
            return Ok(member.user.uid.0);
        }
        let ledger = self.sessions.open(&self.node).await.ledger();
        let session = ledger.all().find(|session| session.name == name);
        session.map(|session| session.uid).ok_or_else(|| Error::no_user(name))
    }

    /// Whoever has a session now.
    pub(super) async fn uids_with_sessions(&self) -> HashSet<u32> {
        self.forget_ended_sessions().await;
        self.sessions.open(&self.node).await.ledger().all().map(|session| session.uid).collect()
    }

    /// The same by their identity, with the names that they began with.
    pub(super) async fn users_with_sessions(&self) -> BTreeMap<String, Name> {
        self.forget_ended_sessions().await;
        let ledger = self.sessions.open(&self.node).await.ledger();
        ledger.all().map(|session| (session.uuid.clone(), session.name)).collect()
    }

    /// Takes out sessions whose processes are gone without having said so.
    async fn forget_ended_sessions(&self) {
        let ended = self.sessions.open(&self.node).await.ledger().prune(Process::is_alive);
        self.forget(ended).await;
    }

    async fn forget(&self, sessions: impl IntoIterator<Item = Session>) {
        for session in sessions {
            let forgotten = timeout(SESSION_WRITTEN_WITHIN, self.node.forget_session(session.id)).await;
            if !matches!(forgotten, Ok(Ok(()))) {
                // A login may be waiting: the others are known to have ended when podyd starts again, too.
                tracing::warn!(?forgotten, "sessions that have ended stay written down for a while");
                return;
            }
        }
    }
}

fn too_many(name: Name, open: usize) -> String {
    let sessions = if open == 1 { "session" } else { "sessions" };
    format!(
        "{name} has {open} {sessions} on this machine, and may have no more at a time. End one first; \
         'podyctl session list' shows them."
    )
}

fn short(text: String) -> String {
    text.chars().take(MAX_SESSION_TEXT_CHARS).collect()
}
