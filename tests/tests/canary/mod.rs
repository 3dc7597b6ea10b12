//! Secrets that occur nowhere else, and a search for them in everything that a machine has kept, written or run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tests::host::Host;
use tests::wait;

/// What the stage itself keeps on a machine, secrets among it; it is not searched.
pub const KNOWN: &str = "/root/known";

/// What is collected to be searched.
const COLLECTED: &str = "/var/tmp/collected";

/// Everything that is written to; programs stand elsewhere.
const PLACES: &str = "/etc /var /run /tmp /root /home /srv /dev/shm";

/// No story takes longer.
const LONGEST: Duration = Duration::from_secs(600);

/// A text that nothing else holds.
pub fn unique() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().trim().replace('-', "")
}

/// Secrets, and how each looks in whatever it may have been written as.
#[derive(Default)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// Has a secret looked for, or the part of it that is unique.
    pub fn add(&mut self, what: &str, text: &str) {
        assert!(text.len() >= 24, "{what} may be there by chance");
        for look in looks(text) {
            self.0.insert(look, what.into());
        }
    }

    /// Where on a machine there is one: places, and what is there.
    pub fn found(&self, host: &Host) -> BTreeSet<(String, String)> {
        let looks: String = self.0.keys().flat_map(|look| [look, "\n"]).collect();
        host.write(&format!("{KNOWN}/looks"), &looks);
        // A record of the journal may be compressed in its file.
        let found = host.run(&format!(
            "mkdir -p {COLLECTED}; journalctl --sync; journalctl --all --output export >{COLLECTED}/journal
             grep -rsaoF -D skip -f {KNOWN}/looks --exclude-dir known {PLACES} | sort -u"
        ));
        found.succeeds().lines().map(|line| self.named(line)).collect()
    }

    fn named(&self, line: &str) -> (String, String) {
        let (place, look) = line.split_once(':').unwrap();
        (place.to_owned(), self.0[look].clone())
    }
}

/// In clear, in URLs, in hexadecimal and in base64, of which it may stand at any place.
pub fn looks(text: &str) -> Vec<String> {
    let escaped = |byte: u8| format!("%{byte:02X}");
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let every: String = text.bytes().map(escaped).collect();
    let reserved: String = text
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).into()
            } else {
                escaped(byte)
            }
        })
        .collect();
    let mut looks = vec![text.to_owned(), hex.to_uppercase(), hex, every.to_lowercase(), every, reserved];
    for before in 0..3 {
        // What a group of three bytes shares with its neighbours looks otherwise each time.
        let within = BASE64_STANDARD.encode([&[0; 3][..before], text.as_bytes()].concat());
        let first = if before == 0 { 0 } else { 4 };
        let whole = (before + text.len()) / 3 * 4;
        looks.push(within[first..whole].to_owned());
        looks.push(within[first..whole].replace('+', "-").replace('/', "_"));
    }
    looks
}

/// Has what is not a file searched, too.
pub fn collect(host: &Host, name: &str, content: &[u8]) {
    host.run(&format!("mkdir -p {COLLECTED}")).succeeds();
    let path = host.path(&format!("{COLLECTED}/{name}"));
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(content).unwrap();
}

/// Keeps the arguments and environments of all processes that there are on this machine, in its containers, too.
pub struct Processes {
    enough: Arc<AtomicBool>,
    seen: JoinHandle<BTreeSet<Vec<u8>>>,
}

impl Processes {
    /// Begins to look at them, again and again.
    pub fn watch() -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let is_enough = Arc::clone(&enough);
        let seen = thread::spawn(move || {
            let mut seen = BTreeSet::new();
            wait::comes_true(LONGEST, || {
                look(&mut seen);
                is_enough.load(Ordering::Relaxed)
            });
            seen
        });
        Self { enough, seen }
    }

    /// Everything that was seen.
    pub fn seen(self) -> Vec<u8> {
        self.enough.store(true, Ordering::Relaxed);
        let seen = self.seen.join().expect("what it complained of stands above");
        seen.into_iter().flat_map(|text| [text, b"\n".to_vec()].concat()).collect()
    }
}

fn look(seen: &mut BTreeSet<Vec<u8>>) {
    for process in fs::read_dir("/proc").unwrap().flatten() {
        for of_it in ["cmdline", "environ"] {
            // It may have ended, or be no process.
            let Ok(text) = fs::read(process.path().join(of_it)) else { continue };
            seen.insert(text);
        }
    }
}
