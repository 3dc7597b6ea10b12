//! The generation page: one word that says what is current, seen by all processes at once.
//!
//! `/run/pody/generation`, 4096 bytes on tmpfs: magic (8 bytes), version (`u32`), state (`u32`: live 1,
//! retired 2), the generation word (`u64`), zeros. It is made anew at each start of podyd, with the word
//! of its predecessor, renamed into place, and only then is the predecessor marked retired: whoever sees
//! the mark finds the successor. (Not one word inside a file on disk: overlayfs hides stores from those
//! who mapped the file before its copy-up.)

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::layout::{PAGE_MAGIC, VERSION, u32_at};
use crate::map::{Map, Trust};
use crate::{Generation, Identity, PathBuffer, Places, Trouble};

/// The size of the page.
pub const PAGE_BYTES: usize = 4096;
pub(crate) const PAGE_NAME: &[u8] = b"generation";
pub(crate) const STATE_OFFSET: usize = 12;
pub(crate) const WORD_OFFSET: usize = 16;
pub(crate) const LIVE: u32 = 1;
#[cfg(any(test, feature = "std"))]
pub(crate) const RETIRED: u32 = 2;

/// A mapped generation page.
#[derive(Debug)]
pub struct GenerationPage {
    map: Map,
}

impl GenerationPage {
    pub(crate) fn open(places: Places<'_>, trust: Trust) -> Result<Self, Trouble> {
        let path = page_path(places);
        let map = Map::open(path.as_c_str().ok_or(Trouble::Missing)?, trust, PAGE_BYTES, PAGE_BYTES)?;
        let bytes = map.bytes().get(..STATE_OFFSET).ok_or(Trouble::Unusable)?;
        if bytes.get(..8) != Some(&PAGE_MAGIC) || u32_at(bytes, 8) != Some(VERSION) {
            return Err(Trouble::Unusable);
        }
        Ok(Self { map })
    }

    /// What is current.
    #[inline]
    pub fn generation(&self) -> Generation {
        let word = self.map.start().as_ptr().wrapping_add(WORD_OFFSET).cast();
        // SAFETY: the page has 4096 bytes at an address aligned to 4096, and its writer, too, changes
        // the word by atomic stores alone (Publisher).
        Generation(unsafe { AtomicU64::from_ptr(word) }.load(Ordering::Acquire))
    }

    /// Whether another page has taken its place.
    #[inline]
    pub fn is_retired(&self) -> bool {
        let state = self.map.start().as_ptr().wrapping_add(STATE_OFFSET).cast();
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(state) }.load(Ordering::Acquire) != LIVE
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.map.identity()
    }
}

/// Where the page is.
pub fn page_path(places: Places<'_>) -> PathBuffer {
    let mut path = PathBuffer::within(places.run);
    path.push(PAGE_NAME);
    path
}
