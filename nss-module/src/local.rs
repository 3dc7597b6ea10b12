//! Who is local: the names and ids of /etc/passwd and /etc/group. They are never served, whatever a snapshot says.
//!
//! `files` is asked before us, and that is not enough: asked for the name of a uid of ours, a forged snapshot could
//! answer with a local person's, and sudo and crontab would take the caller for that person.
//!
//! The files are read whenever a generation is mapped, into a sieve, so that a lookup makes no system call for them.
//! What the sieve keeps back (whoever is local, and by chance one in thousands of others) is looked for in the file.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use snapshot::{Trouble, read_in_chunks};

/// The local accounts, as of when a generation was last mapped.
#[derive(Clone, Copy)]
pub struct LocalAccounts {
    passwd: &'static CStr,
    group: &'static CStr,
    sieves: &'static Sieves,
}

/// What a process keeps of both files.
pub struct Sieves {
    users: Sieve,
    groups: Sieve,
}

impl Sieves {
    /// Nobody is local yet: all zeros, so that a process that looks nobody up pays for no page of this.
    pub const fn new() -> Self {
        Self { users: Sieve::new(), groups: Sieve::new() }
    }
}

impl LocalAccounts {
    /// Of the files `passwd` and `group`, which are not read yet.
    pub const fn new(passwd: &'static CStr, group: &'static CStr, sieves: &'static Sieves) -> Self {
        Self { passwd, group, sieves }
    }

    /// Reads both files, and gives `take` every id. A file that is missing holds nobody; one that cannot be read is
    /// trouble.
    pub fn read(&self, take: &mut dyn FnMut(u32)) -> Result<(), Trouble> {
        for (file, sieve) in [(self.passwd, &self.sieves.users), (self.group, &self.sieves.groups)] {
            each_entry(file, &mut |entry| {
                sieve.add(entry.key());
                match entry {
                    Entry::Name(_, shape) => sieve.add_shape(shape),
                    Entry::Id(id) => take(id),
                }
            })?;
        }
        Ok(())
    }

    /// Whether a local user has this name.
    #[inline(never)]
    pub fn hold_user_name(&self, name: &[u8]) -> Result<bool, Trouble> {
        self.sieves.users.holds_name(name, self.passwd)
    }

    /// Whether a local user has this id.
    #[inline(never)]
    pub fn hold_uid(&self, uid: u32) -> Result<bool, Trouble> {
        self.sieves.users.holds(Key::of_id(uid), self.passwd)
    }

    /// Whether a local group has this name.
    #[inline(never)]
    pub fn hold_group_name(&self, name: &[u8]) -> Result<bool, Trouble> {
        self.sieves.groups.holds_name(name, self.group)
    }

    /// Whether a local group has this id.
    #[inline(never)]
    pub fn hold_gid(&self, gid: u32) -> Result<bool, Trouble> {
        self.sieves.groups.holds(Key::of_id(gid), self.group)
    }
}

/// 1 KiB: with a hundred local accounts it keeps back one stranger in ten thousand.
const WORDS: usize = 128;

/// A Bloom filter of a file's keys. Keys are added and never removed, by any thread at any time: an account that
/// was local once costs a look into the file.
struct Sieve {
    /// For each first letter the lengths of the names, a bit each: most strangers are told by that.
    shapes: [AtomicU32; 32],
    words: [AtomicU64; WORDS],
}

impl Sieve {
    const fn new() -> Self {
        Self { shapes: [const { AtomicU32::new(0) }; 32], words: [const { AtomicU64::new(0) }; WORDS] }
    }

    fn add_shape(&self, (letter, length): Shape) {
        if let Some(lengths) = self.shapes.get(letter) {
            lengths.fetch_or(length, Ordering::Relaxed);
        }
    }

    /// Whether the file has the name.
    #[inline]
    fn holds_name(&self, name: &[u8], file: &CStr) -> Result<bool, Trouble> {
        let (letter, length) = shape(name.first(), name.len());
        let known =
            self.shapes.get(letter).is_some_and(|lengths| lengths.load(Ordering::Relaxed) & length != 0);
        Ok(known && self.holds(Key::of_name(name), file)?)
    }

    fn add(&self, key: Key) {
        for (word, bit) in key.bits() {
            if let Some(word) = self.words.get(word) {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    /// Whether the file has the key.
    #[inline]
    fn holds(&self, key: Key, file: &CStr) -> Result<bool, Trouble> {
        Ok(self.may_hold(key) && file_has(file, key)?)
    }

    #[inline]
    fn may_hold(&self, key: Key) -> bool {
        let is_set = |(word, bit): (usize, u64)| {
            self.words.get(word).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
        };
        key.bits().into_iter().all(is_set)
    }
}

/// The place of a name's first letter, and the bit of its length.
type Shape = (usize, u32);

#[inline]
fn shape(first: Option<&u8>, length: usize) -> Shape {
    (usize::from(first.map_or(0, |first| first % 32)), 1 << (length % 32))
}

/// A name or an id, hashed. Two names that collide in all 64 bits do no harm: the stranger is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(u64);

/// FNV-1a, byte by byte: a name may stand across two chunks of the file.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

impl Key {
    const NO_NAME: Self = Self(FNV_OFFSET);

    #[inline]
    fn of_name(name: &[u8]) -> Self {
        name.iter().fold(Self::NO_NAME, |key, byte| key.with(*byte))
    }

    #[inline]
    const fn with(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(FNV_PRIME))
    }

    /// Fibonacci hashing.
    #[inline]
    const fn of_id(id: u32) -> Self {
        Self((id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Four bits: the words that they lie in, and which ones they are there. A stranger nearly always fails at the
    /// first of them.
    #[inline]
    fn bits(self) -> [(usize, u64); 4] {
        [12, 25, 38, 51].map(|shift| {
            let number = self.0 >> shift;
            (number as usize / 64 % WORDS, 1 << (number % 64))
        })
    }
}

#[cold]
#[inline(never)]
fn file_has(file: &CStr, key: Key) -> Result<bool, Trouble> {
    let mut found = false;
    each_entry(file, &mut |entry| found |= entry.key() == key)?;
    Ok(found)
}

/// What a line holds.
#[derive(Clone, Copy)]
enum Entry {
    Name(Key, Shape),
    Id(u32),
}

impl Entry {
    fn key(self) -> Key {
        match self {
            Self::Name(key, _) => key,
            Self::Id(id) => Key::of_id(id),
        }
    }
}

/// Gives what each line of a file in the format of passwd(5) or group(5) holds: the name and, if the third field is
/// a number, the id.
#[inline(never)]
fn each_entry(file: &CStr, take: &mut dyn FnMut(Entry)) -> Result<(), Trouble> {
    let mut line = Line::NEW;
    read_in_chunks(file, |chunk| chunk.iter().for_each(|byte| line.read(*byte, take)))?;
    // The last line may have no end.
    line.read(b'\n', take);
    Ok(())
}

/// A line that is being read.
struct Line {
    /// Which field this is, from 0.
    field: u32,
    name: Key,
    first: u8,
    length: usize,
    /// The number in the third field, as long as it is one.
    id: Option<u32>,
}

impl Line {
    const NEW: Self = Self { field: 0, name: Key::NO_NAME, first: 0, length: 0, id: Some(0) };

    fn read(&mut self, byte: u8, take: &mut dyn FnMut(Entry)) {
        match (byte, self.field) {
            (b'\n', field) => {
                if field >= 1 {
                    take(Entry::Name(self.name, shape(Some(&self.first), self.length)));
                }
                if let (2.., Some(id)) = (field, self.id) {
                    take(Entry::Id(id));
                }
                *self = Self::NEW;
            }
            (b':', _) => self.field = self.field.saturating_add(1),
            // As glibc's `files`, which passes over blanks before a name.
            (b' ' | b'\t', 0) if self.name == Key::NO_NAME => {}
            (_, 0) => self.append(byte),
            (b'0'..=b'9', 2) => self.id = self.id.and_then(|id| appended(id, byte)),
            (_, 2) => self.id = None,
            _ => {}
        }
    }
}

impl Line {
    fn append(&mut self, byte: u8) {
        if self.length == 0 {
            self.first = byte;
        }
        self.name = self.name.with(byte);
        self.length = self.length.saturating_add(1);
    }
}

fn appended(number: u32, digit: u8) -> Option<u32> {
    number.checked_mul(10)?.checked_add(u32::from(digit.checked_sub(b'0')?))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::fs;

    use super::*;
    use crate::tests::home::{Home, leak};

    fn local(home: &Home, passwd: &str, group: &str) -> LocalAccounts {
        let [passwd, group] = [("passwd", passwd), ("group", group)].map(|(name, text)| {
            fs::write(home.path(name), text).unwrap();
            leak(home.path(name))
        });
        let local = LocalAccounts::new(passwd, group, Box::leak(Box::new(Sieves::new())));
        local.read(&mut |_| ()).unwrap();
        local
    }

    #[test]
    fn who_has_the_name_or_an_id_of_a_local_account_is_held() {
        let home = Home::new();
        let local = local(
            &home,
            "root:x:0:0:root:/root:/bin/sh\n  bob:x:1000:1000:Bob:7:8\n# eve\n+\nlast:x:1001:9",
            "physics:x:80000:ada\nempty::80001:\nbad:x:80x02:\n",
        );
        let user = |name: &str| local.hold_user_name(name.as_bytes()).unwrap();
        assert!(user("bob") && user("last") && user("root"));
        for name in ["ada", "bo", "bobb", "x", "eve", "", "physics", "Bob", "#"] {
            assert!(!user(name), "{name}");
        }
        for (id, held) in [(0, true), (1000, true), (1001, true), (7, false), (9, false), (80_000, false)] {
            assert_eq!(local.hold_uid(id).unwrap(), held, "{id}");
        }
        let group = |name: &str| local.hold_group_name(name.as_bytes()).unwrap();
        assert!(group("physics") && group("empty") && group("bad") && !group("ada") && !group("bob"));
        for (id, held) in [(80_000, true), (80_001, true), (80, false), (8_000_002, false), (1000, false)] {
            assert_eq!(local.hold_gid(id).unwrap(), held, "{id}");
        }
    }

    #[test]
    fn every_id_of_both_files_is_told() {
        let home = Home::new();
        let local = local(&home, "ada:x:5:6:::\nbob::7", "physics:x:8:\nbad:x:y:\n");
        let mut ids = Vec::new();
        local.read(&mut |id| ids.push(id)).unwrap();
        assert_eq!(ids, [5, 7, 8]);
    }

    #[test]
    fn the_sieve_never_lets_a_local_name_through_and_never_keeps_a_stranger() {
        let home = Home::new();
        let lines = (0..5000).fold(String::new(), |mut text, n| {
            writeln!(text, "local{n}:x:{}:{}:::", 2000 + n, 2000 + n).unwrap();
            text
        });
        let local = local(&home, &lines, "");
        for n in (0..5000).step_by(97) {
            assert!(local.hold_user_name(format!("local{n}").as_bytes()).unwrap());
            assert!(local.hold_uid(2000 + n).unwrap());
            assert!(!local.hold_user_name(format!("other{n}").as_bytes()).unwrap());
            assert!(!local.hold_uid(70_000 + n).unwrap() && !local.hold_gid(2000 + n).unwrap());
        }
    }

    #[test]
    fn with_ordinary_local_accounts_strangers_need_no_second_look() {
        let home = Home::new();
        let lines = (0..100).fold(String::new(), |mut text, n| {
            writeln!(text, "local{n}:x:{}:{}:::", 1000 + n, 1000 + n).unwrap();
            text
        });
        let local = local(&home, &lines, "");
        // With the file gone, a second look finds nobody: what is kept back is counted by the sieve itself.
        let kept = |key: Key| local.sieves.users.may_hold(key);
        let strangers = (0..10_000_u32).filter(|n| kept(Key::of_name(format!("user{n}").as_bytes()))).count();
        let ids = (0..10_000_u32).filter(|n| kept(Key::of_id(1_900_000_000 + n))).count();
        assert!(strangers < 20 && ids < 20, "{strangers} names and {ids} ids of 10 000");
    }

    #[test]
    fn a_missing_file_holds_nobody_and_an_unreadable_one_is_trouble() {
        let home = Home::new();
        let sieves = || Box::leak(Box::new(Sieves::new()));
        let gone = LocalAccounts::new(c"/nonexistent/passwd", c"/nonexistent/group", sieves());
        gone.read(&mut |_| ()).unwrap();
        assert!(!gone.hold_user_name(b"ada").unwrap() && !gone.hold_uid(0).unwrap());
        let directory = LocalAccounts::new(leak(home.path("cache")), c"/nonexistent/group", sieves());
        assert_eq!(directory.read(&mut |_| ()), Err(Trouble::System(libc::EISDIR)));
    }
}
