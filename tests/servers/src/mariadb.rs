//! MariaDB: a server of its own, with passwords, on a port of 127.0.0.1 and a Unix socket.

use std::path::PathBuf;
use std::process::Command;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, MySqlConnection};

use crate::chance::{letters, port};
use crate::installed;
use crate::place::Place;
use crate::server::Server;

/// Who may do everything.
const ADMIN: &str = "admin";

/// What a server of a test's own is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a commit survives a crash of the machine. Most tests are faster without.
    pub durable: bool,
    /// How many connections it takes; ten is the least that it knows.
    pub max_connections: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { durable: false, max_connections: 300 }
    }
}

/// A MariaDB server, which lives as long as this value.
pub struct MariaDb {
    server: Server,
    options: Options,
    tree: PathBuf,
    password: String,
    port: u16,
}

impl MariaDb {
    /// Starts a server that belongs to one test, which may do with it what it wants.
    pub async fn start(options: Options) -> Self {
        let tree = installed::debian("MariaDB");
        let server = Server::new(Place::new("mariadb"));
        let mut mariadb = Self { server, options, tree, password: letters(20), port: port() };
        mariadb.initialize().await;
        while let Err(said) = mariadb.launch().await {
            assert!(said.contains("Address already in use"), "MariaDB does not start: {said}");
            mariadb.port = port();
        }
        mariadb
    }

    /// The URL of an empty database with a name and an owner of its own.
    pub async fn fresh_database(&self) -> String {
        let (owner, database, password) = (letters(12), letters(12), letters(20));
        self.administer(&format!("CREATE DATABASE {database}")).await;
        self.administer(&format!("CREATE USER {owner}@'%' IDENTIFIED BY '{password}'")).await;
        self.administer(&format!("GRANT ALL ON {database}.* TO {owner}@'%'")).await;
        self.url(&owner, &password, &database)
    }

    /// Where the administrator connects to.
    pub fn admin_url(&self) -> String {
        self.url(ADMIN, &self.password, "mysql")
    }

    /// Carries out a statement as the administrator.
    pub async fn administer(&self, statement: &str) {
        let mut connection = self.connect().await.expect("the server runs");
        let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("mysql://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    async fn initialize(&self) {
        let mut command = self.command("usr/bin/mariadb-install-db");
        command.arg(format!("--datadir={}", self.server.place().path().join("data").display()));
        command.args(["--skip-test-db", "--skip-name-resolve", "--force"]);
        command.arg("--auth-root-authentication-method=socket");
        self.server.run(command).await;
        self.server.place().write(
            "users.sql",
            &format!(
                "CREATE USER IF NOT EXISTS {ADMIN}@'%' IDENTIFIED BY '{}';\nGRANT ALL ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;\n",
                self.password
            ),
        );
    }

    async fn launch(&mut self) -> Result<(), String> {
        let Options { durable, max_connections } = self.options;
        let place = self.server.place().path().to_owned();
        let mut command = self.command("usr/sbin/mariadbd");
        command.args([
            format!("--datadir={}", place.join("data").display()),
            format!("--socket={}", place.join("socket").display()),
            format!("--pid-file={}", place.join("pid").display()),
            format!("--init-file={}", place.join("users.sql").display()),
            format!("--plugin-dir={}", self.tree.join("usr/lib/mysql/plugin").display()),
            format!("--port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--skip-name-resolve".to_owned(),
            // As Debian sets it up.
            "--character-set-server=utf8mb4".to_owned(),
            "--collation-server=utf8mb4_general_ci".to_owned(),
            format!("--max-connections={max_connections}"),
            format!("--innodb-flush-log-at-trx-commit={}", u8::from(durable)),
        ]);
        self.server.launch(command);
        let options = self.admin();
        self.server.ready(async || options.connect().await.is_ok()).await
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.server.place().command(&self.tree.join(program));
        command.env("LD_LIBRARY_PATH", installed::library_path(&self.tree)).arg("--no-defaults");
        command.arg(format!("--basedir={}", self.tree.join("usr").display()));
        command
    }

    async fn connect(&self) -> sqlx::Result<MySqlConnection> {
        self.admin().connect().await
    }

    /// By the socket, where no certificate is asked for.
    fn admin(&self) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .socket(self.server.place().path().join("socket"))
            .username(ADMIN)
            .password(&self.password)
            .ssl_mode(MySqlSslMode::Disabled)
    }
}
