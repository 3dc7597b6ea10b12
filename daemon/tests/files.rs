//! podyd, started as it is shipped, leaves each of its files to whom it concerns, and takes nobody's place.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::Client;
use protocol::directory::CreateUser;

/// podyd in a `PODY_HOME` of its own, ended with it.
struct Podyd {
    home: PathBuf,
    process: Child,
}

impl Podyd {
    /// Starts it under the umask that a careless shell has, and waits until it answers.
    fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("podyd-files-{}-{number}", std::process::id()));
        fs::create_dir(&home).unwrap();
        let podyd = env!("CARGO_BIN_EXE_podyd");
        let mut command = Command::new("sh");
        command.args(["-c", "umask 000; exec \"$0\"", podyd]).env("PODY_HOME", &home).stderr(Stdio::null());
        Self { process: command.spawn().unwrap(), home }
    }

    /// A client, as soon as somebody listens.
    fn client(&mut self) -> Client {
        let (socket, patience) = (self.home.join("run/varlink"), Duration::from_secs(30));
        let began = std::time::Instant::now();
        loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => return Client::new(stream, patience),
                Err(error) => assert!(began.elapsed() < patience, "{}: {error}", socket.display()),
            }
            assert!(self.process.try_wait().unwrap().is_none(), "podyd has ended");
            std::thread::yield_now();
        }
    }

    fn terminate(&mut self) {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Podyd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// The modes of everything below `home`, by what it is.
fn modes(home: &Path) -> BTreeMap<String, u32> {
    let mut modes = BTreeMap::new();
    let mut open = vec![home.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                open.push(entry.path());
            }
            let name = entry.path().strip_prefix(home).unwrap().display().to_string();
            modes.insert(name, metadata.permissions().mode() & 0o777);
        }
    }
    modes
}

#[test]
fn secrets_are_podyds_alone_and_lookups_are_everybodys() {
    let mut podyd = Podyd::start();
    let create = CreateUser { name: "ada".into(), ..CreateUser::default() };
    podyd.client().call(&create).unwrap();
    podyd.terminate();
    let left = modes(&podyd.home);
    for (file, mode) in &left {
        let name = file.rsplit('/').next().unwrap();
        let expected = match (file.as_str(), name) {
            ("state", _) => 0o700,
            ("cache" | "run", _) => 0o755,
            (_, "varlink" | "resolve") => 0o666,
            (_, "generation") => 0o644,
            _ if file.starts_with("state/") || name.ends_with(".account") => 0o600,
            _ => 0o444,
        };
        assert_eq!(*mode, expected, "{file} has mode {mode:o}");
    }
    for file in
        ["state/directory.sqlite", "state/node.sqlite", "cache/current", "run/generation", "run/varlink"]
    {
        assert!(left.contains_key(file), "{file} is missing: {left:?}");
    }
}

/// What a podyd says that must not start in this home.
fn refusal(home: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_podyd")).env("PODY_HOME", home).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_second_podyd_leaves_the_first_alone_and_an_empty_directory_the_snapshot() {
    let mut podyd = Podyd::start();
    let create = |name: &str| CreateUser { name: name.into(), ..CreateUser::default() };
    podyd.client().call(&create("ada")).unwrap();
    assert!(refusal(&podyd.home).contains("another podyd is running"));
    podyd.client().call(&create("bob")).unwrap();
    podyd.terminate();
    let current = || fs::read(podyd.home.join("cache/current")).unwrap();
    let shown = current();
    fs::remove_dir_all(podyd.home.join("state")).unwrap();
    for _ in 0..2 {
        assert!(refusal(&podyd.home).contains("the directory in"), "as long as it is empty");
    }
    assert_eq!(current(), shown);
}
