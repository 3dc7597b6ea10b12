//! Files in memory: opened with suspicion, mapped read-only, closed at once.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use libc::c_int;

use crate::Trouble;

/// Write permission for group or others.
const OTHERS_MAY_WRITE: libc::mode_t = 0o022;

/// What tells a file from the one that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: libc::dev_t,
    inode: libc::ino_t,
    changed: (i64, i64),
}

/// Who may have made a file that we believe: root, and whoever owns the cache directory. In a user
/// namespace both show as the overflow id, and are equal still.
#[derive(Clone, Copy, Debug)]
pub struct Trust {
    owner: libc::uid_t,
}

impl Trust {
    /// Root, and the owner of `directory`.
    pub fn owner_of(directory: &CStr) -> Result<Self, Trouble> {
        Ok(Self { owner: status_of(directory)?.st_uid })
    }

    /// Whether `uid` is one of them.
    pub fn is_owner(self, uid: libc::uid_t) -> bool {
        uid == 0 || uid == self.owner
    }

    fn covers(self, status: &libc::stat) -> bool {
        let regular = status.st_mode & libc::S_IFMT == libc::S_IFREG;
        regular && self.is_owner(status.st_uid) && status.st_mode & OTHERS_MAY_WRITE == 0
    }
}

/// A file mapped read-only.
#[derive(Debug)]
pub(crate) struct Map {
    start: NonNull<u8>,
    length: usize,
    identity: Identity,
}

// SAFETY: the mapping is read-only, of no thread's own, and lives until it is dropped (mmap(2)).
unsafe impl Send for Map {}
// SAFETY: as above; the one word that changes, in the generation page, is read atomically.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the whole file at `path`, which must have between `least` and `most` bytes.
    pub(crate) fn open(path: &CStr, trust: Trust, least: usize, most: usize) -> Result<Self, Trouble> {
        let file = Descriptor::open(path)?;
        let status = file.status()?;
        let length = usize::try_from(status.st_size).map_err(|_| Trouble::Unusable)?;
        if !trust.covers(&status) || length < least || length > most || length == 0 {
            return Err(Trouble::Unusable);
        }
        Ok(Self { start: file.map(length)?, length, identity: Identity::of(&status) })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: mmap(2) gave `length` readable bytes at `start`. Nobody changes them: snapshot files
        // are written whole before they get their name (Publisher), and never opened for writing again.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// The same mapping once more: whoever duplicates sees to it that only one of the two is dropped.
    pub(crate) fn duplicate(&self) -> Self {
        Self { start: self.start, length: self.length, identity: self.identity }
    }
}

impl Drop for Map {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: `start` and `length` are those of the mmap(2) in `Descriptor::map`; `self` is gone now.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// A descriptor that lives no longer than it takes to map or read its file.
struct Descriptor(c_int);

impl Descriptor {
    fn open(path: &CStr) -> Result<Self, Trouble> {
        Self::open_with(path, libc::O_NOFOLLOW)
    }

    /// O_NONBLOCK, so that a FIFO in the file's place cannot hold the caller.
    fn open_with(path: &CStr, flags: c_int) -> Result<Self, Trouble> {
        let flags = flags | libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        // SAFETY: open(2) reads the NUL-terminated `path`.
        match unsafe { libc::open(path.as_ptr(), flags) } {
            -1 => Err(last_trouble()),
            descriptor => Ok(Self(descriptor)),
        }
    }

    fn status(&self) -> Result<libc::stat, Trouble> {
        let mut status = MaybeUninit::uninit();
        // SAFETY: fstat(2) fills the struct that it is given.
        if unsafe { libc::fstat(self.0, status.as_mut_ptr()) } != 0 {
            return Err(last_trouble());
        }
        // SAFETY: fstat(2) returned 0, so it has filled the struct.
        Ok(unsafe { status.assume_init() })
    }

    fn map(&self, length: usize) -> Result<NonNull<u8>, Trouble> {
        let nowhere = core::ptr::null_mut();
        // SAFETY: mmap(2) of a fresh region chosen by the kernel touches no memory that exists.
        let start = unsafe { libc::mmap(nowhere, length, libc::PROT_READ, libc::MAP_SHARED, self.0, 0) };
        if start == libc::MAP_FAILED {
            return Err(last_trouble());
        }
        NonNull::new(start.cast()).ok_or(Trouble::Unusable)
    }

    fn read<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], Trouble> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            // SAFETY: read(2) writes `room.len()` bytes at the most into `room`.
            let count = unsafe { libc::read(self.0, room.as_mut_ptr().cast(), room.len()) };
            match usize::try_from(count) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(_) => return Err(last_trouble()),
            }
        }
        buffer.get(..filled).ok_or(Trouble::Unusable)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours and used no more (close(2)).
        unsafe { libc::close(self.0) };
    }
}

impl Identity {
    fn of(status: &libc::stat) -> Self {
        Self { device: status.st_dev, inode: status.st_ino, changed: (status.st_ctime, status.st_ctime_nsec) }
    }

    /// Whether this is the file at `path` still. `changed` does not count: a page's word changes.
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// What lies at `path` now: one stat(2).
pub fn identify(path: &CStr) -> Result<Identity, Trouble> {
    status_of(path).map(|status| Identity::of(&status))
}

/// Reads a small file that somebody trusted wrote.
pub fn read_small<'b>(
    path: &CStr,
    trust: Trust,
    buffer: &'b mut [u8],
) -> Result<(&'b [u8], Identity), Trouble> {
    let file = Descriptor::open(path)?;
    let status = file.status()?;
    if !trust.covers(&status) {
        return Err(Trouble::Unusable);
    }
    Ok((file.read(buffer)?, Identity::of(&status)))
}

/// How much of a file is in memory at a time: it lies on the stack of whoever looks somebody up.
const CHUNK_BYTES: usize = 1024;

/// Gives a file of the system's own, piece by piece. One that is not there is empty; it may be a link, and is
/// not mapped, since editors cut such files short.
pub fn read_in_chunks(path: &CStr, mut take: impl FnMut(&[u8])) -> Result<(), Trouble> {
    let file = match Descriptor::open_with(path, 0) {
        Err(Trouble::Missing) => return Ok(()),
        opened => opened?,
    };
    let mut buffer = [0; CHUNK_BYTES];
    loop {
        match file.read(&mut buffer)? {
            [] => return Ok(()),
            chunk => take(chunk),
        }
    }
}

fn status_of(path: &CStr) -> Result<libc::stat, Trouble> {
    let mut status = MaybeUninit::uninit();
    // SAFETY: stat(2) reads the NUL-terminated `path` and fills the struct that it is given.
    if unsafe { libc::stat(path.as_ptr(), status.as_mut_ptr()) } != 0 {
        return Err(last_trouble());
    }
    // SAFETY: stat(2) returned 0, so it has filled the struct.
    Ok(unsafe { status.assume_init() })
}

fn last_trouble() -> Trouble {
    // SAFETY: __errno_location(3) has no preconditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it points at this thread's errno for as long as the thread lives.
    Trouble::from_errno(unsafe { *errno })
}
