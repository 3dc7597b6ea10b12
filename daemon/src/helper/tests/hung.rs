//! A file server that is away, for real: one of the kernel's own kind (FUSE) that nobody answers for. Whatever looks at its
//! files waits in the kernel until it is given up.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use nix::sched::{CloneFlags, unshare};
use protocol::Error;
use protocol::helper::{MadeHome, MakeHome, quota};

use super::super::limits::{MAX_ABOUT_HOMES_OF_A_MOUNT, MAX_CONNECTIONS};
use super::harness::{PATIENCE, TestHelper, owner};

/// More than podyd-helper has places.
const MANY: u32 = 2 * MAX_CONNECTIONS as u32;

#[test]
#[ignore = "needs root: mounts a file system"]
fn homes_on_a_file_server_that_is_away_hold_up_nobody_whose_home_is_elsewhere() {
    mounts_of_ones_own();
    let helper = TestHelper::new();
    let [away, other] = ["away", "other"].map(|name| helper.homes.join(name));
    fs::create_dir_all(&away).unwrap();
    fs::create_dir_all(&other).unwrap();
    let server = hang(&away);

    let of_one = asked(&helper, (0..MANY).map(|_| of(&helper, 0, "away")));
    are_told(&of_one, MANY - 1, "of uid");
    let of_others = asked(&helper, (1..=MANY).map(|number| of(&helper, number, "away")));
    let hang_too = MAX_ABOUT_HOMES_OF_A_MOUNT as u32 - 1;
    are_told(&of_others, MANY - hang_too, "homes on");

    assert!(helper.call(&of(&helper, MANY + 1, "other")).unwrap().made);
    assert!(helper.call(&quota::Filesystems {}).is_ok());

    // It is given up, and so are the places.
    drop(server);
    assert!(of_one.recv_timeout(PATIENCE).unwrap().is_err());
    (0..hang_too).for_each(|_| assert!(of_others.recv_timeout(PATIENCE).unwrap().is_err()));
    run(Command::new("umount").arg(&away));
    assert!(helper.call(&of(&helper, 0, "away")).unwrap().made);
}

/// What this thread and those that it starts mount is nobody else's.
fn mounts_of_ones_own() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    run(Command::new("mount").args(["--make-rprivate", "/"]));
}

/// Mounts a server that answers nothing, for as long as what is returned is kept.
fn hang(path: &Path) -> File {
    let server = OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap();
    let options = "fd=0,rootmode=40000,user_id=0,group_id=0";
    let mut mount = Command::new("mount");
    mount.args(["-i", "-t", "fuse", "-o", options, "away"]).arg(path).stdin(server.try_clone().unwrap());
    run(&mut mount);
    server
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// The home of one of many, in a directory.
fn of(helper: &TestHelper, number: u32, directory: &str) -> MakeHome {
    let uid = owner() + number;
    let name = format!("u{uid}");
    MakeHome { home: helper.home(&format!("{directory}/{name}")), name, uid, gid: uid }
}

fn asked(helper: &TestHelper, requests: impl Iterator<Item = MakeHome>) -> Receiver<Result<MadeHome, Error>> {
    let (answers, receiver) = channel();
    requests.for_each(|request| helper.call_meanwhile(request, &answers));
    receiver
}

fn are_told(answers: &Receiver<Result<MadeHome, Error>>, how_many: u32, what: &str) {
    for _ in 0..how_many {
        let busy = answers.recv_timeout(PATIENCE).unwrap().unwrap_err();
        let is_said = |message: &str| message.contains(what) && message.contains("file server");
        assert!(matches!(&busy, Error::Busy { message } if is_said(message)), "{busy}");
    }
}
