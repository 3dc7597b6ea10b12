//! A small Debian booted with systemd as its first process (tests/boot), on a throwaway disk in memory.
//!
//! It has a network of its own (loopback only) and the kernel of this machine; nothing outside is changed.

use std::fs::{self, File};
use std::ops::Deref;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::host::{Host, Outcome};
use crate::paths::repository;
use crate::scratch::Scratch;
use crate::wait;

/// Booting takes less than a second; this is for a machine that is busy with something else.
const BOOT: Duration = Duration::from_secs(60);

/// Pulling the plug takes no time; after this, what holds it up is killed.
const UNPLUG: Duration = Duration::from_secs(30);

/// A booted Debian; its plug is pulled and its disk forgotten when it is dropped.
pub struct Machine {
    host: Host,
    boot: Child,
    notifications: UnixDatagram,
    directory: Scratch,
}

impl Machine {
    /// Boots one and waits until it is up.
    pub fn boot() -> Self {
        Self::boot_from(&made_by("debian"), &[])
    }

    /// Boots one that may run containers: it has Docker Engine, which waits to be started.
    pub fn for_containers() -> Self {
        // What else an engine does on a machine of its own, in namespaces that are the machine's.
        let mut options = vec!["--capability=all".to_owned()];
        options.extend(["add_key", "keyctl", "bpf"].map(|call| format!("--system-call-filter={call}")));
        Self::boot_from(&made_by("docker"), &options)
    }

    fn boot_from(base: &str, options: &[String]) -> Self {
        let mut machine = Self::start(base, options);
        machine.wait_until_up();
        machine
    }

    /// Boots so many at the same time.
    pub fn boot_several(count: usize) -> Vec<Self> {
        let base = made_by("debian");
        let mut machines: Vec<_> = (0..count).map(|_| Self::start(&base, &[])).collect();
        machines.iter_mut().for_each(Self::wait_until_up);
        machines
    }

    fn start(base: &str, options: &[String]) -> Self {
        let directory = Scratch::new();
        let socket = directory.join("notify");
        let notifications = UnixDatagram::bind(&socket).expect("a socket can be bound");
        notifications.set_read_timeout(Some(BOOT)).expect("a timeout can be set");
        let console = File::create(directory.join("console")).expect("a file can be made");
        // Should the test be killed, the plug is pulled.
        let boot = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(repository().join("tests/boot"))
            .args([base, directory.name()])
            .args(options)
            .env("NOTIFY_SOCKET", &socket)
            .stdin(Stdio::null())
            .stdout(console.try_clone().expect("a descriptor can be copied"))
            .stderr(console)
            .spawn()
            .expect("setpriv is installed");
        Self { host: Host::of(boot.id()), boot, notifications, directory }
    }

    /// Boots one, with Pody installed and podyd running.
    pub fn with_pody() -> Self {
        let machine = Self::boot();
        machine.install_pody();
        machine.run("systemctl daemon-reload && systemctl enable --quiet --now podyd").succeeds();
        machine
    }

    /// Reboots it in good order and waits until it is up again.
    pub fn reboot(&mut self) {
        self.run("systemctl reboot").succeeds();
        self.wait_until_up();
    }

    /// Brings this thread, and what it starts from now on, into the machine's network.
    pub fn enter_network(&self) {
        let network = File::open(format!("/proc/{}/ns/net", self.host.pid())).expect("the machine runs");
        setns(network, CloneFlags::CLONE_NEWNET).expect("root may enter a network");
    }

    /// Everything in it stands still, as when its power management sends it to sleep; `thaw` lets it go on.
    /// What [`Host::run`] brings in still runs.
    pub fn freeze(&self) {
        self.set_frozen(true);
        let frozen = || self.in_cgroup("cat cgroup.events").succeeds().contains("frozen 1");
        wait::until("the machine to stand still", BOOT, frozen);
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.set_frozen(false);
    }

    fn set_frozen(&self, frozen: bool) {
        self.in_cgroup(&format!("echo {} >cgroup.freeze", u8::from(frozen))).succeeds();
    }

    /// Runs a script in the cgroup directory that holds all its processes, and not what watches over them.
    fn in_cgroup(&self, script: &str) -> Outcome {
        let cgroup = format!("/sys/fs/cgroup/pody-{}/payload", self.directory.name());
        Host::of(self.boot.id()).run(&format!("cd {cgroup} && {script}"))
    }

    /// Follows what systemd-nspawn reports: first who the new first process is, then that it is ready.
    fn wait_until_up(&mut self) {
        let mut first_process = None;
        let mut message = [0; 4096];
        loop {
            let length = self.notifications.recv(&mut message).unwrap_or_else(|error| {
                panic!("the machine did not come up ({error}): {}", self.console());
            });
            for line in String::from_utf8_lossy(&message[..length]).lines() {
                if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                    first_process = Some(pid.parse().expect("a process id"));
                }
                if let ("READY=1", Some(pid)) = (line, first_process) {
                    self.host = Host::of(pid);
                    return;
                }
            }
        }
    }

    fn console(&self) -> String {
        fs::read_to_string(self.directory.join("console")).unwrap_or_default()
    }
}

impl Deref for Machine {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            let journal = self.run("journalctl --no-pager --lines 25 --output short-precise").stdout;
            #[expect(clippy::print_stderr, reason = "what the machine saw explains the failure")]
            {
                eprintln!("--- the machine's journal\n{journal}");
            }
        }
        let _ = Command::new("kill").arg(self.boot.id().to_string()).status();
        if !wait::comes_true(UNPLUG, || matches!(self.boot.try_wait(), Ok(Some(_)))) {
            let _ = self.boot.kill();
            let _ = self.boot.wait();
        }
    }
}

/// What machines are copies of, as that script in tests/ says, which builds it when it is not there yet.
fn made_by(script: &str) -> String {
    let made = Command::new(repository().join("tests").join(script))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("tests/{script}: {error}"));
    assert!(made.status.success(), "tests/{script} failed: what it said stands above");
    String::from_utf8(made.stdout).expect("a path in UTF-8").trim_end().to_owned()
}
