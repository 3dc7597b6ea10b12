//! The databases that a directory can be in: how each is opened, and how a connection to it is had.

use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::error::database;
#[cfg(feature = "backend-postgres")]
use super::listener::Listener;
use super::schema::{self, Migrated, Schema};
use super::session::{Connection, Purpose, Session};
use crate::directory::{Error, Result};
#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
use {
    std::sync::Arc,
    tokio::sync::{OwnedSemaphorePermit, Semaphore},
};

/// Readers of the embedded store at once: reads are short, but for the whole copies that other nodes make, which must leave
/// room for logins (`MAX_DUMPS`).
const READERS: u32 = 8;

/// How often MySQL, which tells nobody anything, is asked whether something has changed: one row by its key.
#[cfg(feature = "backend-mysql")]
const MYSQL_POLL: Duration = Duration::from_millis(300);

/// How long an operation waits for a connection before it says that the database is too busy.
pub const ACQUIRE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a server may take to accept a connection. One that refuses is tried again for as long: another is about to take
/// its place, or it is being started. Whoever waits for their turn at a server that answers waits longer.
#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
const CONNECT_DEADLINE: Duration = Duration::from_secs(4);

/// A database and the connections to it.
#[derive(Debug)]
pub enum Database {
    /// A file of this node. Readers see the last commit while a writer works (WAL); writers queue for one connection, so
    /// that a transaction never fails for another's sake.
    Sqlite { path: PathBuf, readers: SqlitePool, writer: SqlitePool },
    /// A PostgreSQL server.
    #[cfg(feature = "backend-postgres")]
    Postgres { place: String, pool: sqlx::PgPool, turns: Arc<Semaphore>, listener: Listener },
    /// A MySQL or MariaDB server.
    #[cfg(feature = "backend-mysql")]
    MySql { place: String, pool: sqlx::MySqlPool, turns: Arc<Semaphore> },
    /// A libSQL server.
    #[cfg(feature = "backend-libsql")]
    Libsql(super::libsql::Libsql),
}

impl Database {
    /// Opens a SQLite file, making it and bringing its schema up to date if need be.
    pub async fn sqlite(path: &Path) -> Result<Self> {
        let away = |error: &dyn std::fmt::Display| Error::Away(format!("{}: {error}", path.display()));
        let options = sqlite_options(path);
        let writer = sqlite_pool(1).connect_with(options.clone()).await.map_err(|error| away(&error))?;
        let readers = sqlite_pool(READERS).connect_lazy_with(options);
        let database = Self::Sqlite { path: path.to_owned(), readers, writer };
        database.migrate().await.map_err(|error| away(&error))?;
        Ok(database)
    }

    /// Prepares connections to a PostgreSQL server, which need not be there yet.
    #[cfg(feature = "backend-postgres")]
    pub fn postgres(url: &str, max_connections: u32) -> Result<Self> {
        use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

        let options = url
            .parse::<PgConnectOptions>()
            .map_err(wrong_url)?
            .application_name("podyd")
            .disable_statement_logging();
        let database = options.get_database().unwrap_or_default();
        let place = format!("postgresql://{}:{}/{database}", options.get_host(), options.get_port());
        let pool = PgPoolOptions::new().max_connections(max_connections).acquire_timeout(CONNECT_DEADLINE);
        let (pool, turns) = (pool.connect_lazy_with(options), turns(max_connections));
        Ok(Self::Postgres { place, pool, turns, listener: Listener::default() })
    }

    /// Prepares connections to a MySQL or MariaDB server, which need not be there yet.
    #[cfg(feature = "backend-mysql")]
    pub fn mysql(url: &str, max_connections: u32) -> Result<Self> {
        use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

        let options = url
            .parse::<MySqlConnectOptions>()
            .map_err(wrong_url)?
            .collation("utf8mb4_bin")
            .disable_statement_logging();
        let database = options.get_database().unwrap_or_default();
        let place = format!("mysql://{}:{}/{database}", options.get_host(), options.get_port());
        let pool = MySqlPoolOptions::new().max_connections(max_connections).acquire_timeout(CONNECT_DEADLINE);
        Ok(Self::MySql { place, pool: pool.connect_lazy_with(options), turns: turns(max_connections) })
    }

    /// Makes the tables, or brings them up to date; says what was done. Several nodes may do so at once: all but one wait.
    pub async fn migrate(&self) -> Result<Migrated> {
        let schema = self.schema().await?;
        if let Schema::Current(_) = schema {
            return Ok(Migrated { before: schema, steps: Vec::new() });
        }
        let mut session = self.begin(Purpose::Migrate).await?;
        let migrated = schema::migrate(&mut session).await;
        session.finish(migrated).await
    }

    /// What its tables are to this podyd.
    pub async fn schema(&self) -> Result<Schema> {
        // In a transaction, MySQL refuses to read tables that were made since it began; outside of one, a pooler lends
        // another connection of PostgreSQL's for each statement.
        let purpose = match self {
            #[cfg(feature = "backend-postgres")]
            Self::Postgres { .. } => Purpose::Read,
            _ => Purpose::Single,
        };
        let mut session = self.begin(purpose).await?;
        let schema = schema::schema(&mut session).await;
        session.finish(schema).await
    }

    /// What kind it is and where, without secrets.
    pub fn describe(&self) -> (&'static str, String) {
        match self {
            Self::Sqlite { path, .. } => ("local", path.display().to_string()),
            #[cfg(feature = "backend-postgres")]
            Self::Postgres { place, .. } => ("sql", place.clone()),
            #[cfg(feature = "backend-mysql")]
            Self::MySql { place, .. } => ("sql", place.clone()),
            #[cfg(feature = "backend-libsql")]
            Self::Libsql(libsql) => ("sql", libsql.place()),
        }
    }

    /// Takes a connection for a purpose.
    pub async fn begin(&self, purpose: Purpose) -> Result<Session> {
        let connection = match self {
            Self::Sqlite { readers, writer, .. } => {
                let pool = if purpose.is_writing() { writer } else { readers };
                Connection::Sqlite(pool.acquire().await.map_err(database)?)
            }
            #[cfg(feature = "backend-postgres")]
            Self::Postgres { pool, turns, .. } => {
                let turn = turn(turns).await?;
                Connection::Postgres(pool.acquire().await.map_err(database)?, turn)
            }
            #[cfg(feature = "backend-mysql")]
            Self::MySql { pool, turns, .. } => {
                let turn = turn(turns).await?;
                Connection::MySql(pool.acquire().await.map_err(database)?, turn)
            }
            #[cfg(feature = "backend-libsql")]
            Self::Libsql(libsql) => Connection::Libsql(libsql.link(purpose).await?),
        };
        Session::begin(connection, purpose).await
    }

    /// Returns when somebody else may have changed something.
    pub async fn changed(&self) {
        match self {
            // A file of this node: who changes it is here and says so.
            Self::Sqlite { .. } => std::future::pending().await,
            #[cfg(feature = "backend-postgres")]
            Self::Postgres { pool, listener, .. } => listener.heard(pool).await,
            #[cfg(feature = "backend-mysql")]
            Self::MySql { .. } => tokio::time::sleep(MYSQL_POLL).await,
            #[cfg(feature = "backend-libsql")]
            Self::Libsql(libsql) => libsql.changed().await,
        }
    }

    /// Waits for what is under way and closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer, .. } => {
                readers.close().await;
                writer.close().await;
            }
            #[cfg(feature = "backend-postgres")]
            Self::Postgres { pool, .. } => pool.close().await,
            #[cfg(feature = "backend-mysql")]
            Self::MySql { pool, .. } => pool.close().await,
            #[cfg(feature = "backend-libsql")]
            Self::Libsql(libsql) => libsql.close().await,
        }
    }
}

/// As many may use a server at a time as there are connections to it.
#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
fn turns(max_connections: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(max_connections as usize))
}

/// Waits until a connection is free, or can be made.
#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    match tokio::time::timeout(ACQUIRE_DEADLINE, Arc::clone(turns).acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(Error::Away(format!(
            "every connection of this node to the database has been in use for {ACQUIRE_DEADLINE:?}: is maxConnections too low?"
        ))),
    }
}

/// Says what is wrong with a URL, which it does not show: there may be a password in it.
#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
fn wrong_url(error: sqlx::Error) -> Error {
    Error::Failed(format!("the database's URL cannot be used: {error}"))
}

/// How every SQLite file of podyd is opened: durable at each commit, readable while written.
pub fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
}

/// Connections to one file. SQLite ends a transaction by itself when the disk is full or broken; sqlx may then take the
/// connection to be inside of it for ever. Such a connection is closed, and the next caller gets a new one.
pub fn sqlite_pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(size).acquire_timeout(ACQUIRE_DEADLINE).after_release(
        |connection, _| {
            Box::pin(async move {
                // A rollback may be on its way to the connection's thread.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        },
    )
}
