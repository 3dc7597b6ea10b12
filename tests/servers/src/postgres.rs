//! PostgreSQL out of Debian's packages: how it is started, and what it is told.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::database::{Kind, Language, Options, Site};
use crate::installed::Tree;
use crate::place::Place;

/// The product.
pub struct PostgreSql {
    tree: Tree,
    programs: PathBuf,
}

impl PostgreSql {
    fn command(&self, place: &Place, program: &str) -> Command {
        self.tree.command(place, self.programs.join(program))
    }
}

impl Kind for PostgreSql {
    const NAME: &'static str = "PostgreSQL";
    const STOP: Signal = Signal::SIGINT;
    type Language = Self;

    fn installed() -> Self {
        let tree = Tree::debian(Self::NAME);
        let versions = fs::read_dir(tree.path("usr/lib/postgresql")).expect("it was unpacked");
        let programs = versions.flatten().next().expect("it has a version").path().join("bin");
        Self { tree, programs }
    }

    fn initialize(&self, site: Site<'_>) -> Command {
        let password = site.place.write("password", site.password);
        let mut command = self.command(site.place, "initdb");
        command.args(["--pgdata=data", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        command.arg(format!("--username={}", Self::ADMIN)).arg(format!("--pwfile={}", password.display()));
        command
    }

    fn serve(&self, site: Site<'_>) -> Command {
        let &Options { durable, max_connections, tls } = site.options;
        let file = |name| site.place.path().join(name).display().to_string();
        let switch = |on: bool| if on { "on" } else { "off" };
        let host = if tls { "hostssl" } else { "host" };
        let who = format!("local all all scram-sha-256\n{host} all all 127.0.0.1/32 scram-sha-256\n");
        let mut command = self.command(site.place, "postgres");
        command.args(["-D", "data", "-h", "127.0.0.1", "-p", &site.port.to_string()]);
        for setting in [
            format!("unix_socket_directories={}", site.place.path().display()),
            format!("hba_file={}", site.place.write("hba.conf", &who).display()),
            format!("max_connections={max_connections}"),
            format!("fsync={}", switch(durable)),
            format!("ssl={}", switch(tls)),
            format!("ssl_cert_file={}", file("server.pem")),
            format!("ssl_key_file={}", file("server.key")),
            // The library that would compile queries was not unpacked.
            "jit=off".to_owned(),
        ] {
            command.arg("-c").arg(setting);
        }
        command
    }
}

impl Language for PostgreSql {
    const SCHEME: &'static str = "postgres";
    const ADMIN: &'static str = "postgres";
    const ADMIN_DATABASE: &'static str = "postgres";

    fn create(database: &str, owner: &str, password: &str) -> Vec<String> {
        vec![
            format!("CREATE ROLE {owner} LOGIN PASSWORD '{password}'"),
            // Sorted by a language's rules, as most are: who relies on the order of bytes finds out here.
            format!(
                "CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
            ),
        ]
    }

    fn limit(owner: &str, connections: u32) -> String {
        format!("ALTER ROLE {owner} CONNECTION LIMIT {connections}")
    }

    fn read_only(on: bool) -> Vec<String> {
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {on}");
        vec![set, "SELECT pg_reload_conf()".to_owned()]
    }

    async fn execute(site: Site<'_>, statement: &str) -> sqlx::Result<()> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(site.place.path())
            .port(site.port)
            .username(Self::ADMIN)
            .password(site.password)
            .database(Self::ADMIN_DATABASE)
            .ssl_mode(PgSslMode::Disable);
        let mut connection = options.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    }
}
