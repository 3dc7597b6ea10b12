//! The processes of this machine, and signals to them: each is looked at again once a descriptor holds it, so that no signal
//! reaches another process that has the pid by then.

use std::fs;

use nix::errno::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::process::Process;

/// What the kernel says of a process in no audit session (`AUDIT_SID_UNSET`).
const NO_LOGIN: u32 = u32::MAX;

/// A process that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Which.
    pub process: Process,
    /// Its parent.
    pub parent: i32,
    /// Its real uid: whose it is, whatever it may do for the moment.
    pub uid: u32,
    /// The login that it comes of, as the kernel's audit counts them; none where nobody has told it (pam_loginuid).
    pub login: Option<u32>,
}

impl Running {
    /// The process that has this pid now.
    pub fn of(pid: i32) -> Option<Self> {
        let process = Process::of(pid)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| -> Option<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().next()?.parse().ok()
        };
        let login = fs::read_to_string(format!("/proc/{pid}/sessionid")).ok();
        let login = login.and_then(|text| text.trim_end().parse().ok()).filter(|login| *login != NO_LOGIN);
        let running = Self { process, parent: field("PPid:")?.cast_signed(), uid: field("Uid:")?, login };
        // Not of two processes, one after the other.
        process.is_alive().then_some(running)
    }

    /// Sends it a signal, if it still runs and is still this user's.
    pub fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.process.pid) else { return };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        let now = Self::of(self.process.pid);
        if now.is_some_and(|now| now.process == self.process && now.uid == self.uid)
            && let Err(error) = pidfd_send_signal(&descriptor, signal)
            && error.raw_os_error() != Errno::ESRCH as i32
        {
            tracing::warn!(pid = self.process.pid, %error, "a process cannot be signalled");
        }
    }
}

/// All that run.
pub fn all() -> Vec<Running> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Running::of).collect()
}

/// A session: what its leader has started, and what that has, whoever its parent is by now.
pub struct Session {
    members: Vec<Process>,
    login: Option<u32>,
}

impl Session {
    /// The one that this process has opened.
    pub fn of(leader: &Running) -> Self {
        Self { members: vec![leader.process], login: leader.login }
    }

    /// Those of `running` that belong to it. What once belonged does so for good.
    pub fn find(&mut self, mut running: Vec<Running>) -> Vec<Running> {
        self.members.retain(|member| running.iter().any(|one| one.process == *member));
        loop {
            let known = self.members.len();
            for one in &running {
                let belongs = self.members.iter().any(|member| member.pid == one.parent)
                    || self.login.is_some() && self.login == one.login;
                if belongs && !self.members.contains(&one.process) {
                    self.members.push(one.process);
                }
            }
            if self.members.len() == known {
                break;
            }
        }
        running.retain(|one| self.members.contains(&one.process));
        running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(pid: i32, parent: i32, login: Option<u32>) -> Running {
        Running { process: Process { pid, started: 1 }, parent, uid: 7, login }
    }

    fn found(session: &mut Session, all: &[Running]) -> Vec<i32> {
        session.find(all.to_vec()).iter().map(|one| one.process.pid).collect()
    }

    #[test]
    fn a_session_is_whatever_comes_of_its_leader_also_when_that_is_gone() {
        let leader = running(10, 1, None);
        let all = [running(13, 12, None), leader, running(12, 10, None), running(20, 1, None)];
        let mut session = Session::of(&leader);
        assert_eq!(found(&mut session, &all), [13, 10, 12]);
        // 12 has ended, and its child is another's; 10 is another process by now.
        let another = Running { process: Process { pid: 10, started: 2 }, ..leader };
        assert_eq!(found(&mut session, &[running(13, 1, None), another, running(14, 13, None)]), [13, 14]);
    }

    #[test]
    fn whatever_the_kernel_counts_to_the_same_login_belongs_to_it() {
        let leader = running(10, 1, Some(3));
        let all = [leader, running(11, 1, Some(3)), running(12, 1, Some(4)), running(13, 1, None)];
        assert_eq!(found(&mut Session::of(&leader), &all), [10, 11]);
        let leader = running(10, 1, None);
        assert_eq!(found(&mut Session::of(&leader), &[leader, running(13, 1, None)]), [10]);
    }

    #[test]
    fn this_process_runs_and_is_ours() {
        let me = Running::of(std::process::id().cast_signed()).unwrap();
        assert_eq!(me.uid, nix::unistd::getuid().as_raw());
        assert!(all().contains(&me));
    }
}
