//! Nodes that share a database: each with a podyd, files and sockets of its own, in namespaces of its own, so that the
//! real getent and PAM see that node. What is asked of podyd without a program goes over its socket.
#![allow(dead_code, reason = "each file of stories uses its own part")]

use std::ops::Deref;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use protocol::Client;
use protocol::directory::{CreateUser, Secret};
use protocol::login::{Answer, Begin, Step, Verdict};
use protocol::node::Status;
use tests::host::Host;
use tests::sandbox::Sandbox;
use tests::wait;
use tokio::runtime::Runtime;

/// What takes a fraction of a second has come to nothing after this, on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The cheapest hash that podyd accepts.
pub const CHEAP_HASH: &str = "[password]\nmemory_kib = 7168\npasses = 5\n";

/// Nodes with one database. One story at a time has the machine: they measure.
pub struct Cluster {
    nodes: Vec<Sandbox>,
    _stage: Sandbox,
    _alone: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Starts podyd on so many nodes at once, each with this configuration, and waits until each has the directory.
    pub fn start(count: usize, configuration: &str) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = Sandbox::plain();
        stage.install_pody();
        let nodes: Vec<Sandbox> = (0..count).map(|_| stage.node()).collect();
        each(&nodes, |_, node| {
            node.write("/etc/pody/config.toml", configuration);
            node.start_podyd();
            wait::until("the shared directory", PATIENCE, || status(node).reachable);
        });
        Self { nodes, _stage: stage, _alone: alone }
    }

    /// Waits until lookups on every node show the same, and what this node shows now at least.
    pub fn agree(&self) {
        let newest = self.nodes.iter().map(|node| status(node).published_revision).max().unwrap();
        for node in &self.nodes {
            let is_current = || status(node).published_revision >= newest;
            wait::until("every node to be current", PATIENCE, is_current);
        }
    }
}

impl Deref for Cluster {
    type Target = [Sandbox];

    fn deref(&self) -> &[Sandbox] {
        &self.nodes
    }
}

/// The configuration of a node whose directory is at this URL.
pub fn configuration(url: &str) -> String {
    let kind = if url.starts_with("mysql:") { "mysql" } else { "postgres" };
    format!("{CHEAP_HASH}[backend.{kind}]\nurl = \"{url}\"\nautoMigrate = true\n")
}

/// What starts and hurts servers.
pub fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

/// Does something on several nodes at once; what came of it, in their order.
pub fn each<T: Send>(nodes: &[Sandbox], act: impl Fn(usize, &Sandbox) -> T + Sync) -> Vec<T> {
    thread::scope(|threads| {
        let act = &act;
        let started: Vec<_> =
            nodes.iter().enumerate().map(|(number, node)| threads.spawn(move || act(number, node))).collect();
        started.into_iter().map(|thread| thread.join().expect("what it complained of stands above")).collect()
    })
}

/// A connection to a node's podyd, as root.
pub fn client(node: &Host) -> Client {
    let stream = UnixStream::connect(node.path("/run/pody/varlink")).unwrap();
    Client::new(stream, PATIENCE)
}

/// How a node says that it is.
pub fn status(node: &Sandbox) -> protocol::node::NodeStatus {
    client(node).call(&Status {}).unwrap()
}

/// A user who is created.
pub fn user(name: &str, password: Option<&str>) -> CreateUser {
    let password = password.map(|password| Secret(password.into()));
    CreateUser { name: name.into(), password, ..CreateUser::default() }
}

/// What becomes of a login with a password, and how podyd says so when it cannot tell.
pub fn log_in(node: &Sandbox, name: &str, password: &str) -> Result<Verdict, protocol::ClientError> {
    let mut client = client(node);
    let begin = Begin { user: name.into(), service: "story".into(), ..Begin::default() };
    let login = match client.call(&begin)? {
        Step::Ask { login, .. } => login,
        Step::Done { verdict, .. } => return Ok(verdict),
        Step::Wait { .. } => panic!("podyd waits for somebody else"),
    };
    match client.call(&Answer { login, answer: Secret(password.into()) })? {
        Step::Ask { .. } | Step::Wait { .. } => panic!("podyd asks twice"),
        Step::Done { verdict, .. } => Ok(verdict),
    }
}

/// The middle one.
pub fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Says what was measured.
#[expect(clippy::print_stdout, reason = "what was measured is for whoever reads the test's output")]
pub fn report(line: &str) {
    println!("{line}");
}
