//! The SQL side: a stream is a connection to the SQLite file, found by a baton that is good for one request.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Connection, Either, Executor, Row, SqlSafeStr,
    Statement, TypeInfo, ValueRef,
};
use tokio::time::timeout;

use super::{Shared, locked};
use crate::chance::letters;

/// So many that nobody guesses another's baton.
const BATON_LETTERS: usize = 32;

/// An error as the protocol has it: `{"message": …, "code": …}`.
type Result<T> = std::result::Result<T, Value>;

/// The streams that wait for their next request, by baton.
#[derive(Default)]
pub struct Sessions {
    waiting: HashMap<String, Session>,
    expired: HashSet<String>,
    /// Connections whose streams were closed, in no transaction: opening one takes longer than most requests.
    idle: Vec<SqliteConnection>,
}

/// Why there is no stream.
pub enum NotOpen {
    /// It waited too long for this request.
    Expired,
    /// No stream has this baton, or not any more.
    Unknown,
    /// The file cannot be opened.
    Broken(String),
}

impl Sessions {
    pub fn open(&self) -> usize {
        self.waiting.len()
    }

    pub fn take(&mut self, baton: &str) -> std::result::Result<Session, NotOpen> {
        match self.waiting.remove(baton) {
            Some(session) => Ok(session),
            None if self.expired.contains(baton) => Err(NotOpen::Expired),
            None => Err(NotOpen::Unknown),
        }
    }

    fn expire(&mut self, baton: String) {
        if self.waiting.remove(&baton).is_some() {
            self.expired.insert(baton);
        }
    }
}

/// A stream.
pub struct Session {
    connection: SqliteConnection,
    texts: HashMap<i64, String>,
    closed: bool,
}

/// Makes the file, readable while it is written.
pub async fn prepare(shared: &Shared) -> sqlx::Result<()> {
    options(shared)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await?
        .close()
        .await
}

fn options(shared: &Shared) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&shared.file)
        .busy_timeout(shared.options.busy_timeout)
        // A test does not cut the power; and SQLite itself has foreign keys off unless asked.
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(false)
        .disable_statement_logging()
}

impl Session {
    pub async fn new(shared: &Shared) -> std::result::Result<Self, NotOpen> {
        let idle = locked(&shared.sessions).idle.pop();
        let connection = match idle {
            Some(connection) => Ok(connection),
            None => options(shared).connect().await,
        };
        let connection = connection.map_err(|error| NotOpen::Broken(error.to_string()))?;
        Ok(Self { connection, texts: HashMap::new(), closed: false })
    }

    /// Puts the stream where its next request finds it, and says with which baton.
    pub async fn keep(mut self, shared: &Arc<Shared>) -> Option<String> {
        if self.closed {
            // Outside of a transaction there is nothing to undo.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
            let forgotten = sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut self.connection).await;
            if forgotten.is_ok() {
                locked(&shared.sessions).idle.push(self.connection);
            }
            return None;
        }
        let baton = letters(BATON_LETTERS);
        locked(&shared.sessions).waiting.insert(baton.clone(), self);
        let (shared, expiring) = (shared.clone(), baton.clone());
        tokio::spawn(async move {
            let _ = timeout(shared.options.stream_timeout, pending::<()>()).await;
            locked(&shared.sessions).expire(expiring);
        });
        Some(baton)
    }

    pub async fn request(&mut self, shared: &Shared, mut request: Value) -> Result<Value> {
        if self.closed {
            return Err(error("STREAM_CLOSED", "The stream is closed"));
        }
        let kind = request["type"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "close" => self.closed = true,
            "execute" => {
                let result = self.execute(shared, &request["stmt"]).await?;
                return Ok(json!({"type": kind, "result": result}));
            }
            "batch" => {
                let result = self.batch(shared, &request["batch"]["steps"]).await?;
                return Ok(json!({"type": kind, "result": result}));
            }
            "sequence" => {
                let sql = self.text(&request)?;
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await.map_err(refused)?;
            }
            "store_sql" => {
                let (id, sql) = (number(&request["sql_id"])?, request["sql"].take());
                let sql = sql.as_str().ok_or_else(|| bad("store_sql without sql"))?;
                if self.texts.insert(id, sql.to_owned()).is_some() {
                    return Err(error("SQL_EXISTS", "This id has a text already"));
                }
            }
            "close_sql" => {
                self.texts.remove(&number(&request["sql_id"])?);
            }
            "get_autocommit" => {
                return Ok(json!({"type": kind, "is_autocommit": self.is_autocommit().await}));
            }
            _ => return Err(bad(&format!("request {kind:?} is unknown"))),
        }
        Ok(json!({"type": kind}))
    }

    async fn execute(&mut self, shared: &Shared, statement: &Value) -> Result<Value> {
        let sql = self.text(statement)?;
        let arguments = statement["args"].as_array().map_or(&[][..], Vec::as_slice);
        let prepared = (&mut self.connection)
            .prepare(AssertSqlSafe(sql.clone()).into_sql_str())
            .await
            .map_err(refused)?;
        if prepared.parameters() != Some(Either::Right(arguments.len())) {
            return Err(error("ARGS_INVALID", "Arguments do not match SQL parameters"));
        }
        let columns: Vec<Value> = prepared
            .columns()
            .iter()
            .map(|column| json!({"name": column.name(), "decltype": null}))
            .collect();
        let query = sqlx::query_with(AssertSqlSafe(sql), bound(arguments)?);
        let mut rows = query.fetch_all(&mut self.connection).await.map_err(refused)?;
        if statement["want_rows"] == json!(false) {
            rows.clear();
        }
        shared.rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let (affected, last): (i64, i64) = sqlx::query_as("SELECT changes(), last_insert_rowid()")
            .fetch_one(&mut self.connection)
            .await
            .map_err(refused)?;
        Ok(json!({
            "cols": columns,
            "rows": rows.iter().map(row_values).collect::<Vec<_>>(),
            "affected_row_count": affected,
            "last_insert_rowid": last.to_string(),
        }))
    }

    async fn batch(&mut self, shared: &Shared, steps: &Value) -> Result<Value> {
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for step in steps.as_array().ok_or_else(|| bad("a batch without steps"))? {
            let asked = step["condition"].to_string().contains("is_autocommit");
            let autocommit = asked && self.is_autocommit().await;
            let (result, failure) = if !holds(&step["condition"], &results, &errors, autocommit)? {
                (Value::Null, Value::Null)
            } else {
                match self.execute(shared, &step["stmt"]).await {
                    Ok(result) => (result, Value::Null),
                    Err(failure) => (Value::Null, failure),
                }
            };
            results.push(result);
            errors.push(failure);
        }
        Ok(json!({"step_results": results, "step_errors": errors}))
    }

    /// The SQL of a request: as it stands, or by the id under which it was stored.
    fn text(&self, holder: &Value) -> Result<String> {
        match (holder["sql"].as_str(), holder["sql_id"].as_i64()) {
            (Some(sql), None) => Ok(sql.to_owned()),
            (None, Some(id)) => {
                self.texts.get(&id).cloned().ok_or_else(|| error("SQL_NOT_FOUND", "No text has this id"))
            }
            _ => Err(bad("one of sql and sql_id is needed")),
        }
    }

    /// Whether no transaction is open: only then can one begin, and this kind takes no lock.
    async fn is_autocommit(&mut self) -> bool {
        let begun = sqlx::raw_sql("BEGIN DEFERRED").execute(&mut self.connection).await.is_ok();
        if begun {
            sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await.expect("nothing was done in it");
        }
        begun
    }
}

/// Whether a step is carried out, by what became of those before it.
fn holds(condition: &Value, results: &[Value], errors: &[Value], autocommit: bool) -> Result<bool> {
    let of_step = |outcomes: &[Value]| {
        let step = number(&condition["step"])?;
        let outcome = usize::try_from(step).ok().and_then(|step| outcomes.get(step));
        outcome.map(|outcome| !outcome.is_null()).ok_or_else(|| bad("a condition on a step to come"))
    };
    let conditions = || {
        let conditions = condition["conds"].as_array().ok_or_else(|| bad("conds are missing"))?;
        conditions.iter().map(|each| holds(each, results, errors, autocommit)).collect::<Result<Vec<_>>>()
    };
    match condition["type"].as_str() {
        None if condition.is_null() => Ok(true),
        Some("ok") => of_step(results),
        Some("error") => of_step(errors),
        Some("not") => Ok(!holds(&condition["cond"], results, errors, autocommit)?),
        Some("and") => Ok(conditions()?.into_iter().all(|holds| holds)),
        Some("or") => Ok(conditions()?.into_iter().any(|holds| holds)),
        Some("is_autocommit") => Ok(autocommit),
        _ => Err(bad("a condition of an unknown type")),
    }
}

fn bound(arguments: &[Value]) -> Result<SqliteArguments> {
    let mut bound = SqliteArguments::default();
    for argument in arguments {
        let value = &argument["value"];
        let added = match argument["type"].as_str() {
            Some("null") => bound.add(None::<i64>),
            Some("integer") => bound.add(
                value
                    .as_str()
                    .and_then(|digits| digits.parse::<i64>().ok())
                    .ok_or_else(|| bad("not an integer"))?,
            ),
            Some("float") => bound.add(value.as_f64().ok_or_else(|| bad("not a number"))?),
            Some("text") => bound.add(value.as_str().ok_or_else(|| bad("not a text"))?.to_owned()),
            Some("blob") => {
                let text = argument["base64"].as_str().unwrap_or_default().trim_end_matches('=');
                bound.add(STANDARD_NO_PAD.decode(text).map_err(|_| bad("not base64"))?)
            }
            _ => return Err(bad("a value of an unknown type")),
        };
        added.map_err(|error| bad(&error.to_string()))?;
    }
    Ok(bound)
}

fn row_values(row: &SqliteRow) -> Vec<Value> {
    (0..row.len()).map(|column| value(row, column)).collect()
}

fn value(row: &SqliteRow, column: usize) -> Value {
    let raw = row.try_get_raw(column).expect("the column is there");
    if raw.is_null() {
        return json!({"type": "null"});
    }
    match raw.type_info().name() {
        "INTEGER" => json!({"type": "integer", "value": get::<i64>(row, column).to_string()}),
        "REAL" => json!({"type": "float", "value": get::<f64>(row, column)}),
        "TEXT" => json!({"type": "text", "value": get::<String>(row, column)}),
        _ => json!({"type": "blob", "base64": STANDARD_NO_PAD.encode(get::<Vec<u8>>(row, column))}),
    }
}

fn get<'r, T: sqlx::Decode<'r, Sqlite>>(row: &'r SqliteRow, column: usize) -> T {
    row.try_get_unchecked(column).expect("SQLite says that the value is of this type")
}

fn number(value: &Value) -> Result<i64> {
    value.as_i64().ok_or_else(|| bad("a number is missing"))
}

fn bad(message: &str) -> Value {
    error("BAD_REQUEST", message)
}

fn error(code: &str, message: &str) -> Value {
    json!({"message": message, "code": code})
}

/// An error of SQLite, by the name of its primary code.
fn refused(failure: sqlx::Error) -> Value {
    let sqlx::Error::Database(failure) = failure else {
        return error("SQLITE_UNKNOWN", &failure.to_string());
    };
    let extended: u32 = failure.code().and_then(|code| code.parse().ok()).unwrap_or_default();
    let code = match extended & 0xff {
        1 => "SQL_INPUT_ERROR",
        5 => "SQLITE_BUSY",
        6 => "SQLITE_LOCKED",
        8 => "SQLITE_READONLY",
        13 => "SQLITE_FULL",
        19 => "SQLITE_CONSTRAINT",
        20 => "SQLITE_MISMATCH",
        _ => "SQLITE_UNKNOWN",
    };
    error(code, &format!("SQLite error: {}", failure.message()))
}
