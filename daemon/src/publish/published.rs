//! What lookups show now, for everybody but the publisher, and ways to wait until they show something else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::Delays;
use super::overlay::Reserved;
use super::refused::Refused;
use crate::directory::{Error, Position, Reservation, Result};

/// What lookups on this node show.
#[derive(Clone, Debug)]
pub struct Published {
    state: watch::Receiver<State>,
    reserved: Arc<watch::Sender<Reserved>>,
    refused: Arc<watch::Sender<Refused>>,
    wake: Arc<Notify>,
}

/// Where the publisher stands.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What an earlier run left behind.
    pub adopted: u64,
    /// What this run has published: of another directory, perhaps, a backup that was brought back.
    pub published: Option<Position>,
    /// Which reservations it has published.
    pub reserved: u64,
    /// Whom it has published as locked, beside those who are.
    pub refused: Refused,
    /// Who is not served.
    pub hidden: Arc<Vec<String>>,
    /// Why the snapshot is behind.
    pub trouble: Option<String>,
    /// How long the last changes took.
    pub delays: Delays,
}

impl Published {
    pub(super) fn new(
        state: watch::Receiver<State>,
        reserved: watch::Sender<Reserved>,
        refused: watch::Sender<Refused>,
        wake: Arc<Notify>,
    ) -> Self {
        Self { state, reserved: Arc::new(reserved), refused: Arc::new(refused), wake }
    }

    /// The revision that lookups show.
    pub fn revision(&self) -> u64 {
        let state = self.state.borrow();
        state.published.as_ref().map_or(state.adopted, |position| position.revision)
    }

    /// Has the directory looked at now.
    pub fn look(&self) {
        self.wake.notify_one();
    }

    /// What this run shows, once it shows something.
    pub fn position(&self) -> Option<Position> {
        self.state.borrow().published.clone()
    }

    /// Waits until lookups show something else than this.
    pub async fn leaves(&self, position: Option<&Position>) {
        let mut state = self.state.clone();
        // Without the publisher nothing changes any more.
        if state.wait_for(|state| state.published.as_ref() != position).await.is_err() {
            std::future::pending().await
        }
    }

    /// Who is not served here, and why.
    pub fn hidden(&self) -> Vec<String> {
        self.state.borrow().hidden.to_vec()
    }

    /// How long the last changes took.
    pub fn delays(&self) -> Delays {
        self.state.borrow().delays.clone()
    }

    /// Why the snapshot is behind, if it is.
    pub fn trouble(&self) -> Option<String> {
        self.state.borrow().trouble.clone()
    }

    /// Waits until lookups show what was committed at a position.
    pub async fn reaches(&self, position: &Position, deadline: Duration) -> Result<()> {
        self.wake.notify_one();
        let mut state = self.state.clone();
        let reached = state.wait_for(|state| {
            state.published.as_ref().is_some_and(|published| published.has_reached(position))
        });
        if matches!(timeout(deadline, reached).await, Ok(Ok(_))) {
            return Ok(());
        }
        let trouble = self.trouble().unwrap_or_else(|| "podyd is busy".into());
        Err(Error::Busy(format!(
            "the change is saved, but lookups on this node do not show it yet: {trouble}"
        )))
    }

    /// Has lookups show these accounts of people who do not exist yet, and no others, beside the directory's.
    pub fn show_reserved(&self, reservations: Vec<Reservation>) {
        self.reserved.send_modify(|reserved| {
            *reserved = Reserved { number: reserved.number + 1, reservations: reservations.into() };
        });
    }

    /// Waits until lookups show the reservations that they are to show now. How long is up to whoever waits.
    pub async fn shows_reserved(&self) {
        let number = self.reserved.borrow().number;
        // Without the publisher nothing is shown any more.
        if self.state.clone().wait_for(|state| state.reserved >= number).await.is_err() {
            std::future::pending().await
        }
    }

    /// Has a user shown as locked from now on, whatever the directory says, or no more.
    pub fn refuse(&self, uuid: &str, is_refused: bool) {
        self.refused.send_if_modified(|refused| refused.set(uuid, is_refused));
    }

    /// Who is to be shown as locked now.
    pub fn refused(&self) -> Refused {
        self.refused.borrow().clone()
    }

    /// Waits until that is what lookups show. How long is up to whoever waits.
    pub async fn shows_refused(&self) {
        // Without the publisher nothing is shown any more.
        if self.state.clone().wait_for(|state| state.refused.is(&self.refused.borrow())).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits for the first snapshot of this run, so that whoever is told that podyd is ready finds one.
    pub async fn first(&self, deadline: Duration) {
        let mut state = self.state.clone();
        let _ = timeout(deadline, state.changed()).await;
    }
}
