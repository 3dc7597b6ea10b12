//! The groups that a login gets: appended to glibc's list, which other services have begun.

use core::mem::MaybeUninit;

use identity::Gid;
use libc::{c_long, gid_t};

use crate::answer::Refusal;

/// How many gids the list grows to at first; it doubles from there, as glibc's own services do.
const FIRST_SIZE: c_long = 16;

/// With more gids than this in the list already, comparing all with all is left to the one at a time.
const MOST_COMPARED: usize = 16;

/// glibc's growing array (nss(5) has no word of it; see glibc's nss_files and initgroups): `start` gids
/// are in it, `size` fit, and it may not grow beyond `limit` unless that is 0 or less.
pub struct GidList<'a> {
    /// How many gids there are.
    pub start: &'a mut c_long,
    /// For how many there is room.
    pub size: &'a mut c_long,
    /// The array, of malloc(3).
    pub gids: &'a mut *mut gid_t,
    /// The most it may hold.
    pub limit: c_long,
    /// How many of the gids were there before we came. Ours are not compared with each other: the snapshot
    /// lists each once, and the list of a user in a thousand groups would take a million comparisons.
    pub given: c_long,
}

/// What became of a gid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is in the list.
    Yes,
    /// The list is full: the caller wants no more.
    Full,
}

impl GidList<'_> {
    /// Appends `gid` unless it is there.
    #[inline]
    pub fn add(&mut self, gid: Gid) -> Result<Added, Refusal> {
        if self.given().contains(&gid.0) {
            return Ok(Added::Yes);
        }
        if *self.start >= *self.size && self.grow()? == Added::Full {
            return Ok(Added::Full);
        }
        let Ok(index) = usize::try_from(*self.start) else { return Ok(Added::Full) };
        let place = self.gids.wrapping_add(index);
        // SAFETY: `start` is less than `size`, the number of gids that the array has room for.
        unsafe { place.write(gid.0) };
        *self.start = self.start.saturating_add(1);
        Ok(Added::Yes)
    }

    /// Appends all of `gids`, little-endian, at once. Says [`Added::Full`], and has added none, if that is not
    /// possible: one of them is there or is `skip`, or the list may not grow so far.
    pub fn add_all(&mut self, gids: &[[u8; 4]], skip: Gid) -> Result<Added, Refusal> {
        // Without an early end, so that the compiler compares several at a time.
        let has = |wanted: gid_t| {
            gids.iter().fold(false, |found, gid| found | (u32::from_le_bytes(*gid) == wanted))
        };
        if self.given().len() > MOST_COMPARED || has(skip.0) || self.given().iter().any(|gid| has(*gid)) {
            return Ok(Added::Full);
        }
        let (Ok(start), Ok(count)) = (usize::try_from(*self.start), c_long::try_from(gids.len())) else {
            return Ok(Added::Full);
        };
        while self.size.saturating_sub(*self.start) < count {
            if self.grow()? == Added::Full {
                return Ok(Added::Full);
            }
        }
        let room = self.gids.wrapping_add(start).cast::<MaybeUninit<gid_t>>();
        // SAFETY: the array has room for `size` gids, and so for `count` more behind `start`.
        let room = unsafe { core::slice::from_raw_parts_mut(room, gids.len()) };
        for (place, gid) in room.iter_mut().zip(gids) {
            place.write(u32::from_le_bytes(*gid));
        }
        *self.start = self.start.saturating_add(count);
        Ok(Added::Yes)
    }

    #[inline]
    fn given(&self) -> &[gid_t] {
        match usize::try_from(self.given) {
            // SAFETY: glibc's array held `given` gids when it called.
            Ok(count) if !self.gids.is_null() => unsafe { core::slice::from_raw_parts(*self.gids, count) },
            _ => &[],
        }
    }

    #[cold]
    fn grow(&mut self) -> Result<Added, Refusal> {
        let doubled = (*self.size).max(FIRST_SIZE / 2).saturating_mul(2);
        let size = if self.limit > 0 { doubled.min(self.limit) } else { doubled };
        if size <= *self.size {
            return Ok(Added::Full);
        }
        let count = usize::try_from(size).map_err(|_| Refusal::NoMemory)?;
        let bytes = count.checked_mul(size_of::<gid_t>()).ok_or(Refusal::NoMemory)?;
        // SAFETY: glibc's array is of malloc(3), or null.
        let grown = unsafe { libc::realloc((*self.gids).cast(), bytes) };
        if grown.is_null() {
            return Err(Refusal::NoMemory);
        }
        *self.gids = grown.cast();
        *self.size = size;
        Ok(Added::Yes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What glibc holds.
    struct Caller {
        start: c_long,
        size: c_long,
        gids: *mut gid_t,
        given: c_long,
    }

    impl Caller {
        fn with(first: &[gid_t]) -> Self {
            // SAFETY: malloc(3) has no preconditions.
            let gids = unsafe { libc::malloc(size_of_val(first)) }.cast::<gid_t>();
            // SAFETY: the array was just made with room for these.
            unsafe { gids.copy_from_nonoverlapping(first.as_ptr(), first.len()) };
            let count = first.len() as c_long;
            Self { start: count, size: count, gids, given: count }
        }

        fn add(&mut self, gid: u32, limit: c_long) -> Added {
            let (start, size, gids) = (&mut self.start, &mut self.size, &mut self.gids);
            GidList { start, size, gids, limit, given: self.given }.add(Gid(gid)).unwrap()
        }

        fn gids(&self) -> &[gid_t] {
            // SAFETY: `start` gids are in the array.
            unsafe { core::slice::from_raw_parts(self.gids, self.start as usize) }
        }
    }

    impl Drop for Caller {
        fn drop(&mut self) {
            // SAFETY: the array is of malloc(3) or realloc(3).
            unsafe { libc::free(self.gids.cast()) };
        }
    }

    #[test]
    fn gids_are_appended_once_and_those_of_others_stay() {
        let mut caller = Caller::with(&[100, 5]);
        for gid in [70_001, 5, 70_002, 100] {
            assert_eq!(caller.add(gid, 0), Added::Yes);
        }
        assert_eq!(caller.gids(), [100, 5, 70_001, 70_002]);
        for gid in 80_000..80_100 {
            caller.add(gid, -1);
        }
        assert_eq!(caller.start, 104);
        assert!(caller.size >= 104);
    }

    #[test]
    fn many_are_appended_at_once_or_none_is() {
        let add_all = |caller: &mut Caller, gids: &[u32], skip, limit| {
            let (start, size, gids_) = (&mut caller.start, &mut caller.size, &mut caller.gids);
            let mut list = GidList { start, size, gids: gids_, limit, given: caller.given };
            let gids: Vec<_> = gids.iter().map(|gid| gid.to_le_bytes()).collect();
            list.add_all(&gids, Gid(skip)).unwrap()
        };
        let mut caller = Caller::with(&[100, 5]);
        for (gids, skip, limit) in [(&[1, 5][..], 9, 0), (&[1, 2], 2, 0), (&[1, 2, 3], 9, 4)] {
            assert_eq!(add_all(&mut caller, gids, skip, limit), Added::Full);
            assert_eq!(caller.gids(), [100, 5]);
        }
        let many: Vec<u32> = (70_000..70_100).collect();
        assert_eq!(add_all(&mut caller, &many, 9, 0), Added::Yes);
        assert_eq!((caller.start, &caller.gids()[..3]), (102, &[100, 5, 70_000][..]));
        assert_eq!(caller.gids()[101], 70_099);
        assert_eq!(add_all(&mut caller, &[], 9, 0), Added::Yes);
    }

    #[test]
    fn the_limit_is_never_exceeded() {
        let mut caller = Caller::with(&[100]);
        assert_eq!(caller.add(70_001, 3), Added::Yes);
        assert_eq!(caller.add(70_002, 3), Added::Yes);
        assert_eq!(caller.add(70_003, 3), Added::Full);
        assert_eq!(caller.add(100, 3), Added::Yes);
        assert_eq!((caller.gids(), caller.size), (&[100, 70_001, 70_002][..], 3));
    }

    #[test]
    fn the_list_grows_by_doubling() {
        let mut caller = Caller::with(&[]);
        for gid in 70_000..70_040 {
            assert_eq!(caller.add(gid, 0), Added::Yes);
        }
        assert_eq!((caller.start, caller.size), (40, 64));
    }
}
