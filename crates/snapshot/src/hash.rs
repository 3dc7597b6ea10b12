//! Where a key's search begins in a table.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};

/// The hash of a name.
#[inline]
pub(crate) fn of_name(seed: u64, name: &[u8]) -> u64 {
    rapidhash_v3_nano_inline::<true, false>(name, &RapidSecrets::seed_cpp(seed))
}

/// The hash of an id: the upper half of its product with 2^64 divided by the golden ratio, which
/// spreads consecutive ids evenly.
#[inline]
pub(crate) const fn of_id(seed: u64, id: u32) -> u64 {
    (id as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}
