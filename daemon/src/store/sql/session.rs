//! A connection while somebody uses it: one statement, or a transaction of several.
//!
//! Nothing waits for ever: a statement that takes too long ends with an error. A connection that was left in the middle of
//! something (its user gave up, the database went away) is closed and never used again.

use std::future::Future;
use std::time::Duration;

use sqlx::database::HasStatementCache;
use sqlx::pool::PoolConnection;
use sqlx::{
    AssertSqlSafe, Column, ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, Row, SqlSafeStr,
    Type, TypeInfo, ValueRef,
};
#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::dialect::{Dialect, Rendered};
use super::error::{answer, unknown_outcome};
use super::value::{Rows, Value};
use crate::directory::{Error, Result};
use crate::limits::{MIGRATION_DEADLINE, STATEMENT_DEADLINE};

/// Who is at the other end, and our turn there.
pub enum Connection {
    Sqlite(PoolConnection<sqlx::Sqlite>),
    #[cfg(feature = "backend-postgres")]
    Postgres(PoolConnection<sqlx::Postgres>, OwnedSemaphorePermit),
    #[cfg(feature = "backend-mysql")]
    MySql(PoolConnection<sqlx::MySql>, OwnedSemaphorePermit),
    #[cfg(feature = "backend-libsql")]
    Libsql(super::libsql::Link),
}

/// A connection in use.
pub struct Session {
    connection: Connection,
    purpose: Purpose,
    /// A statement was sent, and its end has not been seen.
    is_busy: bool,
    in_transaction: bool,
}

/// What begins, and what a database is told with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Statements that each stand for themselves. Not for what may go through a pooler, which lends another connection for each.
    Single,
    /// Reading as of one moment.
    Read,
    /// Changing, with nobody else changing anything meanwhile: the revision's row is locked.
    Write,
    /// Changing the tables themselves, with nobody else doing so meanwhile.
    Migrate,
}

impl Purpose {
    /// Whether others must not write meanwhile.
    pub fn is_writing(self) -> bool {
        matches!(self, Self::Write | Self::Migrate)
    }
}

impl Session {
    /// Takes a connection into use.
    pub async fn begin(connection: Connection, purpose: Purpose) -> Result<Self> {
        let mut session = Self { connection, purpose, is_busy: false, in_transaction: false };
        #[cfg(feature = "backend-libsql")]
        if let Connection::Libsql(link) = &mut session.connection {
            link.begin().await?;
            return Ok(session);
        }
        let statements: &'static str = match (purpose, session.dialect()) {
            (Purpose::Single, _) => return Ok(session),
            (Purpose::Read, Dialect::Sqlite) => "BEGIN",
            (Purpose::Write | Purpose::Migrate, Dialect::Sqlite) => "BEGIN IMMEDIATE",
            (Purpose::Read, Dialect::Postgres) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            // Whoever waits for a row that is changed meanwhile loses the place in the queue to whoever came later, again and
            // again where ten nodes write; the queue for an advisory lock is one. The number is that of migrations, and one.
            (Purpose::Write, Dialect::Postgres) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '8s'; \
                 SELECT pg_advisory_xact_lock(1886348410); SELECT revision FROM directory FOR UPDATE"
            }
            (Purpose::Read, Dialect::MySql) => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
            }
            (Purpose::Write, Dialect::MySql) => {
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION; \
                 SELECT revision FROM directory FOR UPDATE"
            }
            // Whoever comes second waits here; the number is "pody" in ASCII.
            (Purpose::Migrate, Dialect::Postgres) => {
                "BEGIN; SET LOCAL lock_timeout = '8s'; SELECT pg_advisory_xact_lock(1886348409)"
            }
            // A change of tables waits for whoever uses them, by default a day or a year.
            (Purpose::Migrate, Dialect::MySql) => {
                "SET SESSION lock_wait_timeout = 8, SESSION innodb_lock_wait_timeout = 8"
            }
        };
        session.in_transaction = true;
        session.script(statements).await?;
        if purpose == Purpose::Migrate && session.dialect() == Dialect::MySql {
            session.lock_by_name().await?;
        }
        Ok(session)
    }

    /// Changes of tables commit by themselves here and end every lock but one by name, which ends with the connection.
    async fn lock_by_name(&mut self) -> Result<()> {
        // The name is the whole server's, and 64 characters at the most.
        let lock = "SELECT COALESCE(GET_LOCK(CONCAT('pody.', SHA2(DATABASE(), 224)), 8), 0) AS locked";
        match self.query(lock, &[]).await?.one()?.integer("locked")? {
            1 => Ok(()),
            _ => Err(Error::Busy("another node is changing the tables: try again when it has ended".into())),
        }
    }

    /// What it was begun for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// How to speak to it.
    pub fn dialect(&self) -> Dialect {
        match self.connection {
            Connection::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "backend-postgres")]
            Connection::Postgres(..) => Dialect::Postgres,
            #[cfg(feature = "backend-mysql")]
            Connection::MySql(..) => Dialect::MySql,
            #[cfg(feature = "backend-libsql")]
            Connection::Libsql(_) => Dialect::Sqlite,
        }
    }

    /// Carries out a statement, written as `dialect.rs` says, and returns its rows.
    pub async fn query(&mut self, statement: &str, values: &[Value]) -> Result<Rows> {
        let rendered = self.dialect().render(statement, values);
        let deadline = self.deadline();
        self.is_busy = true;
        let outcome = match &mut self.connection {
            Connection::Sqlite(connection) => in_time(deadline, fetch(connection, rendered)).await,
            #[cfg(feature = "backend-postgres")]
            Connection::Postgres(connection, _) => in_time(deadline, fetch(connection, rendered)).await,
            #[cfg(feature = "backend-mysql")]
            Connection::MySql(connection, _) => in_time(deadline, fetch(connection, rendered)).await,
            #[cfg(feature = "backend-libsql")]
            Connection::Libsql(link) => return link.query(rendered).await,
        };
        self.settle(outcome)
    }

    /// Carries out a statement whose rows nobody wants.
    pub async fn execute(&mut self, statement: &str, values: &[Value]) -> Result<()> {
        self.query(statement, values).await.map(drop)
    }

    /// Ends the transaction by what came of it: a failure leaves nothing behind. A commit whose end was not seen may or may
    /// not have happened, and the error says so.
    pub async fn finish<T>(mut self, outcome: Result<T>) -> Result<T> {
        match outcome {
            outcome if self.purpose == Purpose::Single => outcome,
            Ok(value) => {
                self.commit().await?;
                Ok(value)
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    async fn commit(&mut self) -> Result<()> {
        #[cfg(feature = "backend-libsql")]
        if let Connection::Libsql(link) = &mut self.connection {
            return link.commit().await;
        }
        self.script("COMMIT").await.map_err(unknown_outcome)?;
        self.in_transaction = false;
        Ok(())
    }

    /// Ends the transaction as if it had never been.
    pub async fn roll_back(mut self) {
        #[cfg(feature = "backend-libsql")]
        if let Connection::Libsql(link) = &mut self.connection {
            return link.roll_back().await;
        }
        // What cannot be rolled back ends with its connection.
        if !self.is_busy && self.script("ROLLBACK").await.is_ok() {
            self.in_transaction = false;
        }
    }

    /// Carries out statements as the database itself understands them.
    pub async fn script(&mut self, statements: impl SqlSafeStr) -> Result<()> {
        let (deadline, statements) = (self.deadline(), statements.into_sql_str());
        let script = sqlx::raw_sql(statements.clone());
        self.is_busy = true;
        let outcome = match &mut self.connection {
            Connection::Sqlite(connection) => {
                in_time(deadline, script.execute(&mut **connection)).await.map(drop)
            }
            #[cfg(feature = "backend-postgres")]
            Connection::Postgres(connection, _) => {
                in_time(deadline, script.execute(&mut **connection)).await.map(drop)
            }
            #[cfg(feature = "backend-mysql")]
            Connection::MySql(connection, _) => {
                in_time(deadline, script.execute(&mut **connection)).await.map(drop)
            }
            #[cfg(feature = "backend-libsql")]
            Connection::Libsql(link) => return link.script(statements.as_str()).await,
        };
        self.settle(outcome)
    }

    fn deadline(&self) -> Duration {
        if self.purpose == Purpose::Migrate { MIGRATION_DEADLINE } else { STATEMENT_DEADLINE }
    }

    /// What the database answered is an end, too; anything else leaves the connection in an unknown state.
    fn settle<T>(&mut self, outcome: sqlx::Result<T>) -> Result<T> {
        self.is_busy = !matches!(outcome, Ok(_) | Err(sqlx::Error::Database(_)));
        outcome.map_err(|error| answer(error, self.purpose))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that changed tables may hold a lock by name, and waits for others less long than usual.
        if !self.is_busy && !self.in_transaction && self.purpose != Purpose::Migrate {
            return;
        }
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.close_on_drop(),
            #[cfg(feature = "backend-postgres")]
            Connection::Postgres(connection, _) => connection.close_on_drop(),
            #[cfg(feature = "backend-mysql")]
            Connection::MySql(connection, _) => connection.close_on_drop(),
            // It ends its stream by itself.
            #[cfg(feature = "backend-libsql")]
            Connection::Libsql(_) => {}
        }
    }
}

async fn in_time<T>(deadline: Duration, statement: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(deadline, statement).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Carries out a statement by sqlx, whichever its driver.
async fn fetch<DB>(connection: &mut PoolConnection<DB>, rendered: Rendered<'_>) -> sqlx::Result<Rows>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB: Database + HasStatementCache,
    DB::Arguments: IntoArguments<DB>,
    for<'a> Option<i64>: Encode<'a, DB> + Type<DB>,
    for<'a> Option<String>: Encode<'a, DB> + Type<DB>,
    for<'r> i64: Decode<'r, DB>,
    for<'r> String: Decode<'r, DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut query = sqlx::query::<DB>(AssertSqlSafe(rendered.sql)).persistent(rendered.is_common);
    for value in rendered.arguments {
        query = match value.into_owned() {
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
        };
    }
    let fetched = query.fetch_all(&mut **connection).await?;
    let columns = fetched.first().map_or(&[][..], Row::columns);
    let columns = columns.iter().map(|column| column.name().to_owned()).collect();
    let rows = fetched.iter().map(cells::<DB>).collect::<sqlx::Result<_>>()?;
    Ok(Rows { columns, rows })
}

fn cells<DB: Database>(row: &DB::Row) -> sqlx::Result<Vec<Value>>
where
    for<'r> i64: Decode<'r, DB>,
    for<'r> String: Decode<'r, DB>,
    usize: ColumnIndex<DB::Row>,
{
    (0..row.len())
        .map(|index| {
            let cell = row.try_get_raw(index)?;
            if cell.is_null() {
                return Ok(Value::Text(None));
            }
            // INTEGER, INT8, BIGINT, "BIGINT UNSIGNED": every name of an integer type has it, no name of a text type does.
            if cell.type_info().name().contains("INT") {
                return Ok(Value::Integer(Some(row.try_get_unchecked(index)?)));
            }
            Ok(Value::Text(Some(row.try_get_unchecked(index)?)))
        })
        .collect()
}
