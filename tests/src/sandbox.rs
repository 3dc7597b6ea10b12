//! A private copy of this machine (tests/sandbox) with Pody installed and podyd run by hand, as root: no systemd.
//!
//! What is written there goes to memory; the machine itself keeps its files, and its processes are out of reach.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::host::Host;
use crate::paths::repository;
use crate::wait;

/// podyd starts in milliseconds; this is for a machine that is busy with something else.
const START: Duration = Duration::from_secs(20);

/// The first process of a copy, a shell since it takes care of orphans, ends when the test lets go of its standard input,
/// and everything else in there with it.
const HOLD: &str = "echo ready; cat; exit";

/// What each node has for itself.
const OWN_FILES: &str = "set -e
mount -t tmpfs -o mode=0755 node /run
for directory in /etc/pody /var/lib/pody /var/cache/pody; do
    mkdir -p $directory /run/own$directory
    cp -a $directory/. /run/own$directory
    mount --bind /run/own$directory $directory
done
";

/// A private copy of this machine; it is gone, with all that runs in it, when dropped.
pub struct Sandbox {
    host: Host,
    holder: Child,
}

impl Sandbox {
    /// A copy as it is, without Pody.
    pub fn plain() -> Self {
        let mut command = Command::new(repository().join("tests/sandbox"));
        command.args(["bash", "-c", HOLD]);
        Self::held_by(command, 1)
    }

    /// A node of its own beside this copy and out of reach of the others: it has the same programs, and what podyd is told,
    /// keeps and shows there is its own.
    pub fn node(&self) -> Self {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.host.pid().to_string(), "--mount", "--pid", "--root", "--wd"])
            .args(["unshare", "--mount", "--propagation", "private"])
            .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["bash", "-c", &format!("{OWN_FILES}{HOLD}")]);
        Self::held_by(command, 2)
    }

    /// Enters what a command makes, whose first process is so many generations below the command.
    fn held_by(mut command: Command, generations: u32) -> Self {
        let holder = held(&mut command);
        let first_process = (0..generations).fold(holder.id(), |process, _| only_child(process));
        Self { host: Host::of(first_process), holder }
    }

    /// A copy with Pody installed and podyd running.
    pub fn with_podyd() -> Self {
        let sandbox = Self::plain();
        sandbox.install_pody();
        sandbox.start_podyd();
        sandbox
    }

    /// Starts podyd and waits until it answers.
    pub fn start_podyd(&self) {
        // In the background, where it outlives the command that starts it.
        self.run("podyd </dev/null >/run/podyd.log 2>&1 &").succeeds();
        let start = || self.run("podyctl status").status == 0;
        wait::until("podyd to answer (see its log in the sandbox)", START, start);
    }

    /// Sends podyd a signal: STOP and CONT, say.
    pub fn signal_podyd(&self, signal: &str) {
        self.run(&format!("kill -{signal} $(pidof podyd)")).succeeds();
    }

    /// Kills podyd as a crash would.
    pub fn kill_podyd(&self) {
        self.signal_podyd("KILL");
        self.await_podyd();
    }

    /// Stops podyd in good order.
    pub fn stop_podyd(&self) {
        self.signal_podyd("TERM");
        self.await_podyd();
    }

    /// What podyd has logged since it was last started.
    pub fn podyd_log(&self) -> String {
        fs::read_to_string(self.path("/run/podyd.log")).unwrap_or_default()
    }

    fn await_podyd(&self) {
        wait::until("podyd to end", START, || self.run("pidof podyd").status == 1);
    }
}

impl Deref for Sandbox {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "what podyd said explains the failure")]
            {
                eprintln!("--- podyd's log\n{}", self.podyd_log());
            }
        }
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Starts what says "ready" and lives until its standard input ends: when the test lets go of it, or is killed.
pub(crate) fn held(command: &mut Command) -> Child {
    let holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut holder = holder.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut line = String::new();
    let output = holder.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("a pipe can be read");
    assert_eq!(line, "ready\n", "{command:?} did not come up: what it said stands above");
    holder
}

fn only_child(process: u32) -> u32 {
    let children = PathBuf::from(format!("/proc/{process}/task/{process}/children"));
    let children = fs::read_to_string(children).expect("it runs");
    children.trim().parse().expect("it has one child")
}
