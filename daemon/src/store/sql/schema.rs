//! The tables' version: what a database has, what this podyd needs, and the way from one to the other.
//!
//! The steps are those of `migrations/`, recorded in the table that sqlx uses for its own. sqlx's runner is not used: it
//! waits for ever for locks, on MariaDB it takes none at all (`GET_LOCK` with a negative time-out is NULL there), and a
//! step that died half-way on MySQL it leaves to people.

use std::fmt;

use sqlx::migrate::{Migration, Migrator};

use super::dialect::Dialect;
use super::session::{Purpose, Session};
use super::value::values;
use crate::directory::{Error, Result};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
static MYSQL: Migrator = sqlx::migrate!("migrations/mysql");

/// What the tables of a database are to this podyd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// There are none.
    Missing,
    /// They lack something.
    Older {
        /// The version that they have.
        has: i64,
        /// The version that this podyd needs.
        wants: i64,
    },
    /// They are what this podyd needs.
    Current(i64),
    /// A newer podyd made them.
    Newer {
        /// The version that they have.
        has: i64,
        /// The version that this podyd knows.
        knows: i64,
    },
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => {
                f.write_str("the database has no tables of Pody's yet: run podyctl db migrate on one node")
            }
            Self::Older { has, wants } => write!(
                f,
                "the database has schema {has}, this podyd needs {wants}: run podyctl db migrate on one node"
            ),
            Self::Current(version) => write!(f, "schema {version}, as this podyd needs it"),
            Self::Newer { has, knows } => write!(
                f,
                "the database has schema {has}, this podyd knows {knows}: install the newer podyd on this node"
            ),
        }
    }
}

impl Schema {
    /// Refuses to work with tables that do not fit. For whoever asks, such a database is as good as away: nothing is known
    /// of its users.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Current(_) => Ok(()),
            _ => Err(Error::Away(self.to_string())),
        }
    }
}

/// What was done to bring the tables up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// What they were.
    pub before: Schema,
    /// The steps, in order; none: there was nothing to do.
    pub steps: Vec<String>,
}

/// What a database's tables are.
pub async fn schema(session: &mut Session) -> Result<Schema> {
    let knows = newest(session.dialect());
    let table = match session.dialect() {
        Dialect::Sqlite => "SELECT COUNT(*) AS tables FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Dialect::Postgres => "SELECT COUNT(to_regclass('_sqlx_migrations')) AS tables",
        Dialect::MySql => {
            "SELECT COUNT(*) AS tables FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = '_sqlx_migrations'"
        }
    };
    if session.query(table, &[]).await?.one()?.integer("tables")? == 0 {
        return Ok(Schema::Missing);
    }
    let rows =
        session.query("SELECT MAX(version) AS version FROM _sqlx_migrations WHERE success", &[]).await?;
    Ok(match rows.one()?.optional_integer("version")? {
        None => Schema::Missing,
        Some(has) if has < knows => Schema::Older { has, wants: knows },
        Some(has) if has > knows => Schema::Newer { has, knows },
        Some(has) => Schema::Current(has),
    })
}

/// Carries out the steps that are missing. The session must have been begun for that purpose: nobody else does the same
/// at a time, and whoever waited finds nothing left to do.
pub async fn migrate(session: &mut Session) -> Result<Migrated> {
    debug_assert_eq!(session.purpose(), Purpose::Migrate);
    let before = schema(session).await?;
    let has = match before {
        Schema::Missing => 0,
        Schema::Older { has, .. } => has,
        Schema::Current(_) => return Ok(Migrated { before, steps: Vec::new() }),
        Schema::Newer { .. } => return Err(Error::Refused(before.to_string())),
    };
    let dialect = session.dialect();
    session.script(record_table(dialect)).await?;
    let mut steps = Vec::new();
    for step in migrator(dialect).iter().filter(|step| step.version > has) {
        let name = format!("{} ({})", step.version, step.description);
        carry_out(session, step)
            .await
            .map_err(|error| error.about(format_args!("step {name} of the schema")))?;
        steps.push(name);
    }
    Ok(Migrated { before, steps })
}

/// A step and its record. Where each statement commits by itself, a step may have been carried out and not recorded, or
/// be recorded as one that was begun; it is one statement that may be repeated.
async fn carry_out(session: &mut Session, step: &Migration) -> Result<()> {
    session.script(step.sql.clone()).await?;
    session.execute("DELETE FROM _sqlx_migrations WHERE version = $1", values![step.version]).await?;
    let digest: String = step.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
    let record = match session.dialect() {
        Dialect::Postgres => {
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES ($1, $2, true, decode($3, 'hex'), -1)"
        }
        Dialect::Sqlite | Dialect::MySql => {
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES ($1, $2, true, UNHEX($3), -1)"
        }
    };
    session.execute(record, values![step.version, step.description.as_ref(), digest]).await
}

/// The version that this podyd needs.
pub fn newest(dialect: Dialect) -> i64 {
    migrator(dialect).iter().map(|step| step.version).max().unwrap_or_default()
}

fn migrator(dialect: Dialect) -> &'static Migrator {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
        Dialect::MySql => &MYSQL,
    }
}

/// sqlx's own table, so that a directory that it made goes on.
fn record_table(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
             checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)"
        }
        Dialect::Postgres => {
            "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
             execution_time BIGINT NOT NULL)"
        }
        Dialect::MySql => {
            "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
             checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)"
        }
    }
}
