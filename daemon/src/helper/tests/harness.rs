//! A helper of a test's own: its node, and a socket that it serves in a thread.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use nix::unistd::geteuid;
use protocol::helper::{ArchiveHome, MakeHome, RemoveHome};
use protocol::{Client, ClientError, Error, Method};

use super::super::{Node, serve};
use crate::config::{OnDelete, QuotaFilesystem, Settings};
use crate::directory::LocalAccounts;
use crate::testing::Folder;

/// How long an answer may take, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whose home it is in tests: somebody else than root where the test is root, else whoever runs it.
pub fn owner() -> u32 {
    match geteuid().as_raw() {
        0 => 1_900_000_007,
        uid => uid,
    }
}

/// A node with one root of homes, and a helper on it.
pub struct TestHelper {
    pub folder: Folder,
    pub homes: PathBuf,
    socket: PathBuf,
}

impl TestHelper {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// One with other settings.
    pub fn with(settings: impl FnOnce(&mut Settings)) -> Self {
        Self::serving(geteuid().as_raw(), settings)
    }

    /// One that does so with the homes of deleted users.
    pub fn on_delete(on_delete: OnDelete) -> Self {
        Self::with(|settings| settings.homes.on_delete = on_delete)
    }

    /// One that serves this uid.
    pub fn serving(owner: u32, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = Folder::new();
        let homes = folder.subfolder("homes");
        let socket = folder.join("socket");
        let mut settings = settings(&folder);
        change(&mut settings);
        serve_at(&socket, owner, settings);
        Self { folder, homes, socket }
    }

    pub fn call<M: Method>(&self, method: &M) -> Result<M::Reply, Error> {
        call_at(&self.socket, method)
    }

    /// Sends bytes as they are, and returns everything that comes back until the helper hangs up.
    pub fn send(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        // It may have hung up before the end.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8(reply).unwrap()
    }

    /// Calls from a thread of its own, which sends what comes back.
    pub fn call_meanwhile<M>(&self, method: M, answers: &Sender<Result<M::Reply, Error>>)
    where
        M: Method<Reply: Send> + Send + 'static,
    {
        let (socket, answers) = (self.socket.clone(), answers.clone());
        // Whoever asked may have seen enough.
        thread::spawn(move || answers.send(call_at(&socket, &method)));
    }

    pub fn home(&self, name: &str) -> String {
        self.homes.join(name).to_str().unwrap().to_owned()
    }

    pub fn make(&self, home: &str) -> MakeHome {
        MakeHome { name: name_in(home), uid: owner(), gid: owner(), home: self.home(home) }
    }

    pub fn archive(&self, home: &str) -> ArchiveHome {
        ArchiveHome { name: name_in(home), uid: owner(), home: self.home(home) }
    }

    pub fn remove(&self, home: &str) -> RemoveHome {
        RemoveHome { name: name_in(home), uid: owner(), home: self.home(home) }
    }

    /// The names of what is where homes are, or in one of them.
    pub fn names(&self, within: &str) -> Vec<String> {
        let entries = fs::read_dir(self.homes.join(within)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn call_at<M: Method>(socket: &Path, method: &M) -> Result<M::Reply, Error> {
    let stream = UnixStream::connect(socket).unwrap();
    match Client::new(stream, PATIENCE).call(method) {
        Ok(reply) => Ok(reply),
        Err(ClientError::Refused(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// Homes end in the names of their owners.
fn name_in(home: &str) -> String {
    home.rsplit('/').next().unwrap().to_owned()
}

/// Homes in `homes` of this folder, with what is in its `skel`.
pub fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::default();
    let [homes, skel] = ["homes", "skel"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    fs::create_dir_all(&homes).unwrap();
    for directory in [folder, homes.as_ref()] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    settings.homes.roots = vec![homes.parse().unwrap()];
    settings.homes.skel = skel.parse().unwrap();
    // The one has no quotas anywhere, and at the other nothing can be mounted.
    settings.quota.filesystems = ["/proc", "/proc/nothing"]
        .map(|path| QuotaFilesystem { path: path.parse().unwrap(), ..QuotaFilesystem::default() })
        .into();
    settings
}

/// Serves a uid at this path, for as long as the test runs.
pub fn serve_at(socket: &Path, owner: u32, settings: Settings) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || serve(&listener, owner, None, move || Ok(node(settings.clone()))));
}

/// What a node with these settings allows, which has a local account with a uid that Pody might give.
pub fn node(settings: Settings) -> Node {
    let root = settings.homes.roots[0].as_str();
    let local = format!(
        "root:x:0:0::/root:/bin/sh\nlocal:x:1900000001:1900000001::{root}/local/:/bin/sh\n\
         all:x:1900000002:1900000002::{root}:/bin/sh\nslash:x:1900000004:1900000004::/:/bin/sh\n\
         below:x:1900000003:1900000003::{root}/deep/below:/bin/sh\n"
    );
    let local = LocalAccounts::parse(&local, "");
    Node { projects: [(1_900_000_008, "backup".to_owned())].into(), ..Node::of(settings, local) }
}
