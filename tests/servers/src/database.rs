//! A database server that a test can ask for databases, and hurt. What differs from product to product, a [`Kind`] says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::chance::{letters, port};
use crate::place::Place;
use crate::server::Server;
use crate::tls::Authority;

/// What a server of a test's own is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a commit survives a crash of the machine. Most tests are faster without.
    pub durable: bool,
    /// How many connections it takes, the administrator's included. MariaDB and MySQL do not go below ten.
    pub max_connections: u32,
    /// Whether connections to 127.0.0.1 must use TLS. Its certificate is for that address: `localhost` is a wrong name.
    pub tls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { durable: false, max_connections: 300, tls: false }
    }
}

/// A product: how it is started.
pub trait Kind: Sized {
    /// What it is called.
    const NAME: &'static str;
    /// Asks it to end at once, but in an orderly way.
    const STOP: Signal;
    /// What it is told, and how.
    type Language: Language;

    /// Finds its programs; panics with how to install them.
    fn installed() -> Self;
    /// What makes an empty cluster.
    fn initialize(&self, site: Site<'_>) -> Command;
    /// What runs the server in it, with an administrator.
    fn serve(&self, site: Site<'_>) -> Command;
}

/// What some products understand alike.
pub trait Language {
    /// What a URL begins with.
    const SCHEME: &'static str;
    /// Who may do everything.
    const ADMIN: &'static str;
    /// Which database the administrator connects to.
    const ADMIN_DATABASE: &'static str;

    /// The statements that create an owner and a database.
    fn create(database: &str, owner: &str, password: &str) -> Vec<String>;
    /// The statement that lets an owner have so many connections at most.
    fn limit(owner: &str, connections: u32) -> String;
    /// The statements that refuse or take writes.
    fn read_only(on: bool) -> Vec<String>;
    /// Carries out a statement as the administrator.
    fn execute(site: Site<'_>, statement: &str) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// One server, as its kind has to know it.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub place: &'a Place,
    pub port: u16,
    pub password: &'a str,
    pub options: &'a Options,
}

/// A server, which lives as long as this value, and not longer than the test.
pub struct Database<K: Kind> {
    kind: K,
    server: Server,
    port: u16,
    password: String,
    options: Options,
}

impl<K: Kind> Database<K> {
    /// Starts a server that belongs to one test, which may do with it what it wants.
    pub async fn start(options: Options) -> Self {
        let kind = K::installed();
        let server = Server::new(Place::new(&K::NAME.to_lowercase()));
        let mut database = Self { kind, server, port: port(), password: letters(20), options };
        if database.options.tls {
            database.certify();
        }
        database.server.run(database.kind.initialize(database.site())).await;
        while let Err(said) = database.launch().await {
            assert!(said.contains("already in use"), "{} does not start: {said}", K::NAME);
            database.port = port();
        }
        database
    }

    /// The URL of an empty database with a name and an owner of its own.
    pub async fn fresh_database(&self) -> String {
        let (database, owner, password) = (letters(12), letters(12), letters(20));
        for statement in K::Language::create(&database, &owner, &password) {
            self.administer(&statement).await;
        }
        self.url(&owner, &password, &database)
    }

    /// Where the administrator connects to.
    pub fn admin_url(&self) -> String {
        self.url(K::Language::ADMIN, &self.password, K::Language::ADMIN_DATABASE)
    }

    /// Carries out a statement as the administrator.
    pub async fn administer(&self, statement: &str) {
        let done = K::Language::execute(self.site(), statement).await;
        done.unwrap_or_else(|error| panic!("{}: {statement}: {error}", K::NAME));
    }

    /// Lets the owner in a URL have so many connections at most. Those that stand remain, and not every product counts them.
    pub async fn limit_connections(&self, url: &str, connections: u32) {
        let (_, rest) = url.split_once("://").expect("a URL of fresh_database");
        let (owner, _) = rest.split_once(':').expect("a URL with a password");
        self.administer(&K::Language::limit(owner, connections)).await;
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory that it lives in, with its log.
    pub fn directory(&self) -> &Path {
        self.server.place().path()
    }

    /// The certificate of who vouches for it, where it asks for TLS.
    pub fn authority(&self) -> PathBuf {
        assert!(self.options.tls, "this server was started without TLS");
        self.directory().join("authority.pem")
    }

    /// Refuses every write of owners from now on, as a standby does, or takes them again.
    pub async fn set_read_only(&mut self, on: bool) {
        for statement in K::Language::read_only(on) {
            self.administer(&statement).await;
        }
    }

    /// Ends it and cuts every connection, as a crash would.
    pub async fn kill(&mut self) {
        self.server.kill().await;
    }

    /// Ends it in an orderly way, without waiting for its clients.
    pub async fn stop(&mut self) {
        self.server.stop(K::STOP).await;
    }

    /// Starts it again after its end: the same data, the same port, which others may have tried out at that moment.
    pub async fn start_again(&mut self) {
        let mut outcome = self.launch().await;
        for _ in 0..4 {
            if outcome.is_ok() {
                return;
            }
            outcome = self.launch().await;
        }
        outcome.unwrap_or_else(|said| panic!("{} does not start again: {said}", K::NAME));
    }

    /// Lets connections stay, and no answer come.
    pub fn freeze(&mut self) {
        self.server.freeze();
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.server.thaw();
    }

    async fn launch(&mut self) -> Result<(), String> {
        self.server.launch(self.kind.serve(self.site()));
        let (port, password, options) = (self.port, &self.password, &self.options);
        self.server
            .ready(async |place| {
                K::Language::execute(Site { place, port, password, options }, "SELECT 1").await
            })
            .await
    }

    fn certify(&self) {
        let (place, authority) = (self.server.place(), Authority::new());
        let certified = authority.certify("127.0.0.1");
        place.write("server.pem", &certified.certificate);
        place.write("server.key", &certified.key);
        let path = place.write("authority.pem", &authority.pem());
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    }

    fn site(&self) -> Site<'_> {
        let Self { server, port, password, options, .. } = self;
        Site { place: server.place(), port: *port, password, options }
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("{}://{user}:{password}@127.0.0.1:{}/{database}", K::Language::SCHEME, self.port)
    }
}
