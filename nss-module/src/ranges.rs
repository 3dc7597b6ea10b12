//! Which ids this node accepts. The range file belongs to root, so that a podyd that was taken over cannot
//! lift it; reserved ids it cannot lift either.

use core::ffi::CStr;

use identity::IdRange;
use snapshot::{Trouble, Trust, read_small};

/// How many ranges a file may have, and how many bytes: what fits into a lookup's stack.
const MAX_RANGES: usize = 16;
const MAX_FILE_BYTES: usize = 4096;

/// The ids that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    ranges: [Option<IdRange>; MAX_RANGES],
    /// One of the ranges that holds neither a reserved nor a local id, if there is one: on most nodes it is the
    /// only range, and whether an id is ours is then one comparison.
    clear: Option<IdRange>,
}

impl Ranges {
    /// Without a range file: all ids that are not reserved.
    pub const ORDINARY: Self = {
        let mut ranges = [None; MAX_RANGES];
        ranges[0] = Some(IdRange::ORDINARY);
        Self { ranges, clear: None }
    };

    /// Reads the range file. One that is there and cannot be read or understood accepts nothing, and is
    /// trouble: it says less than its author meant. Its buffer is off the stack again before a generation is mapped.
    #[inline(never)]
    pub fn read(path: &CStr) -> Result<Self, Trouble> {
        let mut buffer = [0; MAX_FILE_BYTES];
        match read_small(path, Trust::owner_of(c"/")?, &mut buffer) {
            Ok((text, _)) if text.len() < MAX_FILE_BYTES => Self::parse(text).ok_or(Trouble::Unusable),
            Ok(_) => Err(Trouble::Unusable),
            Err(Trouble::Missing) => Ok(Self::ORDINARY),
            Err(trouble) => Err(trouble),
        }
    }

    /// Lines `min max`; `#` begins a comment.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut ranges = [None; MAX_RANGES];
        let mut room = ranges.iter_mut();
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.split(|byte| *byte == b'#').next()?;
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            match (words.next(), words.next(), words.next()) {
                (None, ..) => {}
                (Some(min), Some(max), None) => {
                    *room.next()? = Some(IdRange::new(number(min)?, number(max)?).ok()?);
                }
                _ => return None,
            }
        }
        let clear = ranges.iter().flatten().find(|range| range.is_free_of_reserved()).copied();
        Some(Self { ranges, clear })
    }

    /// Takes note of an id that a local account has.
    pub fn hold_local(&mut self, id: u32) {
        if self.clear.is_some_and(|clear| clear.contains(id)) {
            self.clear = None;
        }
    }

    /// Whether this uid or gid may be served and belongs to nobody local, for all that can be told at once.
    #[inline]
    pub fn are_clear_at(&self, id: u32) -> bool {
        self.clear.is_some_and(|clear| clear.contains(id))
    }

    /// The same of many gids, as the snapshot has them.
    pub fn are_clear_at_all(&self, gids: &[[u8; 4]]) -> bool {
        // Without an early end, so that the compiler compares several at a time.
        let inside = |clear: IdRange| {
            gids.iter().fold(true, |inside, gid| inside & clear.contains(u32::from_le_bytes(*gid)))
        };
        self.clear.is_some_and(inside)
    }

    /// Whether this uid or gid may be served, unless somebody local has it.
    #[inline(never)]
    pub fn hold(&self, id: u32) -> bool {
        self.ranges.iter().map_while(|range| *range).any(|range| range.allows(id))
    }
}

#[inline(never)]
fn number(word: &[u8]) -> Option<u32> {
    word.iter().try_fold(0_u32, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_clear_until_somebody_local_is_in_it() {
        let mut ranges = Ranges::parse(b"1000 4294967294\n70000 70100").unwrap();
        assert!(ranges.are_clear_at(70_000) && ranges.are_clear_at(70_100) && !ranges.are_clear_at(69_999));
        ranges.hold_local(1000);
        assert!(ranges.are_clear_at(70_001));
        ranges.hold_local(70_001);
        assert!(!ranges.are_clear_at(70_001) && ranges.hold(70_001));
        assert!(!Ranges::ORDINARY.are_clear_at(70_000));

        let ranges = Ranges::parse(b"70000 70100").unwrap();
        let all = |gids: &[u32]| {
            ranges.are_clear_at_all(&gids.iter().map(|gid| gid.to_le_bytes()).collect::<Vec<_>>())
        };
        assert!(all(&[]) && all(&[70_000, 70_100]) && !all(&[70_000, 0]) && !all(&[70_101, 70_000]));
    }

    #[test]
    fn a_range_file_narrows_and_never_lifts() {
        let ranges = Ranges::parse(b"# site\n 70000 70100 # old\n\n1900000000\t1999999999\n").unwrap();
        assert!(ranges.hold(70_050) && ranges.hold(1_900_000_000));
        assert!(!ranges.hold(1000) && !ranges.hold(70_101));
        let wide = Ranges::parse(b"1000 4294967295").unwrap();
        assert!(wide.hold(1000) && !wide.hold(65_534) && !wide.hold(0));
    }

    #[test]
    fn an_empty_file_accepts_nothing_and_a_wrong_one_is_trouble() {
        assert!(!Ranges::parse(b"# none\n").unwrap().hold(70_000));
        for bad in ["1000", "1 2 3", "0 5000", "5000 4000", "a b", "-1 5", "99999999999 3", "1000-2000"] {
            assert_eq!(Ranges::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn more_ranges_than_there_is_room_for_are_trouble() {
        let lines = |count: usize| "5000 6000\n".repeat(count);
        assert!(Ranges::parse(lines(MAX_RANGES).as_bytes()).is_some());
        assert!(Ranges::parse(lines(MAX_RANGES + 1).as_bytes()).is_none());
    }
}
