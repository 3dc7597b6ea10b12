//! User and group ids, the ranges they come from, and the ids that nobody may have.

use core::fmt;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id_type!(
    /// A user id, `uid_t`.
    Uid
);
id_type!(
    /// A group id, `gid_t`.
    Gid
);

/// Ids below this belong to the distribution (login.defs(5), `UID_MIN`).
const FIRST_ORDINARY_ID: u32 = 1000;

/// Whether an id may never be given to a Pody user or group, whatever a configuration says:
/// the system's own (below 1000), nobody's (65534, and 65535 which is -1 in 16 bits), the ones that
/// systemd allocates by itself (dynamic users 61184–65519, containers 524288–1879048191 and foreign
/// 2147352576–2147418111: <https://systemd.io/UIDS-GIDS/>) and those that are negative as `int`.
pub const fn is_reserved_id(id: u32) -> bool {
    matches!(id, 0..FIRST_ORDINARY_ID | 61_184..=65_535 | 524_288..=1_879_048_191 | 2_147_352_576..=u32::MAX)
}

/// An inclusive range of ids, used for uids and gids alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    min: u32,
    max: u32,
}

/// Why two numbers do not make an [`IdRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdRangeError {
    /// The first id is above the last.
    Empty,
    /// The range holds ids below 1000.
    System,
}

impl IdRange {
    /// Where ids are allocated unless the configuration says otherwise: clear of system, dynamic,
    /// container and subordinate ids.
    pub const DEFAULT: Self = Self { min: 1_900_000_000, max: 1_999_999_999 };

    /// What a module accepts on a node that has no range file: all that the distribution does not own.
    pub const ORDINARY: Self = Self { min: FIRST_ORDINARY_ID, max: u32::MAX - 1 };

    /// The range `min..=max`.
    pub const fn new(min: u32, max: u32) -> Result<Self, IdRangeError> {
        if min > max {
            return Err(IdRangeError::Empty);
        }
        if min < FIRST_ORDINARY_ID {
            return Err(IdRangeError::System);
        }
        Ok(Self { min, max })
    }

    /// The lowest id.
    pub const fn min(self) -> u32 {
        self.min
    }

    /// The highest id.
    pub const fn max(self) -> u32 {
        self.max
    }

    /// Whether `id` lies in the range, reserved or not.
    pub const fn contains(self, id: u32) -> bool {
        self.min <= id && id <= self.max
    }

    /// Whether no id of the range is [reserved](is_reserved_id).
    pub fn is_free_of_reserved(self) -> bool {
        // Reserved ids come in blocks: whoever holds one holds a block's first id, or begins inside the block.
        const FIRST_OF_BLOCKS: [u32; 4] = [0, 61_184, 524_288, 2_147_352_576];
        !is_reserved_id(self.min) && !FIRST_OF_BLOCKS.into_iter().any(|first| self.contains(first))
    }

    /// Whether `id` may be used: inside the range and not [reserved](is_reserved_id).
    pub const fn allows(self, id: u32) -> bool {
        self.min <= id && id <= self.max && !is_reserved_id(id)
    }

    /// The lowest id that [may be used](Self::allows), or none where all are reserved.
    pub const fn first_allowed(self) -> Option<u32> {
        let id = match self.min {
            61_184..=65_535 => 65_536,
            524_288..=1_879_048_191 => 1_879_048_192,
            id => id,
        };
        if self.allows(id) { Some(id) } else { None }
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

impl fmt::Display for IdRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the first id is above the last",
            Self::System => "ids below 1000 belong to the distribution",
        })
    }
}

impl core::error::Error for IdRangeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_range_hands_out_an_id_that_somebody_else_owns() {
        for id in [0, 1, 999, 61_184, 65_534, 65_535, 524_288, 1_879_048_191, 2_147_400_000, u32::MAX] {
            assert!(!IdRange::ORDINARY.allows(id), "{id}");
        }
        for id in [1000, 60_000, 70_001, 1_900_000_000, 1_999_999_999] {
            assert!(IdRange::ORDINARY.allows(id), "{id}");
        }
        assert!(!IdRange::DEFAULT.allows(1000) && IdRange::DEFAULT.allows(1_900_000_000));
    }

    #[test]
    fn the_first_allowed_id_lies_behind_the_reserved_ones() {
        let first = |min, max| IdRange::new(min, max).unwrap().first_allowed();
        assert_eq!(first(1000, 1000), Some(1000));
        assert_eq!(first(61_184, 70_000), Some(65_536));
        assert_eq!(first(524_288, u32::MAX), Some(1_879_048_192));
        assert_eq!((first(61_184, 65_535), first(524_288, 1_879_048_191)), (None, None));
        assert_eq!(first(2_147_352_576, u32::MAX), None);
    }

    #[test]
    fn a_range_is_free_of_reserved_ids_or_holds_one() {
        for (min, max) in [(1000, 61_183), (65_536, 524_287), (1_879_048_192, 2_147_352_575)] {
            assert!(IdRange::new(min, max).unwrap().is_free_of_reserved(), "{min}-{max}");
            assert!((min..=max).step_by(997).all(|id| !is_reserved_id(id)), "{min}-{max}");
            assert!(!IdRange::new(min, max + 1).unwrap().is_free_of_reserved(), "{min}-{max}");
        }
        for (min, max) in [(1000, u32::MAX - 1), (61_184, 61_184), (65_535, 70_000), (600_000, 700_000)] {
            assert!(!IdRange::new(min, max).unwrap().is_free_of_reserved(), "{min}-{max}");
        }
        assert!(IdRange::DEFAULT.is_free_of_reserved());
    }

    #[test]
    fn a_range_that_holds_system_ids_or_none_is_refused() {
        assert_eq!(IdRange::new(5, 4), Err(IdRangeError::Empty));
        assert_eq!(IdRange::new(999, 5000), Err(IdRangeError::System));
        assert!(IdRange::new(1000, 1000).is_ok());
    }
}
