//! A whole podyd without its sockets: store, publisher and service in a folder of a test's own.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Folder, Publishing, rules};
use crate::clock::Clock;
use crate::config::{Auth, Environment, Lockout, Paths, Settings};
use crate::directory::Directory;
use crate::service::{Database, Peer, Service};
use crate::store::{NodeStore, SqlDirectory};
use crate::verifiers::{Argon2Parameters, Pool};

/// When the clocks of tests start: a day in 2027.
pub const NOW: i64 = 1_800_000_000;

/// A node whose clock a test moves.
pub struct TestNode<D = SqlDirectory> {
    pub folder: Folder,
    pub publishing: Publishing<D>,
    pub service: Arc<Service<D>>,
    pub clock: Clock,
}

impl TestNode {
    /// A node with an empty directory, on which three wrong passwords are free.
    pub async fn start() -> Self {
        let folder = Folder::new();
        let directory = Arc::new(SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap());
        let node = Self::start_with(folder, Arc::clone(&directory)).await;
        let service = Arc::into_inner(node.service).unwrap();
        let service = service.with_database(Database::new(directory, Environment::default()));
        Self { service: Arc::new(service), ..node }
    }
}

impl<D: Directory> TestNode<D> {
    /// A node with this directory.
    pub async fn start_with(folder: Folder, directory: Arc<D>) -> Self {
        let clock = Clock::set_to(NOW);
        let lockout = Lockout { user_failures: 3, ..Lockout::default() };
        let settings = Settings {
            auth: Auth { lockout, ..Auth::default() },
            paths: Paths { state: folder.to_path_buf(), helper: folder.join("helper"), ..Paths::default() },
            ..Settings::default()
        };
        let publishing = Publishing::start(directory, &folder, rules(), settings);
        let service = Arc::new(service(&publishing, &folder, &clock).await);
        Self { folder, publishing, service, clock }
    }

    /// Starts the service again, as after a restart of podyd: what it only remembered is forgotten.
    pub async fn restart_service(&mut self) {
        self.service.node.close().await;
        self.service = Arc::new(service(&self.publishing, &self.folder, &self.clock).await);
    }

    /// The source of truth.
    pub fn directory(&self) -> &D {
        &self.publishing.directory
    }
}

async fn service<D: Directory>(publishing: &Publishing<D>, folder: &Path, clock: &Clock) -> Service<D> {
    Service::new(
        Arc::clone(&publishing.directory),
        NodeStore::open(&folder.join("node.sqlite"), clock.unix_seconds()).await.unwrap(),
        Pool::new(cheap_hashes(), 2),
        publishing.published.clone(),
        publishing.rules.subscribe(),
        publishing.settings.subscribe(),
        clock.clone(),
    )
}

/// Hashes that take no time, and prove as much.
pub fn cheap_hashes() -> Argon2Parameters {
    Argon2Parameters::new(64, 1, 1).unwrap()
}

/// A process of this uid, as the kernel would name it.
pub fn peer(uid: u32) -> Peer {
    Peer { uid, pid: 1 }
}

/// A password, as it is passed around.
pub fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}
