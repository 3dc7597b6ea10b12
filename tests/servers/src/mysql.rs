//! MariaDB and MySQL: how they are started, and what both are told.

use std::process::Command;

use nix::sys::signal::Signal;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::database::{Kind, Language, Options, Site};
use crate::installed::Tree;

/// Nothing is synced: of no use to anybody but tests, and several times as fast.
const FAST: &str = "--innodb-flush-method=nosync";

/// What both understand.
pub struct Mysql;

/// MariaDB out of Debian's packages.
pub struct Maria(Tree);

/// MySQL out of a newer Debian than the machine's.
pub struct Oracle(Tree);

impl Kind for Maria {
    const NAME: &'static str = "MariaDB";
    const STOP: Signal = Signal::SIGTERM;
    type Language = Mysql;

    fn installed() -> Self {
        Self(Tree::debian(Self::NAME))
    }

    fn initialize(&self, site: Site<'_>) -> Command {
        let mut command = self.0.command(site.place, self.0.path("usr/bin/mariadb-install-db"));
        command.arg("--no-defaults").arg(format!("--basedir={}", self.0.path("usr").display()));
        command.args([&data(site), FAST, "--skip-test-db", "--skip-name-resolve", "--force"]);
        command.arg("--auth-root-authentication-method=socket");
        command
    }

    fn serve(&self, site: Site<'_>) -> Command {
        let mut command = self.0.command(site.place, self.0.path("usr/sbin/mariadbd"));
        command.arg("--no-defaults").args(settings(&self.0, site));
        command.arg(format!("--plugin-dir={}", self.0.path("usr/lib/mysql/plugin").display()));
        // As Debian sets it up.
        command.args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"]);
        command
    }
}

impl Kind for Oracle {
    const NAME: &'static str = "MySQL";
    const STOP: Signal = Signal::SIGTERM;
    type Language = Mysql;

    fn installed() -> Self {
        Self(Tree::mysql())
    }

    fn initialize(&self, site: Site<'_>) -> Command {
        let mut command = self.command(site);
        command.args([&data(site), FAST, "--initialize-insecure", "--secure-file-priv=NULL"]);
        command
    }

    fn serve(&self, site: Site<'_>) -> Command {
        let mut command = self.command(site);
        command.args(settings(&self.0, site)).args(["--mysqlx=OFF", "--secure-file-priv=NULL"]);
        if !site.options.durable {
            command.arg("--disable-log-bin");
        }
        command
    }
}

impl Oracle {
    fn command(&self, site: Site<'_>) -> Command {
        let mut command = self.0.command(site.place, self.0.path("usr/sbin/mysqld"));
        command.arg("--no-defaults");
        command
    }
}

fn data(site: Site<'_>) -> String {
    format!("--datadir={}", site.place.path().join("data").display())
}

fn settings(tree: &Tree, site: Site<'_>) -> Vec<String> {
    let &Options { durable, max_connections, tls } = site.options;
    let file = |name| site.place.path().join(name).display().to_string();
    // Carried out at each start, one line after the other. Whoever is root on the socket has no password.
    let users = format!(
        "CREATE USER IF NOT EXISTS {admin}@'%' IDENTIFIED BY '{password}';\n\
         GRANT ALL ON *.* TO {admin}@'%' WITH GRANT OPTION;\n\
         ALTER USER root@localhost ACCOUNT LOCK;\n",
        admin = Mysql::ADMIN,
        password = site.password
    );
    let mut settings = vec![
        format!("--basedir={}", tree.path("usr").display()),
        data(site),
        format!("--socket={}", file("socket")),
        format!("--pid-file={}", file("pid")),
        format!("--init-file={}", site.place.write("users.sql", &users).display()),
        format!("--port={}", site.port),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        format!("--max-connections={max_connections}"),
        format!("--innodb-flush-log-at-trx-commit={}", u8::from(durable)),
    ];
    if !durable {
        settings.push(FAST.to_owned());
    }
    if tls {
        settings.push(format!("--ssl-cert={}", file("server.pem")));
        settings.push(format!("--ssl-key={}", file("server.key")));
        settings.push("--require-secure-transport=ON".to_owned());
    }
    settings
}

impl Language for Mysql {
    const SCHEME: &'static str = "mysql";
    const ADMIN: &'static str = "admin";
    const ADMIN_DATABASE: &'static str = "mysql";

    fn create(database: &str, owner: &str, password: &str) -> Vec<String> {
        vec![
            format!("CREATE DATABASE {database}"),
            format!("CREATE USER {owner}@'%' IDENTIFIED BY '{password}'"),
            format!("GRANT ALL ON {database}.* TO {owner}@'%'"),
        ]
    }

    fn limit(owner: &str, connections: u32) -> String {
        format!("ALTER USER {owner}@'%' WITH MAX_USER_CONNECTIONS {connections}")
    }

    fn read_only(on: bool) -> Vec<String> {
        vec![format!("SET GLOBAL read_only = {on}")]
    }

    async fn execute(site: Site<'_>, statement: &str) -> sqlx::Result<()> {
        let options = MySqlConnectOptions::new()
            // Not by the socket: MySQL takes it for secure and wants the plain password there, which sqlx does not send.
            .host("127.0.0.1")
            .port(site.port)
            .username(Self::ADMIN)
            .password(site.password)
            .ssl_mode(MySqlSslMode::Preferred);
        let mut connection = options.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    }
}
