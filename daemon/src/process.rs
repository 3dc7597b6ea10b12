//! Processes, as proc(5) tells of them. A pid is given again when its process is gone, so a process is its pid and when it
//! started.

use std::fs;

/// One process of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks since the boot.
    pub started: u64,
}

impl Process {
    /// The process that has this pid now; none: there is none, or it has ended and only waits to be heard of.
    pub fn of(pid: i32) -> Option<Self> {
        // Pid 0 is what the kernel calls a process of another namespace.
        let text = if pid > 0 { fs::read_to_string(format!("/proc/{pid}/stat")).ok()? } else { return None };
        // The name before the last parenthesis may hold anything, also parentheses.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
        let started = fields.nth(18)?.parse().ok()?;
        (!has_ended).then_some(Self { pid, started })
    }

    /// Whether it still runs.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// Which boot this is, as a random number (random(4)); empty where that is not told.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_and_its_pid_alone_is_not_it() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = Process::of(child.id().cast_signed()).unwrap();
        assert!(process.is_alive());
        assert!(!Process { started: process.started + 1, ..process }.is_alive());
        child.kill().unwrap();
        // Killed and not waited for, it is a zombie.
        let ended = std::time::Instant::now();
        while process.is_alive() {
            assert!(ended.elapsed() < crate::testing::PATIENCE);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!process.is_alive() && Process::of(0).is_none() && Process::of(-1).is_none());
    }

    #[test]
    fn a_boot_has_a_name() {
        assert_eq!(boot_id().len(), 36);
    }
}
