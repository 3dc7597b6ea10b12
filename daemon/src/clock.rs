//! The one place that asks what time it is. Everything else is given a time, or a [`Clock`] at the
//! edge, so that every rule about time can be tested without waiting.

use std::time::{SystemTime, UNIX_EPOCH};

use identity::Day;

const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// Where the time comes from. Clones of one clock show the same time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's own.
    #[default]
    System,
    /// A clock that a test moves.
    #[cfg(test)]
    Set(std::sync::Arc<std::sync::atomic::AtomicI64>),
}

impl Clock {
    /// A clock that shows `seconds` until it is [moved](Self::advance).
    #[cfg(test)]
    pub fn set_to(seconds: i64) -> Self {
        Self::Set(std::sync::Arc::new(seconds.into()))
    }

    /// Moves a clock that was made by [`Clock::set_to`].
    #[cfg(test)]
    pub fn advance(&self, seconds: i64) {
        match self {
            Self::System => panic!("only a test's own clock can be moved"),
            Self::Set(now) => now.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst),
        };
    }

    /// Seconds since 1970-01-01 UTC. A clock that stands before then reads as 0.
    pub fn unix_seconds(&self) -> i64 {
        match self {
            Self::System => system_seconds(),
            #[cfg(test)]
            Self::Set(now) => now.load(std::sync::atomic::Ordering::SeqCst),
        }
    }

    /// Today in UTC, as shadow(5) counts days.
    pub fn today(&self) -> Day {
        day_of(self.unix_seconds())
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else takes the time from")]
fn system_seconds() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970-01-01 UTC, to tell how long something was on its way between two machines.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else takes the time from")]
pub fn unix_milliseconds() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// The day in which a second lies, in UTC.
pub fn day_of(unix_seconds: i64) -> Day {
    let day = unix_seconds.div_euclid(SECONDS_A_DAY);
    Day(i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX }))
}

/// A moment as RFC 3339 writes it, in UTC: `2027-01-31T23:59:59Z`.
pub fn rfc_3339(unix_seconds: i64) -> String {
    let second = unix_seconds.rem_euclid(SECONDS_A_DAY);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{}T{hour:02}:{minute:02}:{:02}Z", day_of(unix_seconds), second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        assert_eq!(day_of(-1), Day(-1));
        assert_eq!(day_of(0), Day(0));
        assert_eq!(day_of(86_399), Day(0));
        assert_eq!(day_of(86_400), Day(1));
        assert_eq!(day_of(i64::MAX), Day(i32::MAX));
    }

    #[test]
    fn a_moment_is_written_with_its_second() {
        assert_eq!(rfc_3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc_3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(rfc_3339(1_800_000_000), "2027-01-15T08:00:00Z");
    }

    #[test]
    fn a_clock_of_a_test_is_shared_by_its_clones() {
        let clock = Clock::set_to(86_399);
        let clone = clock.clone();
        clock.advance(1);
        assert_eq!((clone.unix_seconds(), clone.today()), (86_400, Day(1)));
    }

    #[test]
    fn the_systems_clock_runs_after_this_was_written() {
        assert!(Clock::System.unix_seconds() > 1_750_000_000);
    }
}
