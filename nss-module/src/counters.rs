//! How many lookups are in each slot, counted so that threads do not pull one cache line from core to core.
//!
//! Each line of the counters has one for every slot; a thread uses the line that the address of its errno leads
//! to. That address is the one thing that tells threads apart without a thread-local of ours (which a library
//! that comes by dlopen(3) may have no room for) and without a system call. Two threads that share a line are
//! slower and right all the same; a forked child goes on with its parent's counts.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::process::SLOTS;

/// Two of eight threads share a line now and then; all together take one page.
const LINES: usize = 64;

/// The counters of every slot, in all lines.
pub struct Counters([Line; LINES]);

/// What processors pass to each other in one piece.
#[repr(align(64))]
struct Line([AtomicU32; SLOTS]);

const _: () = assert!(size_of::<Line>() == 64, "a line's counters lie in one cache line");

impl Counters {
    /// Nobody is in any slot: all zeros.
    pub const fn new() -> Self {
        Self([const { Line([const { AtomicU32::new(0) }; SLOTS]) }; LINES])
    }

    /// Where the calling thread counts its lookups in the slot at `index`.
    #[inline]
    pub fn of_this_thread(&self, index: usize) -> Option<&AtomicU32> {
        self.0.get(line_of(thread_address()))?.0.get(index)
    }

    /// Whether no lookup is in the slot at `index`. A lookup that enters meanwhile may be overlooked, and then finds
    /// the slot not current (see `Process::enter`).
    pub fn are_zero_at(&self, index: usize) -> bool {
        self.0.iter().filter_map(|line| line.0.get(index)).all(|count| count.load(Ordering::SeqCst) == 0)
    }
}

#[inline]
fn thread_address() -> usize {
    // SAFETY: __errno_location(3) has no preconditions.
    unsafe { libc::__errno_location() }.addr()
}

/// Fibonacci hashing of the page: threads whose stacks lie at equal distances, as glibc makes them, come to
/// different lines.
#[inline]
const fn line_of(address: usize) -> usize {
    let page = (address >> 12) as u64;
    (page.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - LINES.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_at_the_distances_that_glibc_puts_them_at_have_lines_of_their_own() {
        const GUARD: usize = 4096;
        for stack in [16 << 10, 256 << 10, 1 << 20, 2 << 20, 8 << 20] {
            for distance in [stack, stack + GUARD] {
                let lines: HashSet<_> =
                    (0..4).map(|thread| line_of(0x7f12_3456_76c0 - thread * distance)).collect();
                assert_eq!(lines.len(), 4, "{distance}");
            }
        }
    }

    #[test]
    fn a_thread_keeps_its_line_and_threads_have_many() {
        let counters = Counters::new();
        let all_are_here = Barrier::new(16);
        let line = || {
            all_are_here.wait();
            let mine = counters.of_this_thread(3).unwrap();
            assert!(std::ptr::eq(mine, counters.of_this_thread(3).unwrap()));
            all_are_here.wait();
            std::ptr::from_ref(mine).addr()
        };
        let lines: HashSet<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(line)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(lines.len() >= 6, "{lines:?}");
    }

    #[test]
    fn a_slot_is_empty_when_no_thread_is_in_it() {
        let counters = Counters::new();
        for line in &counters.0 {
            line.0[2].fetch_add(1, Ordering::SeqCst);
            assert!(!counters.are_zero_at(2) && counters.are_zero_at(1));
            line.0[2].fetch_sub(1, Ordering::SeqCst);
        }
        assert!(counters.are_zero_at(2));
    }
}
