//! Days as people write them: `YYYY-MM-DD`, in the Gregorian calendar, from year 0 to 9999.

use core::fmt;
use core::str::FromStr;

use crate::Day;

/// A text that is not a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayError;

impl fmt::Display for DayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date is written YYYY-MM-DD, such as 2027-01-31")
    }
}

impl core::error::Error for DayError {}

/// Days from 0000-03-01 to 1970-01-01. Years that begin in March have their leap day at the end.
const EPOCH: i32 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i32 = 146_097;

impl Day {
    /// The day before which and after which no four digits write the year.
    const FIRST: Self = Self::from_parts(0, 1, 1);
    const LAST: Self = Self::from_parts(9999, 12, 31);

    const fn from_parts(year: i32, month: i32, day: i32) -> Self {
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1;
        Self(era * ERA_DAYS + day_of_era - EPOCH)
    }

    const fn parts(self) -> (i32, i32, i32) {
        let days = self.0.saturating_add(EPOCH);
        let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        (era * 400 + year + next_year, month, day)
    }
}

/// A day that four digits of a year cannot write is shown as the nearest one that they can.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (*self).clamp(Self::FIRST, Self::LAST).parts();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Err(DayError);
        }
        let number = |range: core::ops::Range<usize>| {
            bytes[range].iter().try_fold(0, |number, byte| match byte {
                b'0'..=b'9' => Ok(number * 10 + i32::from(byte - b'0')),
                _ => Err(DayError),
            })
        };
        let written = (number(0..4)?, number(5..7)?, number(8..10)?);
        let day = Self::from_parts(written.0, written.1, written.2);
        // 02-30 and 13-01 are days, too, but other ones than were written.
        if day.parts() == written { Ok(day) } else { Err(DayError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn days_are_shadows_days() {
        let table = [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (20_454, "2026-01-01"),
            (i32::MIN, "0000-01-01"),
            (i32::MAX, "9999-12-31"),
        ];
        for (day, text) in table {
            assert_eq!(Day(day).to_string(), text);
        }
    }

    #[test]
    fn every_day_is_read_back_as_it_was_written() {
        for day in Day::FIRST.0..=Day::LAST.0 {
            assert_eq!(Day(day).to_string().parse(), Ok(Day(day)), "{day}");
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in
            ["", "2026-1-1", "2026-02-30", "2100-02-29", "2026-13-01", "2026-00-10", "2026/01/01", "never"]
        {
            assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
        }
    }
}
