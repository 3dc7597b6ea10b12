//! How often something new is reserved.
//!
//! Whoever guesses names at sshd asks here as fast as sshd lets them. Names that were asked for lately have a rate of their
//! own: a flood of names that nobody has spends the one for new names, and a person whom it keeps out is let through at the
//! second try; a dictionary that is played again and again spends the other, and a person's first try is let through.

use std::collections::{HashSet, VecDeque};

use identity::Name;
use tokio::time::Instant;

use crate::limits::{MAX_NAMES_ASKED_FOR, ONE_MORE_RESERVATION, RESERVATIONS_AT_ONCE};

/// Both rates, and the names that were asked for lately.
#[derive(Debug, Default)]
pub struct Pace {
    first: Bucket,
    again: Bucket,
    asked: HashSet<Name>,
    in_order: VecDeque<Name>,
}

impl Pace {
    /// Whether something may be reserved for this name now; it counts if so.
    pub fn allows(&mut self, name: Name, now: Instant) -> bool {
        if self.asked.contains(&name) { self.again.take(now) } else { self.asked_first(name, now) }
    }

    fn asked_first(&mut self, name: Name, now: Instant) -> bool {
        if self.in_order.len() >= MAX_NAMES_ASKED_FOR
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.asked.remove(&oldest);
        }
        self.asked.insert(name);
        self.in_order.push_back(name);
        self.first.take(now)
    }
}

/// Out of which one is taken at a time, and into which one comes back after a while (GCRA).
#[derive(Debug, Default)]
struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + ONE_MORE_RESERVATION;
        let is_there = full_at <= now + ONE_MORE_RESERVATION * RESERVATIONS_AT_ONCE;
        if is_there {
            self.full_at = Some(full_at);
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::name;

    fn names(stem: &str, count: usize) -> Vec<Name> {
        (0..count).map(|number| name(&format!("{stem}{number}"))).collect()
    }

    fn taken(pace: &mut Pace, names: &[Name], now: Instant) -> usize {
        names.iter().filter(|name| pace.allows(**name, now)).count()
    }

    #[test]
    fn some_at_once_and_then_ten_a_minute() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert_eq!(taken(&mut pace, &names("a", 50), now), 20);
        let minute = now + Duration::from_secs(60);
        assert_eq!(taken(&mut pace, &names("b", 50), minute), 10);
        assert_eq!(taken(&mut pace, &names("c", 50), minute + Duration::from_secs(3600)), 20);
    }

    #[test]
    fn a_flood_of_made_up_names_keeps_a_person_out_once_and_no_more() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        taken(&mut pace, &names("guess", 1000), now);
        let ada = name("ada");
        assert!(!pace.allows(ada, now));
        taken(&mut pace, &names("more", 1000), now);
        assert!(pace.allows(ada, now));
    }

    #[test]
    fn a_dictionary_that_is_played_again_and_again_keeps_nobody_out() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let dictionary = names("word", 100);
        for _ in 0..3 {
            taken(&mut pace, &dictionary, now);
            now += ONE_MORE_RESERVATION;
        }
        assert!(!pace.allows(dictionary[0], now - ONE_MORE_RESERVATION));
        assert!(pace.allows(name("ada"), now));
    }

    #[test]
    fn names_are_forgotten_when_there_are_too_many() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        taken(&mut pace, &names("x", 2 * MAX_NAMES_ASKED_FOR), now);
        assert_eq!((pace.asked.len(), pace.in_order.len()), (MAX_NAMES_ASKED_FOR, MAX_NAMES_ASKED_FOR));
    }
}
