//! `getpwent` and its kin: a walk over one generation, however long it takes and whatever is published.
//!
//! glibc serialises these calls; others may not, so the walk has a lock with a deadline.

use core::cell::UnsafeCell;

use crate::answer::Refusal;
use crate::lock::{ForkLock, Held};

/// How often a busy walk is tried, yielding in between: some milliseconds. A walk is never busy for longer
/// than it takes to copy one entry.
const PATIENCE: usize = 4096;

/// Where a process is in one enumeration. `M` is what is walked: a mapped generation.
pub struct Walk<M> {
    lock: ForkLock,
    place: UnsafeCell<Place<M>>,
}

/// The tag of its own makes a walk that has not begun all zeros: it takes no room in the module's file, and no page
/// of a process that never walks.
#[repr(u8)]
enum Place<M> {
    Nowhere = 0,
    At { mapped: M, next: u64 } = 1,
}

// SAFETY: `place` is touched by the holder of `lock` alone.
unsafe impl<M: Send> Sync for Walk<M> {}

impl<M> Walk<M> {
    /// A walk that has not begun.
    pub const fn new() -> Self {
        Self { lock: ForkLock::new(), place: UnsafeCell::new(Place::Nowhere) }
    }

    /// Lets go of the generation; the next entry begins a new walk.
    pub fn reset(&self) -> Result<(), Refusal> {
        let held = self.hold()?;
        *self.place(&held) = Place::Nowhere;
        Ok(())
    }

    /// Gives the next entry to `fill`, and goes on if that took it: a buffer that was too small gets the
    /// same entry again. `open` maps a generation when the walk begins, `count` says how many places it
    /// has, and `fill` passes over those that are not to be shown by [`Refusal::NotFound`].
    pub fn next(
        &self,
        open: impl FnOnce() -> Result<M, Refusal>,
        count: impl FnOnce(&M) -> u64,
        mut fill: impl FnMut(&M, u64) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let held = self.hold()?;
        let place = self.place(&held);
        if matches!(place, Place::Nowhere) {
            *place = Place::At { mapped: open()?, next: 0 };
        }
        let Place::At { mapped, next } = place else { return Err(Refusal::NotFound) };
        let count = count(mapped);
        while *next < count {
            let filled = fill(mapped, *next);
            if !matches!(filled, Ok(()) | Err(Refusal::NotFound)) {
                return filled;
            }
            *next = next.saturating_add(1);
            if filled.is_ok() {
                return Ok(());
            }
        }
        Err(Refusal::NotFound)
    }

    fn hold(&self) -> Result<Held<'_>, Refusal> {
        for _ in 0..PATIENCE {
            if let Some(held) = self.lock.try_lock() {
                if held.taken_over {
                    // The thread that was walking does not exist in this child; what it left is not whole.
                    // SAFETY: we hold the lock.
                    unsafe { self.place.get().write(Place::Nowhere) };
                }
                return Ok(held);
            }
            // SAFETY: sched_yield(2) has no preconditions.
            unsafe { libc::sched_yield() };
        }
        Err(Refusal::Unavailable(libc::EAGAIN))
    }

    #[expect(clippy::mut_from_ref, reason = "`held` proves that nobody else has it")]
    fn place<'h>(&self, _held: &'h Held<'_>) -> &'h mut Place<M>
    where
        M: 'h,
    {
        // SAFETY: the lock is held as long as the reference lives.
        unsafe { &mut *self.place.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_gives_the_same_entry_again_until_it_is_taken() {
        let walk = Walk::new();
        let mut seen = Vec::new();
        let mut step = |answer: Result<(), Refusal>| {
            walk.next(
                || Ok(()),
                |()| 3,
                |(), index| {
                    seen.push(index);
                    answer
                },
            )
        };
        assert_eq!(step(Err(Refusal::BufferTooSmall)), Err(Refusal::BufferTooSmall));
        assert_eq!(step(Ok(())), Ok(()));
        assert_eq!(step(Ok(())), Ok(()));
        assert_eq!(step(Err(Refusal::NotFound)), Err(Refusal::NotFound));
        assert_eq!(step(Ok(())), Err(Refusal::NotFound));
        assert_eq!(seen, [0, 0, 1, 2]);
    }

    #[test]
    fn a_reset_begins_anew_on_a_new_generation() {
        let walk = Walk::new();
        let step = |generation: u64| {
            let mut seen = None;
            let _ = walk.next(
                || Ok(generation),
                |_| 9,
                |mapped, index| {
                    seen = Some((*mapped, index));
                    Ok(())
                },
            );
            seen
        };
        assert_eq!((step(1), step(2)), (Some((1, 0)), Some((1, 1))));
        walk.reset().unwrap();
        assert_eq!(step(2), Some((2, 0)));
    }
}
