//! The end of sessions, of real processes. They need root, to start some as others.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::unistd::geteuid;
use protocol::Error;
use protocol::helper::{EndSessions, Leader, MAX_SET_SLICES, SetSlices, SliceLimits, SliceOf};

use super::harness::TestHelper;
use crate::process::Process;
use crate::testing::PATIENCE;

/// A shell of somebody's, which has said that it runs what it was told to.
struct Shell(Child);

impl Shell {
    fn start(uid: u32, script: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{script}\necho ready; wait; exec sleep 1000")]).uid(uid);
        let mut child =
            shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    fn leader(&self) -> Leader {
        let Process { pid, started } = Process::of(self.0.id().cast_signed()).unwrap();
        Leader { pid, started }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn end(uid: u32, leader: Option<Leader>) -> EndSessions {
    EndSessions { uid, leader }
}

#[test]
fn whatever_runs_of_a_user_is_ended_and_nothing_of_anybody_else() {
    assert!(geteuid().is_root(), "this test is for root");
    let helper = TestHelper::new();
    let (ada, bob) = (1_900_004_711, 1_900_004_712);
    let mut stubborn = Shell::start(ada, "trap '' TERM HUP; sh -c 'trap \"\" TERM; sleep 1000' & ");
    let mut plain = Shell::start(ada, "(setsid nohup sleep 1000 >/dev/null 2>&1 &)");
    let mut others = Shell::start(bob, "");
    let ended = helper.call(&end(ada, None)).unwrap();
    assert!(ended.processes >= 5, "{ended:?}");
    assert!(stubborn.has_ended() && plain.has_ended() && !others.has_ended());
    assert_eq!(helper.call(&end(ada, None)).unwrap().processes, 0);
    assert!(!others.has_ended());
}

#[test]
fn one_session_is_ended_and_the_users_others_stay() {
    assert!(geteuid().is_root(), "this test is for root");
    let helper = TestHelper::new();
    let ada = 1_900_004_713;
    // The leader is root's, as sshd's is, and starts the user's shell.
    let as_ada = format!("setpriv --reuid {ada} --clear-groups sh -c 'sleep 1000 & sleep 1000' &");
    let mut session = Shell::start(0, &as_ada);
    let mut other = Shell::start(ada, "");
    let leader = session.leader();
    let stale = Leader { started: leader.started + 1, ..leader };
    assert!(matches!(helper.call(&end(ada, Some(stale))), Err(Error::NotFound { .. })));
    let started = std::time::Instant::now();
    while helper.call(&end(ada, Some(leader))).unwrap().processes == 0 {
        assert!(started.elapsed() < PATIENCE, "setpriv has become ada by then");
    }
    assert!(!session.has_ended(), "root's processes are left alone: sshd ends by itself");
    assert!(!other.has_ended());
    assert_eq!(helper.call(&end(ada, Some(leader))).unwrap().processes, 0);
}

#[test]
fn nobody_but_a_user_of_ours_is_touched() {
    let helper = TestHelper::new();
    let me = Process::of(std::process::id().cast_signed()).unwrap();
    let leader = Some(Leader { pid: me.pid, started: me.started });
    for uid in [0, 1, 999, 1_900_000_001, u32::MAX] {
        for leader in [None, leader] {
            assert!(matches!(helper.call(&end(uid, leader)), Err(Error::Refused { .. })), "{uid}");
        }
        let slices = vec![SliceOf { uid, limits: SliceLimits::default() }];
        let [refused] = helper.call(&SetSlices { slices }).unwrap().failed.try_into().unwrap();
        assert_eq!(refused.uid, uid);
    }
    let too_many = SetSlices { slices: vec![SliceOf::default(); MAX_SET_SLICES + 1] };
    assert!(matches!(helper.call(&too_many), Err(Error::InvalidInput { .. })));
    let ours_and_not_theirs = helper.call(&end(1_900_004_714, leader)).unwrap();
    assert_eq!(ours_and_not_theirs.processes, 0, "a leader that is another's, whoever says so");
    let strange = Some(Leader { pid: -1, started: 0 });
    assert!(matches!(helper.call(&end(1_900_004_714, strange)), Err(Error::NotFound { .. })));
}
