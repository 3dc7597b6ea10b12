//! A place where commands run as on a machine of its own: the inside of a [`Machine`](crate::machine::Machine),
//! a [`Sandbox`](crate::sandbox::Sandbox) or a [`Vm`](crate::vm::Vm), and how Pody is installed in the first two.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::paths;
use crate::wire::Wire;

/// No command of a story takes longer, on the slowest machine, unless something hangs.
const DEADLINE_SECONDS: &str = "60";

/// A system of its own, where every command runs.
pub struct Host {
    place: Place,
}

enum Place {
    /// The namespaces of this process.
    Namespaces(u32),
    /// Another kernel, at the other end of a wire.
    VirtualMachine(Wire),
}

/// What became of a command.
#[derive(Debug)]
pub struct Outcome {
    /// What was run.
    pub command: String,
    /// The exit status; 124 says that it hung and was ended.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Host {
    /// The place that this process lives in.
    pub fn of(pid: u32) -> Self {
        Self { place: Place::Namespaces(pid) }
    }

    /// Where this wire leads to.
    pub fn behind(wire: Wire) -> Self {
        Self { place: Place::VirtualMachine(wire) }
    }

    /// Runs a shell script there as root.
    pub fn run(&self, script: &str) -> Outcome {
        let pid = match &self.place {
            Place::Namespaces(pid) => pid.to_string(),
            Place::VirtualMachine(wire) => return wire.run(script),
        };
        let output = Command::new("timeout")
            .args(["--kill-after=5", DEADLINE_SECONDS, "nsenter", "--target", &pid])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"])
            .args(["sh", "-c", script])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs([("HOME", "/root"), ("LANG", "C.UTF-8"), ("TERM", "dumb")])
            .stdin(Stdio::null())
            .output()
            .expect("timeout and nsenter are installed");
        Outcome {
            command: script.to_owned(),
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command on a terminal and types an answer at each prompt, in order. Its output is all on stdout.
    pub fn converse(&self, command: &str, answers: &[(&str, &str)]) -> Outcome {
        let mut script = format!("set timeout {DEADLINE_SECONDS}\nspawn -noecho {command}\n");
        for (prompt, answer) in answers {
            script += &format!(
                "expect {{{prompt}}} {{send {{{answer}}}; send \\r}} timeout {{exit 90}} eof {{exit 91}}\n"
            );
        }
        script += "expect timeout {exit 92} eof\nexit [lindex [wait] 3]\n";
        self.write("/run/conversation", &script);
        self.run("expect -f /run/conversation")
    }

    /// Where a file of that place is, seen from the test; panics for a virtual machine, whose disk is its own.
    pub fn path(&self, path: &str) -> PathBuf {
        let Place::Namespaces(pid) = self.place else {
            panic!("{path} is inside a virtual machine: `run` and `write` reach it");
        };
        PathBuf::from(format!("/proc/{pid}/root{path}"))
    }

    /// What stands in a file there, if there is one.
    pub fn read(&self, path: &str) -> Option<String> {
        match &self.place {
            Place::Namespaces(_) => {
                fs::read(self.path(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            }
            Place::VirtualMachine(wire) => {
                Some(wire.run(&format!("cat {path}"))).filter(|read| read.status == 0).map(|read| read.stdout)
            }
        }
    }

    /// Writes a file there.
    pub fn write(&self, path: &str, text: &str) {
        match &self.place {
            Place::Namespaces(_) => {
                fs::write(self.path(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
            }
            Place::VirtualMachine(wire) => wire.write(path, text),
        }
    }

    /// The process whose namespaces these are.
    pub(crate) fn pid(&self) -> u32 {
        match self.place {
            Place::Namespaces(pid) => pid,
            Place::VirtualMachine(_) => panic!("a virtual machine has processes of its own"),
        }
    }

    /// What leads to a virtual machine.
    pub(crate) fn wire(&self) -> &Wire {
        match &self.place {
            Place::VirtualMachine(wire) => wire,
            Place::Namespaces(_) => panic!("no wire leads into a namespace"),
        }
    }

    /// Installs what `make install` installs, and puts Pody into nsswitch.conf and PAM as a package would.
    pub fn install_pody(&self) {
        self.install_files("");
        self.run(include_str!("../configure")).succeeds();
    }

    /// Puts what `make install` installs below a directory there.
    pub fn install_files(&self, below: &str) {
        paths::nss_module();
        let install = Command::new("make")
            .args(["--no-print-directory", "--silent", "install"])
            .arg(format!("DESTDIR={}", self.path(below).display()))
            .arg(format!("PROFILE={}", paths::profile_name()))
            .env("CARGO_TARGET_DIR", paths::target())
            .current_dir(paths::repository())
            .output()
            .expect("make is installed");
        assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    }
}

impl Outcome {
    /// What it printed, without the last line's end; panics unless it succeeded.
    #[track_caller]
    pub fn succeeds(self) -> String {
        assert!(self.status == 0, "{self:#?}");
        self.stdout.trim_end().to_owned()
    }

    /// Panics unless it failed, by itself: a command that hung did not answer.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(!matches!(self.status, 0 | 90..=92 | 124 | 137), "{self:#?}");
        self
    }
}
