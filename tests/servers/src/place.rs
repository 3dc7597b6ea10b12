//! A directory in which a server lives, as an ordinary user, and which ends with the test: a guard waits for that,
//! since a test that is killed cannot clean up. It knows nothing about what runs there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Pid, geteuid};

use crate::chance::letters;

/// `nobody`, whom servers run as where the tests run as root: PostgreSQL refuses to be root.
const NOBODY: u32 = 65534;

/// The directory, which exists as long as this value.
pub struct Place {
    path: PathBuf,
    guard: Child,
}

impl Place {
    /// Makes one, and a guard that waits for its end.
    pub fn new(server: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pody-{server}-{}", letters(12)));
        let guard = Command::new("sh")
            .args(["-c", include_str!("guard"), "guard"])
            .arg(&path)
            .current_dir("/")
            // Ctrl-C ends the test, and its guard only afterwards.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let place = Self { path, guard };
        place.hand_over(&place.path);
        place
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only the server may read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        self.hand_over(&path);
        path
    }

    /// A command that runs here, as an ordinary user, and inherits nothing.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.path)
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C"), ("TZ", "UTC")])
            // MariaDB begins by deleting the temporary tables that lie there: another server's, which then fails.
            .env("TMPDIR", &self.path)
            .process_group(0)
            .stdin(Stdio::null());
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// All that runs here: a server, and what it has started. Whoever runs here has their working directory here.
    pub fn processes(&self) -> Vec<Pid> {
        let everything = fs::read_dir("/proc").expect("/proc is mounted");
        let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let runs_here = |pid: &i32| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|directory| directory.starts_with(&self.path))
        };
        everything.flatten().filter_map(pid).filter(runs_here).map(Pid::from_raw).collect()
    }

    fn hand_over(&self, path: &Path) {
        if geteuid().is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give a file away");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
