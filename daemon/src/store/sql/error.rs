//! What the databases complain of, sorted by who must act.

use crate::directory::Error;

/// A constraint that the plan should have kept is our fault, a permission or a read-only server is an admin's to change;
/// anything else means that the database cannot work now.
pub fn database(error: sqlx::Error) -> Error {
    let sqlx::Error::Database(answer) = &error else {
        return match error {
            sqlx::Error::PoolTimedOut => Error::Away("the database does not answer in time".into()),
            _ => Error::Away(format!("the database does not answer: {error}")),
        };
    };
    if answer.is_unique_violation() {
        return Error::Conflict(format!("another change came first: {answer}"));
    }
    if answer.is_check_violation() || answer.is_foreign_key_violation() {
        return Error::Failed(format!("the store refused a row: {answer}"));
    }
    Error::Away(format!("the database does not answer: {error}"))
}

/// A commit that fails may or may not have happened; whoever is told so must look.
pub fn unknown_outcome(error: Error) -> Error {
    Error::Failed(format!("the change could not be confirmed, look before repeating it: {error}"))
}
