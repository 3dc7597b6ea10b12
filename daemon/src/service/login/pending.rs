//! Logins that wait for an answer. Each is known to whoever began it alone.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::Name;
use tokio::time::Instant;

use super::device::Device;
use crate::directory::{Error, Result};
use crate::limits::{MAX_DEVICE_LOGINS, MAX_LOGINS, MAX_LOGINS_PER_CALLER};
use crate::service::Caller;
use crate::verifiers::lockout::Subject;

/// All of them.
#[derive(Debug, Default)]
pub struct Logins(Mutex<HashMap<String, Pending>>);

/// One of them.
#[derive(Debug)]
pub struct Pending {
    /// Who logs in.
    pub name: Name,
    /// Through which PAM service.
    pub service: String,
    /// From where.
    pub source: Subject,
    /// When nobody needs to come back any more.
    pub ends: Instant,
    /// Who began it.
    pub caller: Caller,
    /// What it waits for.
    pub stage: Stage,
}

/// What a login waits for.
pub enum Stage {
    /// A password.
    Password,
    /// The OpenID provider, or somebody who is to go there.
    Device(Box<Device>),
    /// A one-time code.
    Code,
    /// A code, or somebody who goes to the provider instead.
    CodeOrEnter {
        /// Where they come from.
        rhost: Option<String>,
        /// Since when whatever asks waits.
        began: Instant,
    },
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "Password",
            Self::Device(_) => "Device",
            Self::Code => "Code",
            Self::CodeOrEnter { .. } => "CodeOrEnter",
        })
    }
}

impl Logins {
    /// Keeps a login under a name that nobody can guess; refused when there are too many.
    pub fn keep(&self, pending: Pending) -> Result<String> {
        let mut logins = self.logins();
        let now = Instant::now();
        logins.retain(|_, login| login.ends > now);
        if logins.len() >= MAX_LOGINS {
            return Err(Error::Busy(format!("{MAX_LOGINS} logins are waiting for an answer already")));
        }
        // Root begins them for everybody; anybody else alone must not keep the others out.
        let own = logins.values().filter(|login| login.caller == pending.caller).count();
        if pending.caller != Caller::Root && own >= MAX_LOGINS_PER_CALLER {
            return Err(Error::Busy(format!("{own} logins of yours are waiting for an answer already")));
        }
        if pending.is_device() {
            make_room_for_device(&mut logins);
        }
        let id = uuid::Uuid::new_v4().to_string();
        logins.insert(id.clone(), pending);
        Ok(id)
    }

    /// Takes a login out: each has one answer, and only whoever began it may give it.
    pub fn take(&self, id: &str, caller: &Caller) -> Option<Pending> {
        let mut logins = self.logins();
        if logins.get(id).is_none_or(|login| login.caller != *caller) {
            return None;
        }
        logins.remove(id).filter(|login| login.ends > Instant::now())
    }

    /// Puts back what was taken out and has not ended.
    pub fn put_back(&self, id: &str, pending: Pending) {
        self.logins().insert(id.to_owned(), pending);
    }

    fn logins(&self) -> MutexGuard<'_, HashMap<String, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn is_device(&self) -> bool {
        matches!(self.stage, Stage::Device(_))
    }
}

/// Where there are too many logins at the provider, the oldest from the place that has the most of them goes: whoever begins
/// logins and hangs up takes the places of nobody else.
fn make_room_for_device(logins: &mut HashMap<String, Pending>) {
    let device = || logins.iter().filter(|(_, login)| login.is_device());
    if device().count() < MAX_DEVICE_LOGINS {
        return;
    }
    let from = |source: &Subject| device().filter(|(_, login)| login.source == *source).count();
    let first = device().max_by_key(|(_, login)| (from(&login.source), Reverse(login.ends)));
    if let Some(id) = first.map(|(id, _)| id.clone()) {
        logins.remove(&id);
    }
}

#[cfg(test)]
mod tests;
