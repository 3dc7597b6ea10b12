//! Ids out of names, for directories that are gone when the machine ends: whoever logs in again after that, on this node or
//! another of the kind, gets the same id, since files outlive both.

use identity::{IdRange, Name};
use sha2::{Digest, Sha256};

/// How often a number that belongs to systemd is drawn again: a range that may be allocated from has others.
const DRAWS: u32 = 1_000;

/// The id of a user, or of a group that claims speak of, by this issuer.
pub fn derived_id(range: IdRange, issuer: &str, kind: Kind, name: Name) -> Option<u32> {
    let numbers = u64::from(range.max()) - u64::from(range.min()) + 1;
    let draw = |draw: u32| {
        let mut digest = Sha256::new();
        for part in ["pody ids", issuer, kind.as_str(), name.as_str()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(draw.to_be_bytes());
        let digest = digest.finalize();
        let start: [u8; 8] = digest[..8].try_into().expect("a SHA-256 has 32 bytes");
        let offset = u64::from_be_bytes(start) % numbers;
        range.min() + u32::try_from(offset).expect("a range of ids has fewer numbers than an id has")
    };
    (0..DRAWS).map(draw).find(|id| range.allows(*id))
}

/// What an id is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user, and the private group.
    User,
    /// Any other group.
    Group,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::testing::name;

    /// It stands in files: it never changes.
    const ADA: u32 = 1_961_870_905;

    const ISSUER: &str = "https://login.example.com";

    fn id(issuer: &str, kind: Kind, text: &str) -> u32 {
        derived_id(IdRange::DEFAULT, issuer, kind, name(text)).unwrap()
    }

    #[test]
    fn a_name_comes_to_the_same_id_on_every_machine_and_in_every_version() {
        assert_eq!(id(ISSUER, Kind::User, "ada"), ADA);
        assert_ne!(id(ISSUER, Kind::Group, "ada"), ADA);
        assert_ne!(id("https://login.example.org", Kind::User, "ada"), ADA);
    }

    #[test]
    fn names_are_spread_over_the_range() {
        let ids: HashSet<u32> =
            (0..1_000).map(|number| id(ISSUER, Kind::User, &format!("user{number}"))).collect();
        assert!(ids.len() >= 998, "{} of a thousand", ids.len());
        assert!(ids.iter().all(|id| IdRange::DEFAULT.allows(*id)));
    }

    #[test]
    fn what_systemd_gives_out_is_drawn_again() {
        let range = IdRange::new(61_000, 65_000).unwrap();
        for number in 0..1_000 {
            let id = derived_id(range, ISSUER, Kind::User, name(&format!("user{number}"))).unwrap();
            assert!(range.allows(id), "{id}");
        }
    }
}
