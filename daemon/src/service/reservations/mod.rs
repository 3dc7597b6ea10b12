//! Names and ids for people who do not exist yet. sshd reads the user once, before PAM, and keeps that uid for the session:
//! so whoever may become a user by the login that begins must be found before anybody knows who it is.
//!
//! A reservation is of the directory, which gives all of its nodes the same for one name, and shown here as a locked
//! account. What comes of it is another matter (`Directory::arrive`).

mod ledger;
mod pace;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::Name;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use ledger::{Admission, Answer, Ledger};

use super::{Caller, Decision, Operation, Service, Verdict};
use crate::directory::{Directory, Error, Key, Member, Reservation, Result};
use crate::limits::{RESERVATION_KEPT, RESERVE_DEADLINE, RESOLVE_DEADLINE};

/// The PAM services of the programs whose lookups may reserve a name.
const FIRST_LOGINS: [&str; 2] = ["sshd", "login"];

/// What this node holds for first logins.
#[derive(Debug, Default)]
pub struct Reservations {
    ledger: Mutex<Ledger>,
    changed: Notify,
}

/// What a lookup of sshd or login, which knows nobody of a name, is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Lookups show it now.
    LookAgain,
    /// Nobody has the name, and nobody will by this login.
    Absent,
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

impl<D: Directory> Service<D> {
    /// Reserves a name for a login that may begin, where somebody may come to have it. Ends before whoever asks gives up;
    /// what the directory answers later is there for the next try.
    pub async fn reserve_for_login(self: &Arc<Self>, name: &str) -> Result<Resolved> {
        let (true, Ok(name)) = (self.current_settings().users_may_arrive(), name.parse::<Name>()) else {
            return Ok(Resolved::Absent);
        };
        let late = |_| Error::Busy(format!("the directory has not answered within {RESOLVE_DEADLINE:?}"));
        timeout(RESOLVE_DEADLINE, self.resolve(name)).await.map_err(late)?
    }

    async fn resolve(self: &Arc<Self>, name: Name) -> Result<Resolved> {
        if let Some(member) = self.directory.user(Key::Name(name)).await? {
            return self.resolve_user(&member).await;
        }
        if !self.may_become_a_user(name).await? {
            return Ok(Resolved::Absent);
        }
        self.reserve(name).await?;
        self.published.shows_reserved().await;
        Ok(Resolved::LookAgain)
    }

    /// The same for a login that begins before anybody has looked: login(1) asks PAM first. Whether it can go on now.
    pub(super) async fn reserve_before_lookups(&self, user: &str, service: &str) -> Result<bool> {
        let may_arrive = service == "login" && self.current_settings().users_may_arrive();
        let (true, Ok(name)) = (may_arrive, user.parse::<Name>()) else { return Ok(false) };
        if !self.may_become_a_user(name).await? {
            return Ok(false);
        }
        let admitted = self.reservations.ledger().admit(name, Instant::now())?;
        if let Admission::Ask(asking) = admitted {
            self.ask_to_reserve(name, asking).await;
        }
        Ok(self.reservations.get(name).is_some())
    }

    /// Whether nobody has a name, and somebody may. The private group has the same.
    async fn may_become_a_user(&self, name: Name) -> Result<bool> {
        let rules = self.current_rules();
        let objection = rules.objection_to_user_name(name).or_else(|| rules.objection_to_group_name(name));
        Ok(objection.is_none() && self.directory.group(Key::Name(name)).await?.is_none())
    }

    /// Somebody who has come since the lookup, or is not served here.
    async fn resolve_user(&self, member: &Member) -> Result<Resolved> {
        if self.objection(member).is_some() {
            return Ok(Resolved::Absent);
        }
        let position = self.directory.position().await?;
        self.visible(&position).await.map(|()| Resolved::LookAgain)
    }

    /// Has the directory reserve a name, once for all who ask meanwhile.
    async fn reserve(self: &Arc<Self>, name: Name) -> Result<()> {
        let mut answer = match self.reservations.ledger().admit(name, Instant::now())? {
            Admission::Shown => return Ok(()),
            Admission::Underway(answer) => answer,
            Admission::Ask(asking) => {
                let answer = asking.subscribe();
                let service = Arc::clone(self);
                tokio::spawn(async move { service.ask_to_reserve(name, asking).await });
                answer
            }
        };
        let answered = answer.wait_for(Option::is_some).await;
        answered
            .ok()
            .and_then(|answer| answer.clone())
            .unwrap_or_else(|| Err(Error::Failed(format!("the question for {name} ended without an answer"))))
    }

    async fn ask_to_reserve(&self, name: Name, asking: watch::Sender<Answer>) {
        let rules = self.current_rules();
        let until = self.clock.unix_seconds().saturating_add_unsigned(RESERVATION_KEPT.as_secs());
        let late = |_| Err(Error::Busy("the directory does not answer".into()));
        let asked = self.directory.reserve(name, &rules, until);
        let answer = timeout(RESERVE_DEADLINE, asked).await.unwrap_or_else(late);
        let answer = answer.and_then(|reservation| {
            let Reservation { name, uid, gid, .. } = reservation;
            match rules.objection_to_user(name, uid, gid).or_else(|| rules.objection_to_group(name, gid)) {
                Some(objection) => Err(Error::Refused(objection)),
                None => Ok(reservation),
            }
        });
        if let Ok(Reservation { uid, .. }) = &answer {
            tracing::info!(user = %name, %uid, "reserved for a first login");
        }
        let now = Instant::now();
        let mut ledger = self.reservations.ledger();
        let answer = ledger.answered(name, answer, now);
        self.published.show_reserved(ledger.shown(now));
        drop(ledger);
        self.reservations.changed.notify_one();
        asking.send_replace(Some(answer));
    }

    /// Takes back what came to nothing when its time is over, for as long as it is polled.
    pub async fn end_reservations(&self) {
        loop {
            let next = self.reservations.ledger().next_end(Instant::now());
            tokio::select! {
                () = due(next) => self.end_reservations_by(Instant::now()).await,
                () = self.reservations.changed.notified() => {}
            }
        }
    }

    pub(super) async fn end_reservations_by(&self, now: Instant) {
        let ended = {
            let mut ledger = self.reservations.ledger();
            let ended = ledger.ended(now);
            self.published.show_reserved(ledger.shown(now));
            ended
        };
        for Reservation { uuid, name, .. } in ended {
            // Whatever is not given back now is at the next reservation of any node.
            if let Ok(Err(error)) = timeout(RESERVE_DEADLINE, self.directory.release(&uuid)).await {
                tracing::debug!(user = %name, %error, "a reservation is given back later");
            }
        }
    }

    /// The account phase of somebody who is not in the directory. Where a login may make a user of a name, nobody else has it:
    /// whatever was shown of it, and whether or not this run of podyd remembers that, nobody comes in by a key.
    pub(super) fn judge_newcomer(&self, caller: &Caller, user: &str, service: &str) -> Decision {
        let Some(name) = user.parse::<Name>().ok().filter(|_| *caller == Caller::Root) else {
            return Verdict::Unknown.into();
        };
        let may_arrive = FIRST_LOGINS.contains(&service) && self.current_settings().users_may_arrive();
        let is_local = || self.current_rules().local.users.contains(name.as_str());
        if self.reservations.get(name).is_none() && (!may_arrive || is_local()) {
            return Verdict::Unknown.into();
        }
        Decision {
            verdict: Verdict::AccountLocked,
            message: Some("This account begins with a first login, which has not been made yet.".into()),
        }
    }

    /// What is held for people who have not come yet, in the order of names.
    pub async fn list_reservations(&self, caller: &Caller) -> Result<Vec<Reservation>> {
        caller.may(Operation::List)?;
        let mut waiting = self.reservations.ledger().all(Instant::now());
        let mut come = Vec::new();
        for reservation in &waiting {
            if self.directory.user(Key::Name(reservation.name)).await?.is_some() {
                come.push(reservation.name);
            }
        }
        waiting.retain(|reservation| !come.contains(&reservation.name));
        Ok(waiting)
    }
}

/// Waits for a time, or for ever without one.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
