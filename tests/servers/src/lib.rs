//! Real servers for tests: each is started by the test that needs it, as an ordinary user in a directory of its own, and
//! ends with it, even if the test is killed. `tests/servers/install` and
//! `tests/servers/oidc/install` bring their programs.
//!
//! One server of a kind is shared by the tests of a process, and each test takes a database of its own from it; a test that
//! wants to hurt a server starts its own.
#![forbid(unsafe_code)]

mod chance;
mod database;
pub mod hrana;
mod installed;
mod mysql;
mod oidc;
mod pgbouncer;
mod place;
pub mod pody04;
mod postgres;
mod server;
mod serving;
pub mod tls;
mod turso;

use tokio::sync::OnceCell;

pub use chance::port;
pub use database::{Database, Kind, Options};
pub use hrana::Hrana;
pub use oidc::{Answer, OidcOptions, OidcProvider};
pub use pgbouncer::PgBouncer;
pub use pody04::Pody04;
pub use turso::TursoDb;

/// A PostgreSQL server.
pub type Postgres = Database<postgres::PostgreSql>;
/// A MariaDB server.
pub type MariaDb = Database<mysql::Maria>;
/// A MySQL server; its programs are there after `make test-mysql`.
pub type MySql = Database<mysql::Oracle>;

/// The PostgreSQL that all tests of this process share.
pub async fn postgres() -> &'static Postgres {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED.get_or_init(|| Postgres::start(Options::default())).await
}

/// The MariaDB that all tests of this process share.
pub async fn mariadb() -> &'static MariaDb {
    static SHARED: OnceCell<MariaDb> = OnceCell::const_new();
    SHARED.get_or_init(|| MariaDb::start(Options::default())).await
}

/// The MySQL that all tests of this process share.
pub async fn mysql() -> &'static MySql {
    static SHARED: OnceCell<MySql> = OnceCell::const_new();
    SHARED.get_or_init(|| MySql::start(Options::default())).await
}
