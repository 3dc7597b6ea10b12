//! What podyd keeps after an import, run as its unit runs it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use protocol::Client;
use protocol::directory::{Import, ImportUser};

const PATIENCE: Duration = Duration::from_secs(60);

const USERS: u64 = 20_000;

/// Measured on two CPUs: 30 to 40 MiB with the unit's environment, 43 to 76 without.
const MAX_KIB: u64 = 43 * 1024;

#[test]
fn an_import_leaves_little_memory_behind() {
    let home = std::env::temp_dir().join(format!("podyd-memory-{}", std::process::id()));
    fs::create_dir(&home).unwrap();
    let unit =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd/system/podyd.service")).unwrap();
    let environment = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
    let mut podyd = Command::new(env!("CARGO_BIN_EXE_podyd"))
        .env("PODY_HOME", &home)
        .envs(environment)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let stream = loop {
        match UnixStream::connect(home.join("run/varlink")) {
            Ok(stream) => break stream,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::yield_now();
    };
    let mut client = Client::new(stream, PATIENCE);
    let user = |line| ImportUser { line, name: format!("user{line}"), ..ImportUser::default() };
    for first in (0..USERS).step_by(500) {
        let users = (first..first + 500).map(user).collect();
        let reply = client.call(&Import { users, more: first + 500 < USERS, ..Import::default() }).unwrap();
        assert_eq!(reply.taken, 500, "{:?}", reply.refused.first());
    }
    let status = fs::read_to_string(format!("/proc/{}/status", podyd.id())).unwrap();
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kib: u64 = own.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    podyd.kill().unwrap();
    podyd.wait().unwrap();
    let _ = fs::remove_dir_all(&home);
    assert!(kib < MAX_KIB, "{kib} KiB");
}
