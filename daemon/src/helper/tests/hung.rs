//! A file server that is away, for real: one of the kernel's own kind (FUSE) that nobody answers for. Whatever looks at its
//! files waits in the kernel until it is given up.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use nix::sched::{CloneFlags, unshare};
use protocol::helper::{MakeHome, quota};
use protocol::{Error, Method};

use super::super::limits::{
    KEPT_FOR_OTHER_SERVERS, MAX_ABOUT_HOMES, MAX_ABOUT_HOMES_ON_A_SERVER, MAX_CONNECTIONS,
};
use super::harness::{PATIENCE, TestHelper, owner};

/// More than podyd-helper has places.
const MANY: u32 = 2 * MAX_CONNECTIONS as u32;

#[test]
#[ignore = "needs root: mounts a file system"]
fn homes_on_file_servers_that_are_away_hold_up_nobody_whose_home_is_elsewhere() {
    mounts_of_ones_own();
    let helper = TestHelper::new();
    let [away, away_too, other] = ["away", "away_too", "other"].map(|name| helper.homes.join(name));
    [&away, &away_too, &other].into_iter().for_each(|path| fs::create_dir_all(path).unwrap());
    let (server, server_too) = (hang(&away, 0), hang(&away_too, 0));

    let of_one = asked(&helper, (0..MANY).map(|_| of(&helper, 0, "away")));
    are_told(&of_one, MANY - 1, "of uid");
    let of_others = asked(&helper, (1..=MANY).map(|number| of(&helper, number, "away")));
    let hang_too = MAX_ABOUT_HOMES_ON_A_SERVER as u32 - 1;
    are_told(&of_others, MANY - hang_too, "homes on");
    let elsewhere = asked(&helper, (MANY + 1..=2 * MANY).map(|number| of(&helper, number, "away_too")));
    let hang_there = (MAX_ABOUT_HOMES - MAX_ABOUT_HOMES_ON_A_SERVER - KEPT_FOR_OTHER_SERVERS) as u32;
    are_told(&elsewhere, MANY - hang_there, "homes on");

    for number in 1..=3 {
        assert!(helper.call(&of(&helper, 2 * MANY + number, "other")).unwrap().made);
    }
    assert!(helper.call(&quota::Filesystems {}).is_ok());

    // They are given up, and so are the places.
    drop((server, server_too));
    assert!(of_one.recv_timeout(PATIENCE).unwrap().is_err());
    (0..hang_too).for_each(|_| assert!(of_others.recv_timeout(PATIENCE).unwrap().is_err()));
    (0..hang_there).for_each(|_| assert!(elsewhere.recv_timeout(PATIENCE).unwrap().is_err()));
    run(Command::new("umount").args([&away, &away_too]));
    assert!(helper.call(&of(&helper, 0, "away")).unwrap().made);
}

/// What this thread and those that it starts mount is nobody else's.
pub fn mounts_of_ones_own() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    run(Command::new("mount").args(["--make-rprivate", "/"]));
}

/// Mounts a server of this uid that answers nothing, for as long as what is returned is kept. Nobody else is let in.
pub fn hang(path: &Path, uid: u32) -> File {
    let server = OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap();
    let options = format!("fd=0,rootmode=40000,user_id={uid},group_id=0");
    let mut mount = Command::new("mount");
    mount.args(["-i", "-t", "fuse", "-o", &options, "away"]).arg(path).stdin(server.try_clone().unwrap());
    run(&mut mount);
    server
}

pub fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// The home of one of many, in a directory.
fn of(helper: &TestHelper, number: u32, directory: &str) -> MakeHome {
    let uid = owner() + number;
    let name = format!("u{uid}");
    MakeHome { home: helper.home(&format!("{directory}/{name}")), name, uid, gid: uid }
}

fn asked<M: Method<Reply: Send> + Send + 'static>(
    helper: &TestHelper,
    requests: impl Iterator<Item = M>,
) -> Receiver<Result<M::Reply, Error>> {
    let (answers, receiver) = channel();
    requests.for_each(|request| helper.call_meanwhile(request, &answers));
    receiver
}

fn are_told<R: std::fmt::Debug>(answers: &Receiver<Result<R, Error>>, how_many: u32, what: &str) {
    for _ in 0..how_many {
        let busy = answers.recv_timeout(PATIENCE).unwrap().unwrap_err();
        let is_said = |message: &str| message.contains(what) && message.contains("file server");
        assert!(matches!(&busy, Error::Busy { message } if is_said(message)), "{busy}");
    }
}
