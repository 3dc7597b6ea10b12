//! What a process keeps mapped: the current generation, seen by all threads without a lock.
//!
//! A few slots, each a mapped generation, and counters of the lookups in it; a slot is changed only when it is
//! not the current one and nobody is in it. Nobody ever waits: a thread that cannot remap, because another is
//! at it or no slot is free, maps the generation for its own lookup alone. A child forked at any moment
//! finds a current slot that is whole; lookups of threads that do not exist in it keep their slot taken.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::mem::{self, MaybeUninit};
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};

use identity::{Gid, Uid};
use snapshot::{Loaded, Places, Source, Trouble, View, current_path, identify, page_path};

use crate::answer::Refusal;
use crate::counters::Counters;
use crate::local::LocalAccounts;
use crate::lock::ForkLock;
use crate::ranges::Ranges;

/// Enough for one lookup that is stuck (its thread stopped by a debugger) per generation published
/// meanwhile; beyond, lookups map for themselves.
pub const SLOTS: usize = 8;

/// One mapped generation, and what this node accepted when it was mapped.
pub struct Mapped {
    loaded: Loaded,
    ranges: Ranges,
    local: LocalAccounts,
    /// The page is gone or beyond our reach: this is the last that we know.
    orphaned: AtomicBool,
}

impl Mapped {
    fn open(process: &Process, known: Option<&Self>) -> Result<Self, Trouble> {
        let mut ranges = Ranges::read(process.ranges)?;
        process.local.read(&mut |id| ranges.hold_local(id))?;
        let loaded = Loaded::open(process.places, known.map(|known| &known.loaded.base))?;
        Ok(Self { loaded, ranges, local: process.local, orphaned: AtomicBool::new(false) })
    }

    /// What it holds.
    #[inline]
    pub fn view(&self) -> View<'_> {
        self.loaded.view()
    }

    /// Whether a user may have this uid: it is accepted here, and nobody local has it.
    #[inline]
    pub fn allows_uid(&self, uid: Uid) -> Result<bool, Trouble> {
        if self.ranges.are_clear_at(uid.0) { Ok(true) } else { self.looks_uid_up(uid) }
    }

    /// Whether a group may have this gid: it is accepted here, and no local group has it.
    #[inline]
    pub fn allows_gid(&self, gid: Gid) -> Result<bool, Trouble> {
        if self.ranges.are_clear_at(gid.0) { Ok(true) } else { self.looks_gid_up(gid) }
    }

    /// Whether all of these gids may be served, as far as can be told at once.
    #[inline]
    pub fn allows_all_gids(&self, gids: &[[u8; 4]]) -> bool {
        self.ranges.are_clear_at_all(gids)
    }

    #[inline(never)]
    fn looks_uid_up(&self, uid: Uid) -> Result<bool, Trouble> {
        Ok(self.ranges.hold(uid.0) && !self.local.hold_uid(uid.0)?)
    }

    #[inline(never)]
    fn looks_gid_up(&self, gid: Gid) -> Result<bool, Trouble> {
        Ok(self.ranges.hold(gid.0) && !self.local.hold_gid(gid.0)?)
    }

    /// Whom this node has of its own, who may not be served.
    #[inline]
    pub fn local(&self) -> &LocalAccounts {
        &self.local
    }

    /// The page says that another generation is current.
    #[inline]
    fn has_moved(&self) -> bool {
        let Source::Page(page) = &self.loaded.source else { return false };
        let moved = page.generation() != self.loaded.generation || page.is_retired();
        moved && !self.orphaned.load(Ordering::Relaxed)
    }

    /// `found` is what `current` names, now that the page is gone: nothing newer than this.
    fn outlives(&self, found: &Self) -> bool {
        let pageless = matches!(found.loaded.source, Source::Current(_));
        pageless && found.loaded.generation <= self.loaded.generation
    }

    /// Looks at the paths: another page or, where there was none, another `current`.
    fn is_replaced(&self, places: Places<'_>) -> bool {
        let there = page_path(places).as_c_str().and_then(|path| identify(path).ok());
        match (&self.loaded.source, there) {
            (Source::Page(page), Some(there)) => {
                self.orphaned.store(false, Ordering::Relaxed);
                !page.identity().is_same_file(&there)
            }
            (Source::Page(_), None) => false,
            (Source::Current(_), Some(_)) => true,
            (Source::Current(read), None) => {
                let there = current_path(places).as_c_str().and_then(|path| identify(path).ok());
                there.is_some_and(|there| there != *read)
            }
        }
    }
}

/// A slot without content: zero, so that a process that looks nobody up pays for no page of this.
const FREE: u32 = 0;
/// A slot whose content is being changed.
const CHANGING: u32 = 1;
/// A slot with a mapped generation.
const WHOLE: u32 = 2;

/// One of a process's [`Mappings`].
struct Slot {
    /// Whether `content` is there: [`FREE`], [`CHANGING`] or [`WHOLE`].
    state: AtomicU32,
    content: UnsafeCell<MaybeUninit<Mapped>>,
}

impl Slot {
    #[expect(clippy::declare_interior_mutable_const, reason = "each use is a slot of its own")]
    const FREE: Self = Self { state: AtomicU32::new(FREE), content: UnsafeCell::new(MaybeUninit::uninit()) };
}

/// Where a process keeps its mappings: a static of its own, all zeros.
pub struct Mappings {
    slots: [Slot; SLOTS],
    /// How many lookups are in each.
    lookups: Counters,
}

impl Mappings {
    /// No mappings yet.
    pub const fn new() -> Self {
        Self { slots: [const { Slot::FREE }; SLOTS], lookups: Counters::new() }
    }
}

/// The mappings of this process.
pub struct Process {
    places: Places<'static>,
    ranges: &'static CStr,
    local: LocalAccounts,
    /// The current slot's number plus one; 0 before the first lookup.
    current: AtomicUsize,
    remapping: ForkLock,
    /// The second, by the coarse clock, in which somebody last looked at the page's path.
    checked: AtomicI64,
    mappings: &'static Mappings,
}

// SAFETY: a slot's content is changed only under `remapping`, and only while it is not current and no
// lookup is in it; whoever reads it has entered it first (see `enter`).
unsafe impl Sync for Slot {}

impl Process {
    /// Nothing is mapped yet.
    pub const fn new(
        places: Places<'static>,
        ranges: &'static CStr,
        local: LocalAccounts,
        mappings: &'static Mappings,
    ) -> Self {
        Self {
            places,
            ranges,
            local,
            current: AtomicUsize::new(0),
            remapping: ForkLock::new(),
            checked: AtomicI64::new(0),
            mappings,
        }
    }

    /// The current generation, for one lookup. On the way that is nearly always taken this makes no
    /// system call, but for one stat(2) a second. `room` is for a mapping that the lookup has for itself
    /// alone: it would be too large to hand back.
    #[inline]
    pub fn pin<'a>(&'a self, room: &'a mut Option<Mapped>) -> Result<Pinned<'a>, Refusal> {
        if let Some(entered) = self.enter() {
            let mapped = entered.mapped();
            if !(mapped.has_moved() || self.is_new_second() && mapped.is_replaced(self.places)) {
                return Ok(Pinned::Shared(entered));
            }
        }
        self.remap_and_pin(room)
    }

    /// Maps the current generation for the caller alone, who keeps it as long as it likes.
    pub fn map(&self) -> Result<Mapped, Trouble> {
        Mapped::open(self, None)
    }

    #[cold]
    #[inline(never)]
    fn remap_and_pin<'a>(&'a self, room: &'a mut Option<Mapped>) -> Result<Pinned<'a>, Refusal> {
        match self.remap() {
            Ok(()) => {}
            Err(Trouble::Missing) if self.outlives_its_page() => {}
            Err(trouble) => return Err(trouble.into()),
        }
        match self.enter() {
            Some(entered) if !entered.mapped().has_moved() => Ok(Pinned::Shared(entered)),
            _ => Ok(Pinned::Alone(room.insert(self.map()?))),
        }
    }

    /// Makes the current generation the current slot, if nobody else is at it and a slot is free.
    fn remap(&self) -> Result<(), Trouble> {
        let Some(held) = self.remapping.try_lock() else { return Ok(()) };
        if held.taken_over {
            self.forget_half_changed();
        }
        let current = self.current.load(Ordering::SeqCst);
        let known = self.content_of(current);
        if known.is_some_and(|known| !known.has_moved() && !known.is_replaced(self.places)) {
            return Ok(());
        }
        let mapped = Mapped::open(self, known)?;
        let shared = known.is_some_and(|known| shares_base(known, &mapped));
        if let Some(known) = known.filter(|known| known.outlives(&mapped)) {
            known.orphaned.store(true, Ordering::Relaxed);
            release(mapped, shared);
            return Ok(());
        }
        let Some((number, slot)) = self.free_slot(current) else {
            release(mapped, shared);
            return Ok(());
        };
        let holds_old = slot.state.swap(CHANGING, Ordering::SeqCst) == WHOLE;
        // SAFETY: the slot is free and we hold `remapping`: see `Sync`.
        let content = unsafe { &mut *slot.content.get() };
        let old = mem::replace(content, MaybeUninit::new(mapped));
        slot.state.store(WHOLE, Ordering::SeqCst);
        if holds_old {
            // SAFETY: the slot was whole.
            let old = unsafe { old.assume_init() };
            let shared =
                (1..=SLOTS).filter_map(|other| self.content_of(other)).any(|other| shares_base(other, &old));
            release(old, shared);
        }
        self.current.store(number, Ordering::SeqCst);
        Ok(())
    }

    /// The current generation cannot be found because the page cannot: podyd's directory is gone, or the
    /// process has been locked into another root. Then the last that was mapped stands.
    fn outlives_its_page(&self) -> bool {
        let path = page_path(self.places);
        let gone = path.as_c_str().is_none_or(|path| identify(path).is_err());
        let Some(entered) = self.enter() else { return false };
        entered.mapped().orphaned.store(gone, Ordering::Relaxed);
        gone
    }

    /// Enters the current slot: as long as the result lives, the slot is not changed.
    #[inline]
    fn enter(&self) -> Option<Entered<'_>> {
        let number = self.current.load(Ordering::Acquire);
        let index = number.checked_sub(1)?;
        let slot = self.mappings.slots.get(index)?;
        let lookups = self.mappings.lookups.of_this_thread(index)?;
        lookups.fetch_add(1, Ordering::SeqCst);
        let entered = Entered { slot, lookups };
        // Whoever changes a slot makes another one current first and looks at `lookups` afterwards; we do
        // it the other way round, so that one of the two sees the other.
        (self.current.load(Ordering::SeqCst) == number).then_some(entered)
    }

    /// A slot that may be changed. Under `remapping` only.
    fn free_slot(&self, current: usize) -> Option<(usize, &'static Slot)> {
        let is_free = |number| number != current && self.mappings.lookups.are_zero_at(number - 1);
        (1..=SLOTS).zip(&self.mappings.slots).find(|(number, _)| is_free(*number))
    }

    /// What a slot holds. Under `remapping` only, when nobody else changes it.
    fn content_of(&self, number: usize) -> Option<&Mapped> {
        let slot = self.mappings.slots.get(number.checked_sub(1)?)?;
        if slot.state.load(Ordering::SeqCst) != WHOLE {
            return None;
        }
        // SAFETY: we hold `remapping`, so nobody changes it: see `Sync`.
        let content = unsafe { &*slot.content.get() };
        // SAFETY: the slot is whole.
        Some(unsafe { content.assume_init_ref() })
    }

    /// The thread that was changing a slot at the moment of the fork does not exist here. Its slot's
    /// mappings are left behind.
    fn forget_half_changed(&self) {
        for slot in &self.mappings.slots {
            let _ = slot.state.compare_exchange(CHANGING, FREE, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    /// Whether this is the first lookup in this second.
    #[inline]
    fn is_new_second(&self) -> bool {
        let now = coarse_second();
        let checked = self.checked.load(Ordering::Relaxed);
        now != checked
            && self.checked.compare_exchange(checked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// A generation that stays as long as this lives.
pub enum Pinned<'a> {
    /// A slot that all threads share.
    Shared(Entered<'a>),
    /// A mapping for this lookup alone.
    Alone(&'a Mapped),
}

impl Pinned<'_> {
    /// The generation.
    #[inline]
    pub fn mapped(&self) -> &Mapped {
        match self {
            Self::Shared(entered) => entered.mapped(),
            Self::Alone(mapped) => mapped,
        }
    }
}

/// A lookup in a slot.
pub struct Entered<'a> {
    slot: &'a Slot,
    /// Where it is counted.
    lookups: &'a AtomicU32,
}

impl Entered<'_> {
    #[inline]
    fn mapped(&self) -> &Mapped {
        // SAFETY: the slot was current after we had entered it, so it is not changed before we leave: see
        // `Process::enter`.
        let content = unsafe { &*self.slot.content.get() };
        // SAFETY: a slot is whole before it becomes current.
        unsafe { content.assume_init_ref() }
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lookups.fetch_sub(1, Ordering::Release);
    }
}

fn shares_base(one: &Mapped, other: &Mapped) -> bool {
    one.loaded.base.is_same_mapping(&other.loaded.base)
}

/// Unmaps a generation, but not a base that another slot has, too.
fn release(mapped: Mapped, base_is_shared: bool) {
    let Loaded { base, .. } = mapped.loaded;
    if base_is_shared {
        mem::forget(base);
    }
}

fn coarse_second() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) fills the struct that it is given; without a system call, through the vDSO.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut now) };
    now.tv_sec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::home::{Home, base, delta, uid_of};
    use crate::tests::processes::in_child;

    #[test]
    fn a_child_forked_in_the_middle_of_a_remap_finishes_what_nobody_will() {
        let home = Home::new();
        let mut publisher = home.publisher();
        publisher.publish_base(&base(&[("ada", 70_000)])).unwrap();
        let process = home.process();
        assert_eq!(uid_of(process, "ada"), Ok(70_000));
        publisher.publish_delta(&delta("bob", 70_001)).unwrap();
        // As another thread would have it at this moment: the lock, and a slot that is not whole.
        let held = process.remapping.try_lock().unwrap();
        process.mappings.slots.last().unwrap().state.store(CHANGING, Ordering::SeqCst);
        assert_eq!(uid_of(process, "bob"), Ok(70_001), "nobody waits for that thread");
        let is_current = || process.enter().is_some_and(|entered| !entered.mapped().has_moved());
        assert!(!is_current());
        let status = in_child(|| {
            let found = uid_of(process, "bob") == Ok(70_001) && uid_of(process, "ada") == Ok(70_000);
            let whole =
                process.mappings.slots.iter().all(|slot| slot.state.load(Ordering::SeqCst) != CHANGING);
            found && whole && is_current() && process.remapping.try_lock().is_some()
        });
        assert_eq!(status, 0);
        drop(held);
    }
}
