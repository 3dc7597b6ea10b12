//! How many logins at the OpenID provider somebody has begun lately. None of them is a failed password: whoever begins one
//! for somebody else learns nothing, and must not be able to lock them out. But each is a request to the provider.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use identity::Name;
use tokio::time::Instant;

use crate::limits::{
    DEVICE_LOGIN_WINDOW, MAX_COUNTED_DEVICE_LOGINS, MAX_DEVICE_LOGINS_PER_SOURCE, MAX_DEVICE_LOGINS_PER_USER,
};
use crate::verifiers::lockout::Subject;

/// The logins that count, the oldest first.
#[derive(Debug, Default)]
pub struct Begun(Mutex<VecDeque<(Instant, Name, Subject)>>);

impl Begun {
    /// Counts one more, unless there are too many of this user from there, or from there at all; then the error is how long
    /// that lasts.
    pub fn count(&self, name: Name, source: &Subject, now: Instant) -> Result<(), Duration> {
        // Everybody on this machine shares one source: nobody there keeps the others out.
        if *source == Subject::Local {
            return Ok(());
        }
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |(at, _, _): &(Instant, Name, Subject)| now.duration_since(*at) >= DEVICE_LOGIN_WINDOW;
        while begun.front().is_some_and(is_old) || begun.len() >= MAX_COUNTED_DEVICE_LOGINS {
            begun.pop_front();
        }
        let from_there = || begun.iter().filter(|(_, _, from)| from == source);
        let of_the_user = from_there().filter(|(_, who, _)| *who == name);
        let oldest = oldest_of_too_many(of_the_user, MAX_DEVICE_LOGINS_PER_USER)
            .or_else(|| oldest_of_too_many(from_there(), MAX_DEVICE_LOGINS_PER_SOURCE));
        match oldest {
            Some(oldest) => Err((oldest + DEVICE_LOGIN_WINDOW).duration_since(now)),
            None => {
                begun.push_back((now, name, source.clone()));
                Ok(())
            }
        }
    }
}

/// After whose end there is room again.
fn oldest_of_too_many<'a>(
    begun: impl Iterator<Item = &'a (Instant, Name, Subject)>,
    max: usize,
) -> Option<Instant> {
    let all: Vec<Instant> = begun.map(|(at, _, _)| *at).collect();
    all.len().checked_sub(max).and_then(|first| all.get(first).copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    #[test]
    fn nobody_begins_logins_without_end_and_nobody_keeps_others_out() {
        let (begun, now) = (Begun::default(), Instant::now());
        let [here, there] = ["192.0.2.7", "192.0.2.8"].map(|host| Subject::source(Some(host)));
        for _ in 0..MAX_DEVICE_LOGINS_PER_USER {
            begun.count(name("ada"), &here, now).unwrap();
        }
        let later = now + Duration::from_secs(60);
        let wait = begun.count(name("ada"), &here, later).unwrap_err();
        assert_eq!(wait, DEVICE_LOGIN_WINDOW - Duration::from_secs(60));
        assert!(begun.count(name("ada"), &there, later).is_ok(), "she sits somewhere else");
        assert!(begun.count(name("bob"), &here, later).is_ok());
        assert!(begun.count(name("ada"), &here, now + DEVICE_LOGIN_WINDOW).is_ok());
    }

    #[test]
    fn one_place_begins_so_many_whoever_the_users_are_but_for_this_machine() {
        let (begun, now) = (Begun::default(), Instant::now());
        let there = Subject::source(Some("192.0.2.7"));
        let refused = |source: &Subject| {
            let names = (0..MAX_DEVICE_LOGINS_PER_SOURCE + 50).map(|number| name(&format!("u{number}")));
            names.filter(|name| begun.count(*name, source, now).is_err()).count()
        };
        assert_eq!(refused(&there), 50);
        assert_eq!(refused(&Subject::Local), 0);
        let by_su = (0..=MAX_DEVICE_LOGINS_PER_USER)
            .filter(|_| begun.count(name("ada"), &Subject::Local, now).is_err());
        assert_eq!(by_su.count(), 0, "a colleague who begins logins of hers without end");
    }

    #[test]
    fn what_is_counted_does_not_grow_without_end() {
        let (begun, now) = (Begun::default(), Instant::now());
        for number in 0..=MAX_COUNTED_DEVICE_LOGINS {
            let host = format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
            let _ = begun.count(name(&format!("u{number}")), &Subject::source(Some(&host)), now);
        }
        assert_eq!(begun.0.lock().unwrap().len(), MAX_COUNTED_DEVICE_LOGINS);
    }
}
