//! From directories to a view: which generation is current, and its files mapped.

use core::ffi::CStr;

use crate::file::File;
use crate::layout::{CURRENT_BYTES, CURRENT_MAGIC, HEADER_BYTES, Header, Kind, u64_at};
use crate::map::{Map, Trust, read_small};
use crate::{AccountView, Generation, GenerationPage, Identity, PathBuffer, Places, Trouble, View};

/// How often the word is read again when its files are gone: podyd was replacing them at that moment.
/// Each try finds a newer word, unless somebody removed the files and left the word.
const ATTEMPTS: usize = 16;

/// One file, mapped, its header checked.
#[derive(Debug)]
pub struct MappedFile {
    map: Map,
    header: Header,
}

impl MappedFile {
    fn open(path: &CStr, trust: Trust, kind: Kind, generation: Generation) -> Result<Self, Trouble> {
        let map = Map::open(path, trust, HEADER_BYTES, usize::MAX)?;
        let header = Header::read(map.bytes(), kind).ok_or(Trouble::Unusable)?;
        if header.generation != generation.0 {
            return Err(Trouble::Unusable);
        }
        Ok(Self { map, header })
    }

    fn file(&self) -> File<'_> {
        File { bytes: self.map.bytes(), header: &self.header }
    }

    /// Whether both are one mapping.
    pub fn is_same_mapping(&self, other: &Self) -> bool {
        self.map.start() == other.map.start()
    }

    /// The same mapping once more, for a reader that keeps several generations over one base. Whoever
    /// calls this sees to it that only one of all duplicates is dropped, the last.
    pub fn duplicate(&self) -> Self {
        Self { map: self.map.duplicate(), header: self.header }
    }
}

/// How a generation was found, and so how a later one is noticed.
#[derive(Debug)]
pub enum Source {
    /// By the page.
    Page(GenerationPage),
    /// There was no page: by the file `current`, which is replaced at each change.
    Current(Identity),
}

/// A generation's files, mapped.
#[derive(Debug)]
pub struct Loaded {
    /// Which one.
    pub generation: Generation,
    /// How it was found.
    pub source: Source,
    /// Its base.
    pub base: MappedFile,
    /// Its delta.
    pub delta: Option<MappedFile>,
}

impl Loaded {
    /// Maps what is current. `known` is a base that the caller has mapped already: it is
    /// [duplicated](MappedFile::duplicate) if the generation has the same.
    pub fn open(places: Places<'_>, known: Option<&MappedFile>) -> Result<Self, Trouble> {
        let trust = Trust::owner_of(places.cache)?;
        let mut trouble = Trouble::Missing;
        for _ in 0..ATTEMPTS {
            let (generation, source) = current(places, trust)?;
            match Self::of(places, trust, generation, known) {
                Ok((base, delta)) => return Ok(Self { generation, source, base, delta }),
                Err(Trouble::Missing) => trouble = Trouble::Missing,
                Err(other) => {
                    trouble = other;
                    break;
                }
            }
        }
        Err(trouble)
    }

    fn of(
        places: Places<'_>,
        trust: Trust,
        generation: Generation,
        known: Option<&MappedFile>,
    ) -> Result<(MappedFile, Option<MappedFile>), Trouble> {
        let delta = open_delta(places, trust, generation, Kind::Delta)?;
        let base = match known {
            Some(base) if base.header.generation == generation.base().0 => base.duplicate(),
            _ => open_base(places, trust, generation, Kind::Base)?,
        };
        Ok((base, delta))
    }

    /// What its base holds, without the delta: what the next delta is made against.
    pub fn base_view(&self) -> View<'_> {
        View::new(self.base.file(), None)
    }

    /// What it holds.
    pub fn view(&self) -> View<'_> {
        View::new(self.base.file(), self.delta.as_ref().map(MappedFile::file))
    }
}

/// The account part of a generation, mapped. Only root can.
#[derive(Debug)]
pub struct LoadedAccounts {
    base: MappedFile,
    delta: Option<MappedFile>,
}

impl LoadedAccounts {
    /// Maps what is current.
    pub fn open(places: Places<'_>) -> Result<Self, Trouble> {
        let trust = Trust::owner_of(places.cache)?;
        let mut trouble = Trouble::Missing;
        for _ in 0..ATTEMPTS {
            let (generation, _) = current(places, trust)?;
            match Self::of(places, trust, generation) {
                Err(Trouble::Missing) => trouble = Trouble::Missing,
                other => return other,
            }
        }
        Err(trouble)
    }

    fn of(places: Places<'_>, trust: Trust, generation: Generation) -> Result<Self, Trouble> {
        let delta = open_delta(places, trust, generation, Kind::DeltaAccounts)?;
        Ok(Self { base: open_base(places, trust, generation, Kind::BaseAccounts)?, delta })
    }

    /// What it holds.
    pub fn view(&self) -> AccountView<'_> {
        AccountView::new(self.base.file(), self.delta.as_ref().map(MappedFile::file))
    }
}

/// The header of the delta of `generation` or, without one, of its base, if all its files are sound.
#[cfg(any(test, feature = "std"))]
pub(crate) fn newest_header(places: Places<'_>, generation: Generation) -> Result<Header, Trouble> {
    let trust = Trust::owner_of(places.cache)?;
    let (base, delta) = Loaded::of(places, trust, generation, None)?;
    LoadedAccounts::of(places, trust, generation)?;
    Ok(delta.unwrap_or(base).header)
}

/// What the page says or, without one that can be used, the file `current`.
fn current(places: Places<'_>, trust: Trust) -> Result<(Generation, Source), Trouble> {
    let (generation, source) = match GenerationPage::open(places, trust) {
        Ok(page) => (page.generation(), Source::Page(page)),
        Err(_) => {
            let (generation, identity) = read_current(places, trust)?;
            (generation, Source::Current(identity))
        }
    };
    if generation == Generation::NONE { Err(Trouble::Missing) } else { Ok((generation, source)) }
}

/// What the file `current` names.
pub(crate) fn read_current(places: Places<'_>, trust: Trust) -> Result<(Generation, Identity), Trouble> {
    let mut buffer = [0; CURRENT_BYTES + 1];
    let path = current_path(places);
    let (bytes, identity) = read_small(path.as_c_str().ok_or(Trouble::Missing)?, trust, &mut buffer)?;
    if bytes.len() != CURRENT_BYTES || bytes.get(..8) != Some(&CURRENT_MAGIC) {
        return Err(Trouble::Unusable);
    }
    Ok((Generation(u64_at(bytes, 8).ok_or(Trouble::Unusable)?), identity))
}

/// Where `current` is.
pub fn current_path(places: Places<'_>) -> PathBuffer {
    let mut path = PathBuffer::within(places.cache);
    path.push(b"current");
    path
}

fn open_base(
    places: Places<'_>,
    trust: Trust,
    generation: Generation,
    kind: Kind,
) -> Result<MappedFile, Trouble> {
    let mut path = PathBuffer::within(places.cache);
    generation.push_base_name(&mut path);
    open_kind(path, trust, kind, generation.base())
}

/// The delta: of the run directory or, after a reboot, of the cache.
fn open_delta(
    places: Places<'_>,
    trust: Trust,
    generation: Generation,
    kind: Kind,
) -> Result<Option<MappedFile>, Trouble> {
    if !generation.has_delta() {
        return Ok(None);
    }
    let open = |directory| {
        let mut path = PathBuffer::within(directory);
        generation.push_delta_name(&mut path);
        open_kind(path, trust, kind, generation)
    };
    match open(places.run) {
        Err(Trouble::Missing) => open(places.cache).map(Some),
        other => other.map(Some),
    }
}

fn open_kind(
    mut path: PathBuffer,
    trust: Trust,
    kind: Kind,
    generation: Generation,
) -> Result<MappedFile, Trouble> {
    if matches!(kind, Kind::BaseAccounts | Kind::DeltaAccounts) {
        path.push(b".account");
    }
    MappedFile::open(path.as_c_str().ok_or(Trouble::Missing)?, trust, kind, generation)
}
