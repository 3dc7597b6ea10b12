//! PostgreSQL: a cluster of its own, with passwords, on a port of 127.0.0.1 and a Unix socket.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::chance::{letters, port};
use crate::installed;
use crate::place::Place;
use crate::server::Server;

/// Who may do everything.
const ADMIN: &str = "postgres";

/// What a server of a test's own is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a commit survives a crash of the machine. Most tests are faster without.
    pub durable: bool,
    /// How many connections it takes, those of the administrator included.
    pub max_connections: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { durable: false, max_connections: 300 }
    }
}

/// A PostgreSQL server, which lives as long as this value.
pub struct Postgres {
    server: Server,
    options: Options,
    tree: PathBuf,
    programs: PathBuf,
    password: String,
    port: u16,
}

impl Postgres {
    /// Starts a server that belongs to one test, which may do with it what it wants.
    pub async fn start(options: Options) -> Self {
        let tree = installed::debian("PostgreSQL");
        let programs = fs::read_dir(tree.join("usr/lib/postgresql")).expect("PostgreSQL was unpacked");
        let programs = programs.flatten().next().expect("it has a version").path().join("bin");
        let server = Server::new(Place::new("postgres"));
        let mut postgres = Self { server, options, tree, programs, password: letters(20), port: port() };
        postgres.initialize().await;
        while let Err(said) = postgres.launch().await {
            assert!(said.contains("Address already in use"), "PostgreSQL does not start: {said}");
            postgres.port = port();
        }
        postgres
    }

    /// The URL of an empty database with a name and an owner of its own.
    pub async fn fresh_database(&self) -> String {
        let (owner, database, password) = (letters(12), letters(12), letters(20));
        self.administer(&format!("CREATE ROLE {owner} LOGIN PASSWORD '{password}'")).await;
        // Sorted by a language's rules, as most are: a program that relies on the order of bytes shows that here.
        self.administer(&format!(
            "CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        ))
        .await;
        self.url(&owner, &password, &database)
    }

    /// Where the administrator connects to.
    pub fn admin_url(&self) -> String {
        self.url(ADMIN, &self.password, ADMIN)
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        self.server.kill().await;
    }

    /// Ends it in an orderly way; connections are cut.
    pub async fn stop(&mut self) {
        self.server.stop(Signal::SIGINT).await;
    }

    /// Starts it again after its end: the same data, the same port.
    pub async fn start_again(&mut self) {
        self.launch().await.unwrap_or_else(|said| panic!("PostgreSQL does not start again: {said}"));
    }

    /// Lets connections stay, and no answer come.
    pub fn freeze(&mut self) {
        self.server.freeze();
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.server.thaw();
    }

    /// Refuses every write from now on, as a standby does, or takes them again.
    pub async fn set_read_only(&mut self, read_only: bool) {
        self.administer(&format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}")).await;
        self.administer("SELECT pg_reload_conf()").await;
    }

    /// Lets each owner of a database have so many connections at most; those that stand remain.
    pub async fn limit_connections(&mut self, count: u32) {
        self.administer(&format!(
            "DO $$ DECLARE owner name; BEGIN FOR owner IN SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper \
             LOOP EXECUTE format('ALTER ROLE %I CONNECTION LIMIT {count}', owner); END LOOP; END $$"
        ))
        .await;
    }

    /// Carries out a statement as the administrator.
    pub async fn administer(&self, statement: &str) {
        let mut connection = self.connect().await.expect("the server runs");
        let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    async fn initialize(&self) {
        let place = self.server.place();
        let password = place.write("password", &self.password);
        let mut command = self.command("initdb");
        command.args(["--pgdata=data", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        command.arg(format!("--username={ADMIN}")).arg(format!("--pwfile={}", password.display()));
        self.server.run(command).await;
    }

    async fn launch(&mut self) -> Result<(), String> {
        let Options { durable, max_connections } = self.options;
        let switch = |on: bool| if on { "on" } else { "off" };
        let mut command = self.command("postgres");
        command.args(["-D", "data", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        for setting in [
            format!("unix_socket_directories={}", self.server.place().path().display()),
            format!("max_connections={max_connections}"),
            format!("fsync={}", switch(durable)),
            // The library that would compile queries was not unpacked.
            "jit=off".to_owned(),
        ] {
            command.arg("-c").arg(setting);
        }
        self.server.launch(command);
        let options = self.admin();
        self.server.ready(async || options.connect().await.is_ok()).await
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.server.place().command(&self.programs.join(program));
        command.env("LD_LIBRARY_PATH", installed::library_path(&self.tree));
        command
    }

    async fn connect(&self) -> sqlx::Result<PgConnection> {
        self.admin().connect().await
    }

    /// By the socket, where no certificate is asked for.
    fn admin(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.server.place().path())
            .port(self.port)
            .username(ADMIN)
            .password(&self.password)
            .database(ADMIN)
            .ssl_mode(PgSslMode::Disable)
    }
}
