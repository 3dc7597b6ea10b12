//! A place of its own for a snapshot, and a process that looks there.

use std::ffi::{CStr, CString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use identity::{Gid, Name, Uid};
use snapshot::{Account, BaseEncoder, DeltaEncoder, Encoded, Info, Places, Publisher, UserEntry};

use crate::answer::Refusal;
use crate::local::{LocalAccounts, Sieves};
use crate::process::{Mappings, Process};

pub const INFO: Info = Info { revision: 1, seed: 11, complete: true, enumerable: true };

/// Directories that vanish with the test. Their names do not: the module knows its paths for ever.
pub struct Home {
    root: PathBuf,
    pub places: Places<'static>,
}

impl Home {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("nss-pody-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(unique);
        let [cache, run] = ["cache", "run"].map(|part| {
            fs::create_dir_all(root.join(part)).unwrap();
            leak(root.join(part))
        });
        Self { root, places: Places { cache, run } }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn publisher(&self) -> Publisher {
        Publisher::start(&self.path("cache"), &self.path("run"), 1).unwrap()
    }

    pub fn process(&self) -> &'static Process {
        let mappings = Box::leak(Box::new(Mappings::new()));
        let [ranges, passwd, group] = ["id-ranges", "passwd", "group"].map(|name| leak(self.path(name)));
        let local = LocalAccounts::new(passwd, group, Box::leak(Box::new(Sieves::new())));
        Box::leak(Box::new(Process::new(self.places, ranges, local, mappings)))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

pub fn leak(path: PathBuf) -> &'static CStr {
    Box::leak(CString::new(path.as_os_str().as_bytes()).unwrap().into_boxed_c_str())
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn user(text: &str, uid: u32) -> UserEntry<'_> {
    UserEntry {
        name: name(text),
        uid: Uid(uid),
        gid: Gid(uid),
        gecos: "Ada Lovelace",
        home: "/home/ada",
        shell: "/bin/bash",
        groups: &[Gid(80_000)],
        account: Account::default(),
    }
}

pub fn base(users: &[(&str, u32)]) -> Encoded {
    let mut encoder = BaseEncoder::new(INFO);
    for (text, uid) in users {
        encoder.user(&user(text, *uid)).unwrap();
    }
    encoder.group(name("physics"), Gid(80_000), users.iter().map(|(text, _)| name(text))).unwrap();
    encoder.finish().unwrap()
}

pub fn delta(text: &str, uid: u32) -> Encoded {
    let mut encoder = DeltaEncoder::new(INFO);
    encoder.user(&user(text, uid)).unwrap();
    encoder.finish().unwrap()
}

/// The uid that a lookup finds.
pub fn uid_of(process: &Process, name: &str) -> Result<u32, Refusal> {
    crate::lookup::user_by_name(process, name.as_bytes(), |user| Ok(user.uid.0))
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
