//! The generation word, and the names of files that derive from it.

use crate::PathBuffer;

/// How many bits of the word count deltas: 16 777 215 of them over one base.
const DELTA_BITS: u32 = 24;

/// The 64-bit generation word: base number × 2^24 + delta number; delta 0 is none, word 0 is nothing.
///
/// It names its files: `base-` and the base number in ten hexadecimal digits in the cache directory;
/// `delta-` and the word in sixteen, in the run directory and, once persisted, in the cache
/// directory; each with `.account` appended for its account part. No word is ever used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// Nothing is published.
    pub const NONE: Self = Self(0);
    /// The highest base number.
    pub const MAX_BASE: u64 = u64::MAX >> DELTA_BITS;

    /// The base of this number, without a delta; none if the number is too large.
    pub const fn of_base(number: u64) -> Option<Self> {
        if number > Self::MAX_BASE { None } else { Some(Self(number << DELTA_BITS)) }
    }

    /// The next delta over the same base; none when the base has had its last.
    pub const fn next_delta(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(word) if Self(word).has_delta() => Some(Self(word)),
            _ => None,
        }
    }

    /// The base's number.
    pub const fn base_number(self) -> u64 {
        self.0 >> DELTA_BITS
    }

    /// The same base without the delta.
    pub const fn base(self) -> Self {
        Self(self.base_number() << DELTA_BITS)
    }

    /// Whether there is a delta.
    pub const fn has_delta(self) -> bool {
        self.0 != self.base().0
    }

    /// Appends the base's file name.
    pub fn push_base_name(self, path: &mut PathBuffer) {
        path.push(b"base-");
        push_hex(path, self.base_number(), 10);
    }

    /// Appends the delta's file name.
    pub fn push_delta_name(self, path: &mut PathBuffer) {
        path.push(b"delta-");
        push_hex(path, self.0, 16);
    }
}

fn push_hex(path: &mut PathBuffer, number: u64, digits: u32) {
    for digit in (0..digits).rev() {
        let nibble = (number.wrapping_shr(digit * 4) & 0xf) as u8;
        path.push_byte(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_derive_from_the_word() {
        let word = Generation((0x01_2345_6789 << 24) | 0xab);
        let name = |push: fn(Generation, &mut PathBuffer)| {
            let mut path = PathBuffer::new();
            push(word, &mut path);
            path.as_c_str().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name(Generation::push_base_name), "base-0123456789");
        assert_eq!(name(Generation::push_delta_name), "delta-01234567890000ab");
    }

    #[test]
    fn the_last_delta_does_not_run_into_the_next_base() {
        let last = Generation((7 << 24) | 0xff_ffff);
        assert_eq!(last.next_delta(), None);
        assert_eq!(last.base(), Generation(7 << 24));
        assert_eq!(Generation(7 << 24).next_delta(), Some(Generation((7 << 24) | 1)));
        assert_eq!(Generation::of_base(Generation::MAX_BASE + 1), None);
    }
}
