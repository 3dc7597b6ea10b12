//! What the databases complain of, sorted by who must act.
//!
//! For somebody who only asks, every complaint means that the directory is away: whatever is wrong with an account's rights,
//! nothing is known about any user. The words say what it is.

use sqlx::error::DatabaseError;

use super::session::Purpose;
use crate::directory::Error;
#[cfg(feature = "backend-libsql")]
use crate::store::hrana;

/// What a statement came to. A constraint that the plan should have kept is our fault, a right or a read-only server is an
/// admin's to change; anything else means that the database cannot work now.
pub fn answer(error: sqlx::Error, purpose: Purpose) -> Error {
    let sqlx::Error::Database(answer) = &error else {
        return database(error);
    };
    match Complaint::of(answer.as_ref()) {
        Complaint::Right if purpose == Purpose::Migrate => Error::Refused(format!(
            "the database account may not change the tables: {answer}. Use the account that owns them (its \
             rights: docs/guide/shared-database.md)"
        )),
        Complaint::Right if purpose == Purpose::Write => Error::Refused(format!(
            "the database account may only read, or not write here: {answer}. Make this change on a node whose account \
             may write"
        )),
        Complaint::ReadOnly if matches!(purpose, Purpose::Write | Purpose::Migrate) => {
            Error::Refused(format!(
                "the database takes no changes now, it is read-only: {answer}. Is it a standby? Name the primary in the \
             configuration"
            ))
        }
        Complaint::Right | Complaint::ReadOnly => {
            Error::Away(format!("the database account may not read this: {answer}"))
        }
        Complaint::Tables => Error::Away(format!(
            "the database's tables are not those that this podyd needs ({answer}): see podyctl db status"
        )),
        Complaint::Wait => Error::Busy(format!(
            "somebody else holds what this change needs, for too long: {answer}. Nothing was changed; try again"
        )),
        Complaint::Other if answer.is_unique_violation() => {
            Error::Conflict(format!("another change came first: {answer}"))
        }
        Complaint::Other if answer.is_check_violation() || answer.is_foreign_key_violation() => {
            Error::Failed(format!("the store refused a row: {answer}"))
        }
        Complaint::Other => database(error),
    }
}

/// The database cannot be had.
pub fn database(error: sqlx::Error) -> Error {
    Error::Away(match error {
        sqlx::Error::PoolTimedOut => "the database does not answer in time, or has no connection free".into(),
        _ => format!("the database does not answer: {error}"),
    })
}

/// A commit that fails may or may not have happened; whoever is told so must look.
pub fn unknown_outcome(error: Error) -> Error {
    Error::Failed(format!("the change could not be confirmed, look before repeating it: {error}"))
}

/// What a database's code means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Complaint {
    /// The account may not.
    Right,
    /// The server takes no writes now.
    ReadOnly,
    /// There is no such table or column.
    Tables,
    /// A lock was not to be had in time, or two waited for each other.
    Wait,
    Other,
}

impl Complaint {
    fn of(answer: &dyn DatabaseError) -> Self {
        #[cfg(feature = "backend-mysql")]
        if let Some(answer) = answer.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
            return Self::of_mysql(answer.number());
        }
        match answer.code().as_deref() {
            Some("42501") => Self::Right,
            Some("25006") => Self::ReadOnly,
            Some("42P01" | "42703" | "3F000") => Self::Tables,
            Some("55P03" | "40P01" | "40001") => Self::Wait,
            _ => Self::Other,
        }
    }

    /// By the server's numbers, since one SQLSTATE stands for many there.
    #[cfg(feature = "backend-mysql")]
    fn of_mysql(number: u16) -> Self {
        match number {
            // For a database, a table, a column, a routine.
            1044 | 1142 | 1143 | 1370 => Self::Right,
            // --read-only, a transaction that is, InnoDB that is.
            1290 | 1792 | 1836 => Self::ReadOnly,
            1146 | 1054 => Self::Tables,
            1205 | 1213 => Self::Wait,
            _ => Self::Other,
        }
    }
}

/// The same for a libSQL server, whose sentences are SQLite's; its codes are its own.
#[cfg(feature = "backend-libsql")]
pub fn libsql(error: hrana::Error, purpose: Purpose) -> Error {
    let told = error.to_string();
    if error.is_busy() {
        return Error::Busy(format!(
            "somebody else holds what this change needs, for too long: {told}. Nothing was changed; try again"
        ));
    }
    if error.is_unique_violation() {
        return Error::Conflict(format!("another change came first: {told}"));
    }
    match error {
        hrana::Error::Sql { code, message } if message.contains("constraint failed") => {
            Error::Failed(format!("the store refused a row: {message} ({code})"))
        }
        hrana::Error::Sql { code, message } if message.contains("no such ") => Error::Away(format!(
            "the database's tables are not those that this podyd needs ({message}, {code}): see podyctl db status"
        )),
        hrana::Error::Sql { code, .. }
            if purpose.is_writing()
                && ["SQLITE_READONLY", "SQLITE_AUTH", "BLOCKED"].contains(&code.as_str()) =>
        {
            Error::Refused(format!(
                "the database takes no changes from this node: {told}. Is the token one that may write?"
            ))
        }
        hrana::Error::Unauthorized(_) => Error::Away(format!("{told}: is backend.libsql.authToken right?")),
        _ => Error::Away(told),
    }
}
