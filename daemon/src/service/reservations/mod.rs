//! Ids and names for people who do not exist yet. sshd reads the user once, before PAM, and keeps that uid for the session:
//! so whoever may become a user by the login that begins must be found before anybody knows who it is.
//!
//! A reservation is of the directory, which gives all of its nodes the same for one name, and shown here as a locked
//! account. What comes of it is another matter (`Directory::arrive`).

mod ledger;
mod pace;

use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::Name;
use tokio::time::Instant;

use ledger::Ledger;

use crate::directory::Reservation;

/// What this node holds for first logins.
#[derive(Debug, Default)]
pub struct Reservations {
    ledger: Mutex<Ledger>,
}

impl Reservations {
    /// What programs on this node have been shown of somebody who does not exist yet, for as long as a login of theirs may
    /// be under way.
    pub fn get(&self, name: Name) -> Option<Reservation> {
        self.ledger().get(name, Instant::now()).cloned()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
