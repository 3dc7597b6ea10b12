//! Who is local: the names and ids of /etc/passwd and /etc/group. They are never served, whatever a snapshot says.
//!
//! `files` is asked before us, and that is not enough: asked for the name of a uid of ours, a forged snapshot could
//! answer with a local person's, and sudo and crontab would take the caller for that person.
//!
//! The files are read whenever a generation is mapped, into a sieve, so that a lookup makes no system call for them.
//! What the sieve keeps back (whoever is local, and by chance one in hundreds of others) is looked for in the file.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU64, Ordering};

use identity::{Gid, Uid};
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

    /// Reads both files. One that is missing holds nobody; one that cannot be read is trouble.
    pub fn read(&self) -> Result<(), Trouble> {
        each_key(self.passwd, &mut |key| self.sieves.users.add(key))?;
        each_key(self.group, &mut |key| self.sieves.groups.add(key))
    }

    /// Whether a user of this name, or with one of these ids, would pass for a local one.
    #[inline(never)]
    pub fn hold_user(&self, name: &[u8], uid: Uid, gid: Gid) -> Result<bool, Trouble> {
        let user = [Key::of_name(name), Key::of_id(uid.0)];
        Ok(self.sieves.users.holds(&user, self.passwd)? || self.hold_gid(gid)?)
    }

    /// Whether a local user has this name.
    pub fn hold_user_name(&self, name: &[u8]) -> Result<bool, Trouble> {
        self.sieves.users.holds(&[Key::of_name(name)], self.passwd)
    }

    /// Whether a group of this name or id would pass for a local one.
    #[inline(never)]
    pub fn hold_group(&self, name: &[u8], gid: Gid) -> Result<bool, Trouble> {
        self.sieves.groups.holds(&[Key::of_name(name), Key::of_id(gid.0)], self.group)
    }

    /// Whether a local group has this id.
    #[inline(never)]
    pub fn hold_gid(&self, gid: Gid) -> Result<bool, Trouble> {
        self.sieves.groups.holds(&[Key::of_id(gid.0)], self.group)
    }
}

/// 1 KiB: with a hundred local accounts it keeps back one stranger in four hundred.
const WORDS: usize = 128;

/// A Bloom filter of a file's keys. Keys are added and never removed, by any thread at any time: an account that
/// was local once costs a look into the file.
struct Sieve {
    words: [AtomicU64; WORDS],
}

impl Sieve {
    const fn new() -> Self {
        Self { words: [const { AtomicU64::new(0) }; WORDS] }
    }

    fn add(&self, key: Key) {
        for (word, bit) in key.bits() {
            if let Some(word) = self.words.get(word) {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    /// Whether the file has one of the keys.
    #[inline]
    fn holds(&self, keys: &[Key], file: &CStr) -> Result<bool, Trouble> {
        Ok(keys.iter().any(|key| self.may_hold(*key)) && has_one_of(file, keys)?)
    }

    #[inline]
    fn may_hold(&self, key: Key) -> bool {
        let is_set = |(word, bit): (usize, u64)| {
            self.words.get(word).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
        };
        key.bits().into_iter().all(is_set)
    }
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

    /// Two bits: the words that they lie in, and which ones they are there.
    #[inline]
    fn bits(self) -> [(usize, u64); 2] {
        [self.0 >> 20, self.0 >> 40].map(|number| (number as usize / 64 % WORDS, 1 << (number % 64)))
    }
}

#[cold]
#[inline(never)]
fn has_one_of(file: &CStr, keys: &[Key]) -> Result<bool, Trouble> {
    let mut found = false;
    each_key(file, &mut |key| found |= keys.contains(&key))?;
    Ok(found)
}

/// Gives the keys of each line of a file in the format of passwd(5) or group(5): the name and, if the third field
/// is a number, the id.
#[inline(never)]
fn each_key(file: &CStr, take: &mut dyn FnMut(Key)) -> Result<(), Trouble> {
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
    /// The number in the third field, as long as it is one.
    id: Option<u32>,
}

impl Line {
    const NEW: Self = Self { field: 0, name: Key::NO_NAME, id: Some(0) };

    fn read(&mut self, byte: u8, take: &mut dyn FnMut(Key)) {
        match (byte, self.field) {
            (b'\n', field) => {
                if field >= 1 {
                    take(self.name);
                }
                if let (2.., Some(id)) = (field, self.id) {
                    take(Key::of_id(id));
                }
                *self = Self::NEW;
            }
            (b':', _) => self.field = self.field.saturating_add(1),
            // As glibc's `files`, which passes over blanks before a name.
            (b' ' | b'\t', 0) if self.name == Key::NO_NAME => {}
            (_, 0) => self.name = self.name.with(byte),
            (b'0'..=b'9', 2) => self.id = self.id.and_then(|id| appended(id, byte)),
            (_, 2) => self.id = None,
            _ => {}
        }
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
        local.read().unwrap();
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
        let user = |name: &str, uid, gid| local.hold_user(name.as_bytes(), Uid(uid), Gid(gid)).unwrap();
        assert!(user("bob", 70_000, 70_000) && user("x", 1000, 70_000) && user("x", 70_000, 80_000));
        assert!(user("last", 70_000, 70_000) && user("x", 1001, 70_000) && user("x", 0, 1));
        for name in ["ada", "bo", "bobb", "x", "eve", "", "physics", "Bob", "#"] {
            assert!(!user(name, 70_000, 70_000), "{name}");
        }
        assert!(!user("x", 7, 8) && !user("x", 9, 9));
        let group = |name: &str, gid| local.hold_group(name.as_bytes(), Gid(gid)).unwrap();
        assert!(group("physics", 1) && group("x", 80_001) && group("bad", 1));
        assert!(!group("ada", 1) && !group("x", 80) && !group("x", 8_000_002) && !group("bob", 1000));
        assert!(local.hold_gid(Gid(80_000)).unwrap() && !local.hold_gid(Gid(1000)).unwrap());
        assert!(local.hold_user_name(b"bob").unwrap() && !local.hold_user_name(b"physics").unwrap());
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
            assert!(local.hold_user(b"x", Uid(2000 + n), Gid(1)).unwrap());
            assert!(
                !local.hold_user(format!("other{n}").as_bytes(), Uid(70_000 + n), Gid(2000 + n)).unwrap()
            );
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
        assert!(strangers < 100 && ids < 100, "{strangers} names and {ids} ids of 10 000");
    }

    #[test]
    fn a_missing_file_holds_nobody_and_an_unreadable_one_is_trouble() {
        let home = Home::new();
        let sieves = || Box::leak(Box::new(Sieves::new()));
        let gone = LocalAccounts::new(c"/nonexistent/passwd", c"/nonexistent/group", sieves());
        gone.read().unwrap();
        assert!(!gone.hold_user(b"ada", Uid(0), Gid(0)).unwrap());
        let directory = LocalAccounts::new(leak(home.path("cache")), c"/nonexistent/group", sieves());
        assert_eq!(directory.read(), Err(Trouble::System(libc::EISDIR)));
    }
}
