//! How long changes take from their commit to the lookups of this node.

use std::collections::VecDeque;

/// As many of the last changes are remembered.
const REMEMBERED: usize = 100;

/// The delays of the last changes, in milliseconds. Between two machines they are as true as their clocks.
#[derive(Clone, Debug, Default)]
pub struct Delays(VecDeque<u64>);

impl Delays {
    /// Adds one. A clock that is behind the other makes none shorter than nothing.
    pub fn add(&mut self, committed_at: i64, shown_at: i64) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(u64::try_from(shown_at - committed_at).unwrap_or_default());
    }

    /// Half of them were no longer.
    pub fn median(&self) -> Option<u64> {
        let mut sorted: Vec<u64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }

    /// The longest.
    pub fn longest(&self) -> Option<u64> {
        self.0.iter().max().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_count() {
        let mut delays = Delays::default();
        assert_eq!((delays.median(), delays.longest()), (None, None));
        delays.add(0, 5_000);
        (0..99).for_each(|number| delays.add(1_000, 1_000 + number));
        assert_eq!((delays.median(), delays.longest()), (Some(49), Some(5_000)));
        delays.add(1_000, 900);
        assert_eq!((delays.median(), delays.longest()), (Some(48), Some(98)), "a clock that is behind");
    }
}
