//! libSQL over the network: a client of Hrana over HTTP, versions 3 and 2, in JSON. A [`Stream`] is one connection to
//! the database and may hold a transaction; what stands alone goes in one request.
//!
//! It knows neither our tables nor our rules and repeats nothing by itself: whether a statement may be said twice is
//! for whoever says it to know. [`Error::outcome_unknown`] tells when it may have been carried out.

mod client;
mod error;
mod stream;
mod transport;
mod value;
mod wire;

pub use client::{Client, Endpoint};
pub use error::{Error, Result};
pub use stream::Stream;
pub use value::{Rows, Value};
pub use wire::Condition;

/// One SQL statement.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The text, with `?` or `?1` for each value.
    pub sql: &'a str,
    /// As many values as the text asks for.
    pub args: &'a [Value],
}

/// A statement of a batch, and when it is carried out.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// What must have become of the steps before it; `None`: it is carried out in any case.
    pub condition: Option<Condition>,
    /// The statement.
    pub statement: Statement<'a>,
}

/// What became of a step of a batch.
#[derive(Debug)]
pub enum Outcome {
    /// It was carried out.
    Done(Rows),
    /// The database refused it.
    Failed(Error),
    /// Its condition did not hold.
    Skipped,
}

#[cfg(test)]
mod tests;
