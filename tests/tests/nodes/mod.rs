//! Three booted Debians, one of which serves its directory to the others.
#![allow(dead_code, reason = "each file of stories uses its own part")]

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use tests::host::Host;
use tests::network::Network;
use tests::paths;
use tests::wait;

/// What takes a fraction of a second has come to nothing after this, on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The number of the node that serves, and of one that consumes.
pub const A: usize = 0;
pub const B: usize = 1;

/// What the nodes have in common.
pub const TOKEN: &str = "story-token-5f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// The cheapest hash that podyd accepts: the nodes share two processors.
pub const CHEAP_HASH: &str = "[password]\nmemory_kib = 7168\npasses = 5\n";

/// One lookup in so many may be late: on a machine that is short of memory, the kernel has somebody wait now and then, whatever
/// was asked. Lookups that wait for a service all do.
const BY_CHANCE: u64 = 10_000;

/// The configuration of the node that serves.
pub fn service() -> String {
    format!("{CHEAP_HASH}[remote_user_profile.service]\nenabled = true\naccess_token = \"{TOKEN}\"\n")
}

/// The configuration of a node that consumes.
pub fn provider(endpoint: &str) -> String {
    format!(
        "{CHEAP_HASH}[remote_user_profile.provider]\nenabled = true\nendpoint = \"{endpoint}\"\n\
         access_token = \"{TOKEN}\"\n"
    )
}

/// Starts podyd on a node with this configuration.
pub fn start(node: &Host, configuration: &str) {
    node.write("/etc/pody/config.toml", configuration);
    node.run("systemctl daemon-reload && systemctl enable --quiet --now podyd").succeeds();
}

/// One node serves, all others consume.
pub fn serving(count: usize) -> Network {
    let network = Network::with_pody(count);
    let (a, others) = network.split_first().unwrap();
    start(a, &service());
    for node in others {
        start(node, &provider(&format!("http://{}:8799", network.address(A))));
    }
    network
}

/// Waits until lookups on a node show a user, and says for how long.
pub fn shows(node: &Host, name: &str) -> Duration {
    let begun = Instant::now();
    let found = || node.run(&format!("getent passwd {name}")).status == 0;
    wait::until(&format!("{name} to be seen"), PATIENCE, found);
    begun.elapsed()
}

/// Lookups on a node, in pairs with a control, while something happens.
pub struct Lookups<'node>(&'node Host);

impl<'node> Lookups<'node> {
    /// Brings the program that makes them, and whom the control looks up.
    pub fn prepare(node: &Host) {
        fs::copy(paths::built("probe"), node.path("/usr/local/bin/probe")).unwrap();
        node.run("useradd control && groupadd --users control controls").succeeds();
    }

    /// Begins to look a user up, who has to exist.
    pub fn begin(node: &'node Host, name: &str) -> Self {
        node.run(&format!(
            "rm -f /run/enough /run/begun /run/lookups
             (probe run='touch /run/begun' beside={name}:control:/run/enough >/run/lookups.new 2>&1
              mv /run/lookups.new /run/lookups) </dev/null >/dev/null 2>&1 &"
        ))
        .succeeds();
        wait::until("the lookups", PATIENCE, || node.path("/run/begun").exists());
        Self(node)
    }

    /// Ends them: none failed, none was wrong, none was late but by chance. Says what was measured.
    pub fn end(self) -> String {
        self.0.write("/run/enough", "");
        wait::until("the lookups to end", PATIENCE, || self.0.path("/run/lookups").exists());
        let tally = fs::read_to_string(self.0.path("/run/lookups")).unwrap();
        let words: Vec<&str> = tally.split(' ').collect();
        let ["absent", "0", "failed", "0", "late", late, "of", pairs, ..] = words[..] else {
            panic!("{tally}")
        };
        let (late, pairs): (u64, u64) = (late.parse().unwrap(), pairs.parse().unwrap());
        assert!(late * BY_CHANCE <= pairs, "{tally}");
        tally.trim_end().to_owned()
    }
}

/// When lookups on a node show a user, who is not there yet.
pub struct Seen<'node>(&'node Host);

impl<'node> Seen<'node> {
    /// Begins to look.
    pub fn await_user(node: &'node Host, name: &str) -> Self {
        node.run(&format!(
            "rm -f /run/seen; (probe await={name} >/run/seen.new && date +%s%N >/run/seen.new; mv /run/seen.new /run/seen) \
             </dev/null >/dev/null 2>&1 &"
        ))
        .succeeds();
        Self(node)
    }

    /// How long after a moment that was.
    pub fn after(self, moment: Duration) -> Duration {
        wait::until("a user to be seen", PATIENCE, || self.0.path("/run/seen").exists());
        let seen = fs::read_to_string(self.0.path("/run/seen")).unwrap();
        let seen = seen.trim().parse().unwrap_or_else(|_| {
            let now = self.0.run("podyctl status; getent passwd | tail -n 3").stdout;
            panic!("{seen}, and later:\n{now}")
        });
        Duration::from_nanos(seen).saturating_sub(moment)
    }
}

/// The time that all nodes have, whose clock is that of this machine.
#[expect(clippy::disallowed_methods, reason = "it is compared with what date(1) says")]
pub fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// Says what was measured.
#[expect(clippy::print_stdout, reason = "what was measured is for whoever reads the test's output")]
pub fn report(line: &str) {
    println!("{line}");
}
