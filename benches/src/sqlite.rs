//! The least that an import can cost: the rows that it left behind, inserted once more by nothing but SQLite.
//!
//! One prepared statement a table, all in one transaction, as durable as podyd's own, into the same tables with the same
//! indexes and constraints. What the rows mean is not known here.

use std::error::Error;
use std::ffi::{CStr, CString, c_int};
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use libsqlite3_sys as ffi;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What an import has made, in the order in which podyd's migrations made it; not what SQLite keeps for itself.
const SCHEMA: &str =
    "FROM old.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY rowid";

/// Fills a new file at `new` with everything in the one at `old`, and says how long the rows took.
pub fn insert_all(old: &Path, new: &Path) -> Result<Duration> {
    let new = Connection::open(new)?;
    new.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
    new.run(&format!("ATTACH '{}' AS old", old.display()))?;
    for statement in new.texts(&format!("SELECT sql {SCHEMA}"))? {
        new.run(&statement)?;
    }
    let names = new.texts(&format!("SELECT iif(type = 'table', name, '') {SCHEMA}"))?;
    let begun = Instant::now();
    new.run("BEGIN")?;
    for table in names.iter().filter(|name| !name.is_empty()) {
        new.insert_table(table)?;
    }
    new.run("COMMIT")?;
    Ok(begun.elapsed())
}

struct Connection(*mut ffi::sqlite3);

impl Connection {
    fn open(path: &Path) -> Result<Self> {
        let path = CString::new(path.to_str().ok_or("a path that is no text")?)?;
        let mut connection = ptr::null_mut();
        // SAFETY: sqlite3_open gets a string and a place for a handle.
        let result = unsafe { ffi::sqlite3_open(path.as_ptr(), &raw mut connection) };
        let connection = Self(connection);
        connection.expect(result, ffi::SQLITE_OK).map(|()| connection)
    }

    fn run(&self, sql: &str) -> Result<()> {
        let sql = CString::new(sql)?;
        // SAFETY: sqlite3_exec gets a handle that is open and a string.
        let result =
            unsafe { ffi::sqlite3_exec(self.0, sql.as_ptr(), None, ptr::null_mut(), ptr::null_mut()) };
        self.expect(result, ffi::SQLITE_OK)
    }

    fn prepare(&self, sql: &str) -> Result<Statement> {
        let sql = CString::new(sql)?;
        let mut statement = ptr::null_mut();
        // SAFETY: sqlite3_prepare_v2 gets a handle that is open, a string with its end, and a place for a statement.
        let result =
            unsafe { ffi::sqlite3_prepare_v2(self.0, sql.as_ptr(), -1, &raw mut statement, ptr::null_mut()) };
        self.expect(result, ffi::SQLITE_OK).map(|()| Statement(statement))
    }

    /// The first column of all rows.
    fn texts(&self, sql: &str) -> Result<Vec<String>> {
        let (statement, mut texts) = (self.prepare(sql)?, Vec::new());
        while self.step(&statement)? {
            // SAFETY: the statement is at a row; its text ends with NUL and stays until the next step.
            let text = unsafe { CStr::from_ptr(ffi::sqlite3_column_text(statement.0, 0).cast()) };
            texts.push(text.to_str()?.to_owned());
        }
        Ok(texts)
    }

    fn insert_table(&self, table: &str) -> Result<()> {
        let rows = self.prepare(&format!("SELECT * FROM old.{table}"))?;
        // SAFETY: the statement is prepared.
        let columns = unsafe { ffi::sqlite3_column_count(rows.0) };
        let places = vec!["?"; usize::try_from(columns)?].join(", ");
        let insert = self.prepare(&format!("INSERT INTO main.{table} VALUES ({places})"))?;
        while self.step(&rows)? {
            for column in 0..columns {
                // SAFETY: `rows` is at a row with so many columns; the value is copied.
                let result = unsafe {
                    ffi::sqlite3_bind_value(insert.0, column + 1, ffi::sqlite3_column_value(rows.0, column))
                };
                self.expect(result, ffi::SQLITE_OK)?;
            }
            self.step(&insert)?;
            // SAFETY: the statement is prepared.
            self.expect(unsafe { ffi::sqlite3_reset(insert.0) }, ffi::SQLITE_OK)?;
        }
        Ok(())
    }

    /// Whether there is one more row.
    fn step(&self, statement: &Statement) -> Result<bool> {
        // SAFETY: the statement is prepared and of this connection.
        match unsafe { ffi::sqlite3_step(statement.0) } {
            ffi::SQLITE_ROW => Ok(true),
            result => self.expect(result, ffi::SQLITE_DONE).map(|()| false),
        }
    }

    fn expect(&self, result: c_int, wanted: c_int) -> Result<()> {
        if result == wanted {
            return Ok(());
        }
        // SAFETY: the handle is open; the message ends with NUL and stays until the next call.
        let message = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(self.0)) };
        Err(format!("SQLite: {}", message.to_string_lossy()).into())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the handle is of sqlite3_open, and its statements are gone.
        unsafe { ffi::sqlite3_close(self.0) };
    }
}

struct Statement(*mut ffi::sqlite3_stmt);

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: the statement is of sqlite3_prepare_v2 and used no more.
        unsafe { ffi::sqlite3_finalize(self.0) };
    }
}
