//! A private copy of this machine with the modules installed and a snapshot that the story itself publishes, in
//! podyd's place and as podyd's user. podyd does not run: what a program then sees is the modules' own doing.
#![allow(dead_code, reason = "each file of stories uses its own part")]

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use identity::{Gid, Uid};
use snapshot::{Account, BaseEncoder, DeltaEncoder, Encoded, Info, Publisher, UserEntry};
use tests::host::{Host, Outcome};
use tests::paths;
use tests::sandbox::Sandbox;

/// Inside the range that is installed in /etc/pody/id-ranges.
pub const ADA: u32 = 1_900_000_001;
pub const PHYSICS: u32 = 1_900_000_100;

/// Whom and what the stories know: ada, who is in physics.
pub const PEOPLE: &[Someone<'_>] = &[Someone { name: "ada", uid: ADA, gid: ADA, groups: &[PHYSICS] }];
pub const GROUPS: &[(&str, u32, &[&str])] = &[("ada", ADA, &[]), ("physics", PHYSICS, &["ada"])];

/// A user as a snapshot may show one, whatever podyd would think of it.
#[derive(Clone, Copy)]
pub struct Someone<'a> {
    pub name: &'a str,
    pub uid: u32,
    pub gid: u32,
    pub groups: &'a [u32],
}

/// A node whose snapshot is the story's.
pub struct Node {
    sandbox: Sandbox,
}

impl Node {
    /// The modules are installed, in nsswitch.conf too, and nothing was ever published.
    pub fn bare() -> Self {
        let sandbox = Sandbox::plain();
        sandbox.install_pody();
        sandbox.run("install -d -o pody -g pody -m 0755 /var/cache/pody /run/pody").succeeds();
        Self { sandbox }
    }

    /// With ada and her groups.
    pub fn with_ada() -> Self {
        let node = Self::bare();
        node.publish(PEOPLE, GROUPS);
        node
    }

    /// Publishes a base, as podyd does.
    pub fn publish(&self, people: &[Someone<'_>], groups: &[(&str, u32, &[&str])]) {
        publish(self, people, groups);
    }

    /// Runs the probe as root, step by step; panics if it fails.
    #[track_caller]
    pub fn probe(&self, steps: &[&str]) -> Vec<String> {
        lines(&self.run(&probe(steps)).succeeds())
    }
}

impl Deref for Node {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.sandbox
    }
}

/// Publishes a base of these on a host, in files that belong to podyd's user.
pub fn publish(host: &Host, people: &[Someone<'_>], groups: &[(&str, u32, &[&str])]) {
    publisher(host).publish_base(&base(people, groups)).unwrap();
    host.run("chown -R pody:pody /var/cache/pody /run/pody").succeeds();
}

/// Publishes as podyd does. The files belong to root, which readers believe too.
pub fn publisher(host: &Host) -> Publisher {
    Publisher::start(&host.path("/var/cache/pody"), &host.path("/run/pody"), 1).unwrap()
}

pub const INFO: Info = Info { revision: 1, seed: 7, complete: true, enumerable: true };

pub fn base(people: &[Someone<'_>], groups: &[(&str, u32, &[&str])]) -> Encoded {
    let mut encoder = BaseEncoder::new(INFO);
    for someone in people {
        add(someone, |entry| encoder.user(entry).unwrap());
    }
    for (name, gid, members) in groups {
        let members = members.iter().map(|member| member.parse().unwrap());
        encoder.group(name.parse().unwrap(), Gid(*gid), members).unwrap();
    }
    encoder.finish().unwrap()
}

/// One user, new or changed.
pub fn delta(someone: &Someone<'_>) -> Encoded {
    let mut encoder = DeltaEncoder::new(INFO);
    add(someone, |entry| encoder.user(entry).unwrap());
    encoder.finish().unwrap()
}

fn add(someone: &Someone<'_>, mut add: impl FnMut(&UserEntry<'_>)) {
    let groups: Vec<Gid> = someone.groups.iter().map(|gid| Gid(*gid)).collect();
    add(&UserEntry {
        name: someone.name.parse().unwrap(),
        uid: Uid(someone.uid),
        gid: Gid(someone.gid),
        gecos: "",
        home: "/tmp",
        shell: "/bin/sh",
        groups: &groups,
        account: Account::default(),
    });
}

/// The command that runs the probe (tests/src/bin/probe) step by step.
pub fn probe(steps: &[&str]) -> String {
    let quoted: Vec<String> = steps.iter().map(|step| format!("'{}'", step.replace('\'', r"'\''"))).collect();
    format!("{} {}", paths::built("probe").display(), quoted.join(" "))
}

pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// What the probe says of an errno.
pub fn error(name: &str, errno: i32) -> String {
    format!("{name} error {errno}")
}

/// Panics unless a command failed by itself: no signal ended it, and it did not hang.
#[track_caller]
pub fn refused(outcome: Outcome) -> Outcome {
    assert!((1..=127).contains(&outcome.status) && outcome.status != 124, "{outcome:#?}");
    outcome
}

/// bob comes and goes; ada is there throughout.
pub const BOB: Someone<'_> =
    Someone { name: "bob", uid: 1_900_000_002, gid: 1_900_000_002, groups: &[PHYSICS] };

/// Runs the probe while deltas and, now and then, bases are published as fast as they can be.
#[track_caller]
pub fn while_podyd_publishes(node: &Host, steps: &[&str]) -> Vec<String> {
    let mut publisher = publisher(node);
    publisher.publish_base(&base(PEOPLE, GROUPS)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        let published = threads.spawn(|| {
            let mut count = 0_u32;
            while !done.load(Ordering::Relaxed) {
                count += 1;
                match count % 50 {
                    0 => publisher.publish_base(&base(PEOPLE, GROUPS)).unwrap(),
                    _ => publisher.publish_delta(&delta(&BOB)).unwrap(),
                };
            }
            count
        });
        let outcome = node.run(&probe(steps));
        done.store(true, Ordering::Relaxed);
        let count = published.join().unwrap();
        assert!(count > 20, "only {count} snapshots were published");
        lines(&outcome.succeeds())
    })
}
