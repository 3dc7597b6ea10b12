//! A helper of a test's own: its node, and a socket that it serves in a thread.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::unistd::geteuid;
use protocol::{Client, ClientError, Error, Method};

use super::super::{Node, serve};
use crate::config::{HomeRoot, Settings};
use crate::directory::{LocalAccounts, Rules};
use crate::testing::Folder;

/// Whose home it is in tests: somebody else than root where the test is root, else whoever runs it.
pub fn owner() -> u32 {
    match geteuid().as_raw() {
        0 => 1_900_000_007,
        uid => uid,
    }
}

/// A node with one root of homes, and a helper on it.
pub struct TestHelper {
    _folder: Folder,
    pub homes: PathBuf,
    socket: PathBuf,
}

impl TestHelper {
    pub fn new() -> Self {
        Self::serving(geteuid().as_raw())
    }

    /// One that serves this uid.
    pub fn serving(owner: u32) -> Self {
        let folder = Folder::new();
        let homes = folder.subfolder("homes");
        fs::set_permissions(&homes, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.join("skel")).unwrap();
        let socket = folder.join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let [root, skel] = [&homes, &folder.join("skel")].map(|path| path.to_str().unwrap().to_owned());
        thread::spawn(move || serve(&listener, owner, None, move || Ok(node(&root, &skel))));
        Self { _folder: folder, homes, socket }
    }

    pub fn call<M: Method>(&self, method: &M) -> Result<M::Reply, Error> {
        let stream = UnixStream::connect(&self.socket).unwrap();
        match Client::new(stream, Duration::from_secs(30)).call(method) {
            Ok(reply) => Ok(reply),
            Err(ClientError::Refused(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends bytes as they are, and returns everything that comes back until the helper hangs up.
    pub fn send(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        // It may have hung up before the end.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8(reply).unwrap()
    }
}

/// What a node allows whose homes are there: the ids of Pody and this test's, and a local ada with uid 1000.
pub fn node(root: &str, skel: &str) -> Node {
    let mut settings = Settings::default();
    settings.homes.roots = vec![root.parse::<HomeRoot>().unwrap()];
    settings.homes.skel = skel.parse().unwrap();
    let rules = Rules {
        allocate: settings.ids.allocate,
        derive_from: None,
        accept: settings.ids.accept.clone(),
        max_users: None,
        home: settings.users.home.clone(),
        shell: settings.users.shell.clone(),
        local: LocalAccounts::parse(
            "root:x:0:0::/root:/bin/sh\nlocal:x:1900000001:1900000001::/home/local:/bin/sh\n",
            "",
        ),
    };
    Node { settings, rules }
}
