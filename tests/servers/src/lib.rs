//! Real servers for tests: each is started by the test that needs it, as an ordinary user in a directory of its own, and
//! ends with it, even if the test is killed. `tests/servers/install` brings their programs.
//!
//! One server of a kind is shared by the tests of a process, and each test takes a database of its own from it; a test that
//! wants to hurt a server starts its own.
#![forbid(unsafe_code)]

mod chance;
pub mod hrana;
mod installed;
pub mod mariadb;
mod place;
pub mod postgres;
mod server;

use tokio::sync::OnceCell;

pub use hrana::Hrana;
pub use mariadb::MariaDb;
pub use postgres::Postgres;

/// The PostgreSQL that all tests of this process share.
pub async fn postgres() -> &'static Postgres {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED.get_or_init(|| Postgres::start(postgres::Options::default())).await
}

/// The MariaDB that all tests of this process share.
pub async fn mariadb() -> &'static MariaDb {
    static SHARED: OnceCell<MariaDb> = OnceCell::const_new();
    SHARED.get_or_init(|| MariaDb::start(mariadb::Options::default())).await
}
