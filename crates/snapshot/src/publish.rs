//! podyd's side: bytes into files, and the word that makes them current.
//!
//! A file is written whole under a temporary name, so that no hole of it can fail later, gets its final
//! mode, is renamed, and is never opened for writing again. A base is on disk before any process is told
//! of it. Nothing here decides what is published.

use std::ffi::CString;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::layout::{CURRENT_MAGIC, GENERATION_OFFSET, Header, Kind, PAGE_MAGIC, VERSION};
use crate::load::{newest_header, read_current};
use crate::map::Trust;
use crate::page::{LIVE, PAGE_BYTES, PAGE_NAME, RETIRED, STATE_OFFSET, WORD_OFFSET};
use crate::{Encoded, Generation, GenerationPage, Info, PathBuffer, Places, Trouble};

/// Snapshots are for everybody and for nobody to change.
const SNAPSHOT_MODE: u32 = 0o444;
/// The account part is for root, and for podyd.
const ACCOUNT_MODE: u32 = 0o600;
/// podyd maps the page for writing; everybody else reads.
const PAGE_MODE: u32 = 0o644;

/// Why nothing was published. What was current before is current still.
#[derive(Debug)]
pub enum PublishError {
    /// A directory or file could not be written.
    File(PathBuf, io::Error),
    /// A delta was given and there is no base, or the base has had all its 16 777 215 deltas: publish a base.
    NeedsBase,
    /// A base was given as a delta or a delta as a base.
    WrongKind,
    /// All base numbers are used up, or the clock is far beyond the year 30 000.
    NoNumber,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot write the snapshot at {}: {error}", path.display()),
            Self::NeedsBase => f.write_str("a delta needs a base: publish a base first"),
            Self::WrongKind => f.write_str("a base was published as a delta, or the reverse"),
            Self::NoNumber => f.write_str("no number is left for a new base: is the clock right?"),
        }
    }
}

impl std::error::Error for PublishError {}

/// Publishes snapshots. There is one per node.
#[derive(Debug)]
pub struct Publisher {
    cache: PathBuf,
    run: PathBuf,
    page: WritablePage,
    generation: Generation,
    /// What the file `current` names.
    durable: Generation,
    /// The delta before the newest is kept, for readers that have just read its word.
    previous: Generation,
    /// The lowest number that the next base may have.
    next_base: u64,
    adopted: Option<Info>,
}

impl Publisher {
    /// Takes over what was last published, if it is sound, and makes a new generation page that names it.
    /// `now` is in seconds since 1970: with it base numbers grow even if the cache was wiped.
    pub fn start(cache: &Path, run: &Path, now: u64) -> Result<Self, PublishError> {
        let paths = [c_path(cache)?, c_path(run)?];
        let places = Places { cache: &paths[0], run: &paths[1] };
        let trust = Trust::owner_of(places.cache).map_err(|trouble| unreadable(cache, trouble))?;
        let durable = read_current(places, trust).map_or(Generation::NONE, |(durable, _)| durable);
        let page = GenerationPage::open(places, trust).map_or(Generation::NONE, |page| page.generation());
        let newest_first = [page.max(durable), page.min(durable)];
        let sound =
            newest_first.into_iter().find_map(|generation| Some((generation, adopt(places, generation)?)));
        let (generation, adopted) = sound.map_or((Generation::NONE, None), |(word, info)| (word, Some(info)));
        let used = durable.base_number().max(page.base_number());
        let next_base = used.checked_add(1).ok_or(PublishError::NoNumber)?.max(now);
        let page = WritablePage::replace(run, generation)?;
        let cache = cache.to_owned();
        let run = run.to_owned();
        let previous = generation;
        let publisher = Self { cache, run, page, generation, durable, previous, next_base, adopted };
        publisher.remove_unnamed();
        Ok(publisher)
    }

    /// What was taken over at the start: what the newest file's header says.
    pub fn adopted(&self) -> Option<Info> {
        self.adopted
    }

    /// What is current.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether what is current survives a loss of power.
    pub fn is_durable(&self) -> bool {
        self.durable == self.generation
    }

    /// Gives the next base its number. Writing it takes as long as there are users; this publisher publishes
    /// deltas meanwhile.
    pub fn reserve_base(&mut self) -> Result<ReservedBase, PublishError> {
        let generation = Generation::of_base(self.next_base).ok_or(PublishError::NoNumber)?;
        self.next_base += 1;
        Ok(ReservedBase { cache: self.cache.clone(), generation })
    }

    /// Makes a written base current, durably, together with a delta of what changed while it was being made:
    /// nothing is out of sight for a moment.
    pub fn switch_base(
        &mut self,
        base: WrittenBase,
        delta: Option<&Encoded>,
    ) -> Result<Generation, PublishError> {
        let WrittenBase(mut generation) = base;
        if let Some(delta) = delta {
            expect_kind(delta, Kind::Delta)?;
            generation = generation.next_delta().ok_or(PublishError::NoNumber)?;
            let name = file_name(generation, Generation::push_delta_name);
            write_pair(&self.cache, &name, delta, generation, Durability::Synced)?;
            write_pair(&self.run, &name, delta, generation, Durability::UntilReboot)?;
        }
        self.name_durably(generation)?;
        self.previous = generation;
        self.switch_to(generation);
        Ok(generation)
    }

    /// Makes a base current, durably. Its deltas begin anew.
    pub fn publish_base(&mut self, base: &Encoded) -> Result<Generation, PublishError> {
        let base = self.reserve_base()?.write(base)?;
        self.switch_base(base, None)
    }

    /// Makes a delta current: it holds all changes since the current base. It costs what the delta is
    /// large, and is not durable before [`persist`](Self::persist).
    pub fn publish_delta(&mut self, delta: &Encoded) -> Result<Generation, PublishError> {
        expect_kind(delta, Kind::Delta)?;
        if self.generation == Generation::NONE {
            return Err(PublishError::NeedsBase);
        }
        let generation = self.generation.next_delta().ok_or(PublishError::NeedsBase)?;
        let name = file_name(generation, Generation::push_delta_name);
        write_pair(&self.run, &name, delta, generation, Durability::UntilReboot)?;
        let outdated = self.previous;
        self.previous = self.generation;
        self.generation = generation;
        self.page.store(generation);
        if outdated != self.previous {
            remove_delta(&self.run, outdated);
        }
        Ok(generation)
    }

    /// Makes what is current durable: the newest delta is written to the cache and synced.
    pub fn persist(&mut self) -> Result<(), PublishError> {
        if self.is_durable() || !self.generation.has_delta() {
            return Ok(());
        }
        let name = file_name(self.generation, Generation::push_delta_name);
        let read = |name: &str| {
            let path = self.run.join(name);
            fs::read(&path).map_err(|error| PublishError::File(path, error))
        };
        let delta = Encoded { snapshot: read(&name)?, account: read(&format!("{name}.account"))? };
        write_pair(&self.cache, &name, &delta, self.generation, Durability::Synced)?;
        let outdated = self.durable;
        self.name_durably(self.generation)?;
        remove_delta(&self.cache, outdated);
        Ok(())
    }

    /// The file `current` names `generation` from now on, whatever happens to the power.
    fn name_durably(&mut self, generation: Generation) -> Result<(), PublishError> {
        let mut bytes = CURRENT_MAGIC.to_vec();
        bytes.extend(generation.0.to_le_bytes());
        write_file((&self.cache, "current"), &[&bytes], SNAPSHOT_MODE, Durability::Synced)?;
        sync_directory(&self.cache)?;
        self.durable = generation;
        Ok(())
    }

    fn switch_to(&mut self, generation: Generation) {
        self.generation = generation;
        self.page.store(generation);
        self.remove_unnamed();
    }

    /// Removes bases and deltas that neither the page nor `current` names. What cannot be removed is
    /// tried again with the next base: it costs room and does no harm.
    fn remove_unnamed(&self) {
        let mut named = Vec::new();
        for generation in [self.generation, self.durable, self.previous] {
            named.push(file_name(generation, Generation::push_base_name));
            named.push(file_name(generation, Generation::push_delta_name));
        }
        for directory in [&self.cache, &self.run] {
            let Ok(entries) = fs::read_dir(directory) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                let ours = ["base-", "delta-", TEMPORARY].iter().any(|prefix| name.starts_with(prefix));
                let stem = name.strip_suffix(".account").unwrap_or(name);
                if ours && !named.iter().any(|named| named == stem) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }
}

/// The number of a base that is going to be written.
#[derive(Debug)]
pub struct ReservedBase {
    cache: PathBuf,
    generation: Generation,
}

/// A base that is on disk and not current yet.
#[derive(Debug)]
pub struct WrittenBase(Generation);

impl ReservedBase {
    /// Writes the base's files, durably.
    pub fn write(self, base: &Encoded) -> Result<WrittenBase, PublishError> {
        expect_kind(base, Kind::Base)?;
        let name = file_name(self.generation, Generation::push_base_name);
        write_pair(&self.cache, &name, base, self.generation, Durability::Synced)?;
        Ok(WrittenBase(self.generation))
    }
}

/// Whether a file must be there after a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    Synced,
    UntilReboot,
}

/// What names of files begin with that are not whole yet.
const TEMPORARY: &str = ".new-";

fn expect_kind(encoded: &Encoded, kind: Kind) -> Result<(), PublishError> {
    match Header::read(&encoded.snapshot, kind) {
        Some(_) => Ok(()),
        None => Err(PublishError::WrongKind),
    }
}

/// What the newest file of `generation` says of itself, if all of its files are sound.
fn adopt(places: Places<'_>, generation: Generation) -> Option<Info> {
    let header = newest_header(places, generation).ok()?;
    Some(Info {
        revision: header.revision,
        seed: header.seed,
        complete: header.is_complete(),
        enumerable: header.is_enumerable(),
    })
}

fn file_name(generation: Generation, push: fn(Generation, &mut PathBuffer)) -> String {
    let mut name = PathBuffer::new();
    push(generation, &mut name);
    name.as_c_str().expect("names are short").to_string_lossy().into_owned()
}

/// Writes a file and its account part. The account part comes first: whoever finds the file has both.
fn write_pair(
    directory: &Path,
    name: &str,
    encoded: &Encoded,
    generation: Generation,
    durability: Durability,
) -> Result<(), PublishError> {
    let account = format!("{name}.account");
    write_stamped((directory, &account), &encoded.account, generation, ACCOUNT_MODE, durability)?;
    if let Err(error) =
        write_stamped((directory, name), &encoded.snapshot, generation, SNAPSHOT_MODE, durability)
    {
        let _ = fs::remove_file(directory.join(account));
        return Err(error);
    }
    if durability == Durability::Synced { sync_directory(directory) } else { Ok(()) }
}

/// The file's bytes, with the generation word in the header.
fn write_stamped(
    path: (&Path, &str),
    bytes: &[u8],
    generation: Generation,
    mode: u32,
    durability: Durability,
) -> Result<(), PublishError> {
    let word = generation.0.to_le_bytes();
    let parts = [&bytes[..GENERATION_OFFSET], &word, &bytes[GENERATION_OFFSET + word.len()..]];
    write_file(path, &parts, mode, durability)
}

/// Writes a file under a temporary name and renames it. What fails leaves nothing behind: on a disk that is full,
/// each attempt would make the next one harder.
fn write_file(
    (directory, name): (&Path, &str),
    parts: &[&[u8]],
    mode: u32,
    durability: Durability,
) -> Result<(), PublishError> {
    let temporary = directory.join(format!("{TEMPORARY}{name}"));
    let write = || {
        let mut file = create(&temporary)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        if durability == Durability::Synced {
            file.sync_all()?;
        }
        fs::rename(&temporary, directory.join(name))
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&temporary);
        PublishError::File(temporary.clone(), error)
    })
}

/// A new file that nobody else can open yet.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn sync_directory(directory: &Path) -> Result<(), PublishError> {
    let sync = || File::open(directory)?.sync_all();
    sync().map_err(|error| PublishError::File(directory.to_owned(), error))
}

fn remove_delta(directory: &Path, generation: Generation) {
    if generation.has_delta() {
        let path = directory.join(file_name(generation, Generation::push_delta_name));
        let _ = fs::remove_file(path.with_extension("account"));
        let _ = fs::remove_file(path);
    }
}

fn c_path(path: &Path) -> Result<CString, PublishError> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| PublishError::File(path.to_owned(), io::ErrorKind::InvalidInput.into()))
}

fn unreadable(path: &Path, trouble: Trouble) -> PublishError {
    PublishError::File(path.to_owned(), io::Error::from_raw_os_error(trouble.errno()))
}

/// The generation page as podyd maps it.
#[derive(Debug)]
struct WritablePage {
    start: NonNull<u8>,
}

// SAFETY: the mapping is of no thread's own, and its words are changed by atomic stores alone.
unsafe impl Send for WritablePage {}
// SAFETY: as above.
unsafe impl Sync for WritablePage {}

impl WritablePage {
    /// Puts a new page in place of the old one, and then marks the old one retired.
    fn replace(run: &Path, generation: Generation) -> Result<Self, PublishError> {
        let path = run.join(std::str::from_utf8(PAGE_NAME).expect("the page's name is ASCII"));
        let temporary = run.join(format!("{TEMPORARY}generation"));
        let replace = || {
            let old = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path)
                .and_then(|file| if is_page(&file)? { Self::map(&file).map(Some) } else { Ok(None) });
            let mut file = create(&temporary)?;
            file.write_all(&page_bytes(generation))?;
            file.set_permissions(Permissions::from_mode(PAGE_MODE))?;
            let page = Self::map(&file)?;
            fs::rename(&temporary, &path)?;
            // Should it be somebody else's, or no page at all: readers look at the path once a second.
            if let Ok(Some(old)) = old {
                old.retire();
            }
            Ok(page)
        };
        replace().map_err(|error| PublishError::File(temporary.clone(), error))
    }

    fn map(file: &File) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let nowhere = std::ptr::null_mut();
        // SAFETY: mmap(2) of a fresh region chosen by the kernel touches no memory that exists.
        let start = unsafe { libc::mmap(nowhere, PAGE_BYTES, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start.cast()).map(|start| Self { start }).ok_or(io::ErrorKind::OutOfMemory.into())
    }

    fn store(&self, generation: Generation) {
        let word = self.start.as_ptr().wrapping_add(WORD_OFFSET).cast();
        // SAFETY: the mapping has 4096 bytes at an address aligned to 4096 and lives as long as `self`;
        // readers load the word atomically.
        unsafe { AtomicU64::from_ptr(word) }.store(generation.0, Ordering::Release);
    }

    fn retire(&self) {
        let state = self.start.as_ptr().wrapping_add(STATE_OFFSET).cast();
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(state) }.store(RETIRED, Ordering::Release);
    }
}

impl Drop for WritablePage {
    fn drop(&mut self) {
        // SAFETY: `start` is that of the mmap(2) in `map`; `self` is gone now.
        unsafe { libc::munmap(self.start.as_ptr().cast(), PAGE_BYTES) };
    }
}

fn is_page(file: &File) -> io::Result<bool> {
    let status = file.metadata()?;
    Ok(status.is_file() && status.len() == PAGE_BYTES as u64)
}

fn page_bytes(generation: Generation) -> Vec<u8> {
    let mut bytes = PAGE_MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(LIVE.to_le_bytes());
    bytes.extend(generation.0.to_le_bytes());
    bytes.resize(PAGE_BYTES, 0);
    bytes
}
