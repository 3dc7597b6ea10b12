//! A virtual machine: the Debian of [`machine`](crate::machine) with a kernel, a disk and a plug of its own, and with
//! Pody installed (tests/vm). For what no container can tell: power cuts, and what only a kernel enforces.
//!
//! The processor is emulated, so that it runs wherever QEMU does: it is some ten times slower than a real one.

use std::fs::{self, File};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::host::Host;
use crate::paths::{self, repository};
use crate::scratch::Scratch;
use crate::wire::{Line, Wire};

/// Booting takes some ten seconds; this is for a machine that is busy with something else.
const BOOT: Duration = Duration::from_secs(240);

/// What is done before the power is cut takes seconds, too.
const WORK: Duration = Duration::from_secs(240);

/// A second disk, of 1 GiB and with nothing on it, that every machine has.
pub const SPARE_DISK: &str = "/dev/nvme0n2";

const SPARE_DISK_BYTES: u64 = 1 << 30;

/// How much of what the console showed is shown when a story fails.
const CONSOLE_LINES: usize = 60;

/// A virtual machine; its disks are forgotten when it is dropped.
pub struct Vm {
    host: Host,
    qemu: Child,
    directory: Scratch,
}

/// A line that a script wrote before the power was cut.
pub struct LastWord {
    /// What it says.
    pub text: String,
    /// How long before the cut it was read here.
    pub before: Duration,
}

impl Vm {
    /// Boots one and waits until all its services are up, podyd among them.
    pub fn with_pody() -> Self {
        let (image, directory) = (image(), Scratch::new());
        let copy = Command::new("cp")
            .args([
                "--sparse=always",
                "--reflink=auto",
                &format!("{image}/disk"),
                &format!("{image}/vmlinuz"),
            ])
            .arg(&*directory)
            .status();
        assert!(copy.is_ok_and(|status| status.success()), "{image} cannot be copied");
        let spare = File::create(directory.join("spare")).expect("a file can be made");
        spare.set_len(SPARE_DISK_BYTES).expect("a file can have a hole");
        let (qemu, host) = power_on(&directory);
        let vm = Self { host, qemu, directory };
        vm.wait_until_up();
        vm.run("systemctl is-system-running --wait; systemctl is-active podyd").succeeds();
        vm
    }

    /// Starts a script and pulls the plug that long after so many lines of it came on
    /// [`SERIAL_LINE`](crate::wire::SERIAL_LINE). All that it wrote there is returned.
    ///
    /// Whatever the kernel had sent to the disk is there when the power comes back, and nothing of what it had
    /// only in its memory.
    pub fn lose_power_during(&mut self, script: &str, lines: usize, after: Duration) -> Vec<LastWord> {
        let wire = self.host.wire();
        wire.start(script);
        let deadline = Instant::now() + WORK;
        let mut said: Vec<Line> = std::iter::from_fn(|| wire.next(deadline)).take(lines).collect();
        assert_eq!(said.len(), lines, "lines of the script came within {WORK:?}");
        let moment = Instant::now() + after;
        said.extend(std::iter::from_fn(|| wire.next(moment)));
        let cut = Instant::now();
        self.qemu.kill().expect("QEMU can be killed");
        self.qemu.wait().expect("QEMU is ours");
        // The machine is gone, and so the lines have an end.
        said.extend(std::iter::from_fn(|| wire.next(Instant::now() + WORK)));
        let last_word = |Line { at, text }| LastWord { text, before: cut.saturating_duration_since(at) };
        said.into_iter().map(last_word).collect()
    }

    /// Boots it again from the same disks.
    pub fn power_on(&mut self) {
        (self.qemu, self.host) = power_on(&self.directory);
        self.wait_until_up();
    }

    /// 127.0.0.1:`port` in there leads to 127.0.0.1:`port` here until the machine is shut down. It stands for the Internet
    /// between a node and a provider.
    pub fn reach(&self, port: u16) {
        self.run(&format!(
            "link=$(basename $(dirname /sys/class/net/*/device)) && ip address add 10.0.2.15/24 dev $link && ip link set $link up
             systemd-run --quiet --unit=reach-{port} --socket-property=ListenStream=127.0.0.1:{port} \
                 /lib/systemd/systemd-socket-proxyd 10.0.2.2:{port}"
        ))
        .succeeds();
    }

    /// Reboots it in good order and waits until it is up again.
    pub fn reboot(&mut self) {
        // QEMU ends where a machine would begin anew.
        self.host.wire().start("systemctl reboot");
        self.qemu.wait().expect("QEMU is ours");
        self.power_on();
    }

    fn wait_until_up(&self) {
        let deadline = Instant::now() + BOOT;
        while let Some(line) = self.host.wire().next(deadline) {
            if line.text == "ready" {
                return;
            }
        }
        panic!("the machine did not come up within {BOOT:?}");
    }
}

impl Deref for Vm {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        if thread::panicking() {
            let console = fs::read(self.directory.join("console")).unwrap_or_default();
            let console = String::from_utf8_lossy(&console);
            let skipped = console.lines().count().saturating_sub(CONSOLE_LINES);
            #[expect(clippy::print_stderr, reason = "what the machine saw explains the failure")]
            {
                eprintln!("--- the machine's console");
                console.lines().skip(skipped).for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

fn power_on(directory: &Scratch) -> (Child, Host) {
    let file = |name: &str| directory.join(name).display().to_string();
    // This machine keeps running, so that what QEMU has written is kept, synced or not: it need not sync.
    let drive = |id: &str| format!("file={},id={id},format=raw,if=none,cache=unsafe", file(id));
    // Should the test be killed, the plug is pulled.
    let mut qemu = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"])
        .args(["-nodefaults", "-no-reboot", "-display", "none", "-kernel", &file("vmlinuz")])
        .args([
            "-append",
            "root=/dev/nvme0n1 rw console=ttyS0 panic=-1 quiet systemd.getty_auto=0 \
                           systemd.journald.forward_to_console=1 systemd.journald.max_level_console=notice",
        ])
        .args(["-drive", &drive("disk"), "-drive", &drive("spare"), "-device", "nvme,id=nvme,serial=pody"])
        .args([
            "-device",
            "nvme-ns,bus=nvme,drive=disk,nsid=1",
            "-device",
            "nvme-ns,bus=nvme,drive=spare,nsid=2",
        ])
        // Nothing in it uses this unless a story says so; then this machine is 10.0.2.2 there.
        .args(["-netdev", "user,id=network", "-device", "virtio-net-pci,netdev=network"])
        .args(["-chardev", &format!("file,id=console,append=on,path={}", file("console"))])
        .args([
            "-chardev",
            "stdio,id=wire,signal=off",
            "-serial",
            "chardev:console",
            "-serial",
            "chardev:wire",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv and QEMU are installed");
    let wire = Wire::new(qemu.stdin.take().expect("a pipe"), qemu.stdout.take().expect("a pipe"));
    (qemu, Host::behind(wire))
}

/// What machines boot from, made from what was built when there is none yet.
fn image() -> String {
    paths::nss_module();
    let image = Command::new(repository().join("tests/vm/image"))
        .arg(paths::profile_name())
        .env("CARGO_TARGET_DIR", paths::target())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("tests/vm/image can be run");
    assert!(image.status.success(), "tests/vm/image failed: what it said stands above");
    String::from_utf8(image.stdout).expect("a path in UTF-8").trim_end().to_owned()
}
