//! Who has something reserved on this node, for whom the directory is being asked, and when it ends. Time comes from whoever
//! asks; nothing here waits.

use std::collections::HashMap;

use identity::Name;
use tokio::sync::watch;
use tokio::time::Instant;

use super::pace::Pace;
use crate::directory::{Error, Reservation, Result};
use crate::limits::{MAX_RESERVATIONS_HERE, RESERVATION_HELD, RESERVATION_KEPT, RESERVATION_SHOWN};

/// What became of a question to the directory; none: it has not answered yet.
pub type Answer = Option<Result<()>>;

/// All of them.
#[derive(Debug, Default)]
pub struct Ledger {
    held: HashMap<Name, Held>,
    asking: HashMap<Name, watch::Receiver<Answer>>,
    pace: Pace,
}

/// Lookups show it for a while. For whoever has looked by then it is held until their login has ended. It is kept until the
/// directory may have it back.
#[derive(Debug)]
struct Held {
    reservation: Reservation,
    shown_until: Instant,
    held_until: Instant,
    kept_until: Instant,
}

/// What to do about a name.
#[derive(Debug)]
pub enum Admission {
    /// Lookups show it, or are about to.
    Shown,
    /// The directory is being asked: wait for its answer.
    Underway(watch::Receiver<Answer>),
    /// Ask the directory, and say here what it answered.
    Ask(watch::Sender<Answer>),
}

impl Ledger {
    /// Somebody asks for a name that could come to be one.
    pub fn admit(&mut self, name: Name, now: Instant) -> Result<Admission> {
        if self.held.get(&name).is_some_and(|held| held.shown_until > now) {
            return Ok(Admission::Shown);
        }
        // Whoever asked may have ended without an answer.
        self.asking.retain(|_, answer| answer.has_changed().is_ok());
        if let Some(answer) = self.asking.get(&name) {
            return Ok(Admission::Underway(answer.clone()));
        }
        let others = self.held.keys().filter(|held| **held != name).count() + self.asking.len();
        if others >= MAX_RESERVATIONS_HERE || !self.pace.allows(name, now) {
            return Err(Error::Busy(
                "many names that do not exist are being asked for: somebody may be guessing".into(),
            ));
        }
        let (sender, receiver) = watch::channel(None);
        self.asking.insert(name, receiver);
        Ok(Admission::Ask(sender))
    }

    /// The directory has answered.
    pub fn answered(&mut self, name: Name, answer: Result<Reservation>, now: Instant) -> Result<()> {
        self.asking.remove(&name);
        let held = Held {
            reservation: answer?,
            shown_until: now + RESERVATION_SHOWN,
            held_until: now + RESERVATION_HELD,
            kept_until: now + RESERVATION_KEPT,
        };
        self.held.insert(name, held);
        Ok(())
    }

    /// What is held for a name.
    pub fn get(&self, name: Name, now: Instant) -> Option<&Reservation> {
        self.held.get(&name).filter(|held| held.held_until > now).map(|held| &held.reservation)
    }

    /// All that are held, in the order of names.
    pub fn all(&self, now: Instant) -> Vec<Reservation> {
        sorted(self.held.values().filter(|held| held.held_until > now))
    }

    /// Those that lookups show, in the order of names.
    pub fn shown(&self, now: Instant) -> Vec<Reservation> {
        sorted(self.held.values().filter(|held| held.shown_until > now))
    }

    /// Takes out those that the directory may have back.
    pub fn ended(&mut self, now: Instant) -> Vec<Reservation> {
        let ended: Vec<Name> =
            (self.held.iter()).filter(|(_, held)| held.kept_until <= now).map(|(name, _)| *name).collect();
        ended.iter().filter_map(|name| self.held.remove(name)).map(|held| held.reservation).collect()
    }

    /// When the next of them is not shown or not kept any more.
    pub fn next_end(&self, now: Instant) -> Option<Instant> {
        let end = |held: &Held| if held.shown_until > now { held.shown_until } else { held.kept_until };
        self.held.values().map(end).min()
    }
}

fn sorted<'a>(held: impl Iterator<Item = &'a Held>) -> Vec<Reservation> {
    let mut reservations: Vec<_> = held.map(|held| held.reservation.clone()).collect();
    reservations.sort_unstable_by_key(|reservation| reservation.name);
    reservations
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use identity::{Gid, Uid};

    use super::*;
    use crate::service::new_uuid;
    use crate::testing::name;

    fn reservation(text: &str) -> Reservation {
        let path = |text: &str| text.parse().unwrap();
        let (uid, gid) = (Uid(1_900_000_000), Gid(1_900_000_000));
        let (home, shell) = (path("/home/x"), path("/bin/bash"));
        Reservation { uuid: new_uuid(), name: name(text), uid, gid, home, shell, expires_at: 0 }
    }

    fn reserve(ledger: &mut Ledger, text: &str, now: Instant) {
        let asked = ledger.admit(name(text), now).unwrap();
        assert!(matches!(asked, Admission::Ask(_)), "{asked:?}");
        ledger.answered(name(text), Ok(reservation(text)), now).unwrap();
    }

    #[test]
    fn the_directory_is_asked_once_for_all_who_ask_meanwhile() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let Ok(Admission::Ask(sender)) = ledger.admit(name("ada"), now) else { panic!("it is the first") };
        for _ in 0..1000 {
            assert!(matches!(ledger.admit(name("ada"), now), Ok(Admission::Underway(_))));
        }
        ledger.answered(name("ada"), Ok(reservation("ada")), now).unwrap();
        drop(sender);
        for _ in 0..1000 {
            assert!(matches!(ledger.admit(name("ada"), now), Ok(Admission::Shown)));
        }
    }

    #[test]
    fn a_question_that_ended_without_an_answer_is_asked_again() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        drop(ledger.admit(name("ada"), now).unwrap());
        assert!(matches!(ledger.admit(name("ada"), now), Ok(Admission::Ask(_))));
    }

    #[test]
    fn whoever_sees_one_has_the_time_of_a_login_left() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        reserve(&mut ledger, "ada", now);
        let last_look = now + RESERVATION_SHOWN - Duration::from_millis(1);
        assert!(matches!(ledger.admit(name("ada"), last_look), Ok(Admission::Shown)));
        assert_eq!(ledger.shown(last_look).len(), 1);
        assert_eq!(ledger.shown(now + RESERVATION_SHOWN), []);
        let login_grace_time = Duration::from_secs(120);
        assert!(ledger.get(name("ada"), last_look + login_grace_time).is_some());
        assert_eq!(ledger.next_end(now), Some(now + RESERVATION_SHOWN));
        assert_eq!(ledger.next_end(now + RESERVATION_SHOWN), Some(now + RESERVATION_KEPT));
        assert_eq!(ledger.get(name("ada"), now + RESERVATION_HELD), None);
        assert_eq!(ledger.all(now + RESERVATION_HELD), []);
        assert_eq!(ledger.ended(now + RESERVATION_HELD), []);
        assert_eq!(ledger.ended(now + RESERVATION_KEPT).len(), 1);
        assert_eq!(ledger.next_end(now), None);
    }

    #[test]
    fn one_that_is_held_and_asked_for_again_is_shown_again_and_held_longer() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        reserve(&mut ledger, "ada", now);
        let later = now + RESERVATION_SHOWN;
        let Ok(Admission::Ask(_sender)) = ledger.admit(name("ada"), later) else { panic!("it is hidden") };
        assert!(ledger.get(name("ada"), later).is_some(), "a login may be under way");
        ledger.answered(name("ada"), Ok(reservation("ada")), later).unwrap();
        assert!(ledger.get(name("ada"), now + RESERVATION_HELD).is_some());
    }

    #[test]
    fn guesses_never_hold_more_than_there_is_room_for() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        let mut most = 0;
        for second in 0..900 {
            let now = start + Duration::from_secs(second);
            ledger.ended(now);
            for guess in 0..5 {
                for text in [format!("n{second}-{guess}"), format!("again{guess}-{}", second % 60)] {
                    if let Ok(Admission::Ask(_sender)) = ledger.admit(name(&text), now) {
                        ledger.answered(name(&text), Ok(reservation(&text)), now).unwrap();
                    }
                }
            }
            most = most.max(ledger.held.len());
        }
        assert!(most > 50 && most < MAX_RESERVATIONS_HERE, "{most}");
    }

    #[test]
    fn what_the_directory_refuses_is_not_held() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let _sender = ledger.admit(name("ada"), now).unwrap();
        let refused = Err(Error::Refused("no".into()));
        assert!(ledger.answered(name("ada"), refused, now).is_err());
        assert_eq!(ledger.get(name("ada"), now), None);
    }
}
