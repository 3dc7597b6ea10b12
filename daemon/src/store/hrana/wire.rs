//! The protocol's messages. Fields that we do not read are left out: peers must ignore what they do not know.

use serde::{Deserialize, Serialize};

use super::{Error, Outcome, Result, Rows, Statement, Step, Value};
use crate::limits::MAX_HRANA_MESSAGE_CHARS;

/// What one HTTP request asks for.
#[derive(Serialize)]
pub struct Pipeline<'a> {
    pub baton: Option<&'a str>,
    pub requests: &'a [Request<'a>],
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request<'a> {
    Execute { stmt: Stmt<'a> },
    Batch { batch: Batch<'a> },
    Sequence { sql: &'a str },
    Close,
}

#[derive(Serialize)]
pub struct Stmt<'a> {
    sql: &'a str,
    args: &'a [Value],
    want_rows: bool,
}

#[derive(Serialize)]
pub struct Batch<'a> {
    steps: Vec<BatchStep<'a>>,
}

#[derive(Serialize)]
struct BatchStep<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'a Condition>,
    stmt: Stmt<'a>,
}

/// When a step of a batch is carried out; steps are counted from 0.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Condition {
    /// That step succeeded.
    Ok {
        /// Which one.
        step: usize,
    },
    /// That step failed.
    Error {
        /// Which one.
        step: usize,
    },
    /// The condition does not hold.
    Not {
        /// Which condition.
        cond: Box<Condition>,
    },
    /// All of them hold.
    And {
        /// Which ones.
        conds: Vec<Condition>,
    },
    /// At least one of them holds.
    Or {
        /// Which ones.
        conds: Vec<Condition>,
    },
}

impl<'a> Request<'a> {
    pub fn execute(sql: &'a str, args: &'a [Value]) -> Self {
        Self::Execute { stmt: Stmt::new(Statement { sql, args }) }
    }

    pub fn batch(steps: &'a [Step<'a>]) -> Self {
        let step = |step: &'a Step<'a>| BatchStep {
            condition: step.condition.as_ref(),
            stmt: Stmt::new(step.statement),
        };
        Self::Batch { batch: Batch { steps: steps.iter().map(step).collect() } }
    }
}

impl<'a> Stmt<'a> {
    fn new(statement: Statement<'a>) -> Self {
        Self { sql: statement.sql, args: statement.args, want_rows: true }
    }
}

/// What comes back.
#[derive(Deserialize)]
pub struct Answer {
    pub baton: Option<String>,
    pub base_url: Option<String>,
    pub results: Vec<Answered>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answered {
    Ok { response: Response },
    Error { error: Failure },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Response {
    Execute { result: StmtResult },
    Batch { result: BatchResult },
    Sequence,
    Close,
}

#[derive(Deserialize)]
pub struct StmtResult {
    cols: Vec<Column>,
    rows: Vec<Vec<Value>>,
    affected_row_count: u64,
}

#[derive(Deserialize)]
struct Column {
    name: Option<String>,
}

#[derive(Deserialize)]
pub struct BatchResult {
    step_results: Vec<Option<StmtResult>>,
    step_errors: Vec<Option<Failure>>,
}

/// The protocol's error, in a result or as the body of an HTTP error.
#[derive(Deserialize)]
pub struct Failure {
    pub message: String,
    pub code: Option<String>,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Sql { code: short(&failure.code.unwrap_or_default()), message: short(&failure.message) }
    }
}

/// What a server says, fit for one line of a log.
pub fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_HRANA_MESSAGE_CHARS).collect()
}

impl Answered {
    pub fn response(self) -> Result<Response> {
        match self {
            Self::Ok { response } => Ok(response),
            Self::Error { error } => Err(error.into()),
        }
    }

    pub fn rows(self) -> Result<Rows> {
        match self.response()? {
            Response::Execute { result } => result.rows(),
            _ => Err(Error::Protocol("the database answered another question than was asked".into())),
        }
    }

    /// What became of each step of a batch of this many.
    pub fn outcomes(self, steps: usize) -> Result<Vec<Outcome>> {
        match self.response()? {
            Response::Batch { result: BatchResult { step_results, step_errors } }
                if step_results.len() == steps && step_errors.len() == steps =>
            {
                step_results.into_iter().zip(step_errors).map(outcome).collect()
            }
            _ => Err(Error::Protocol("the database answered another batch than was asked for".into())),
        }
    }
}

fn outcome((result, error): (Option<StmtResult>, Option<Failure>)) -> Result<Outcome> {
    Ok(match (result, error) {
        (_, Some(error)) => Outcome::Failed(error.into()),
        (Some(result), None) => Outcome::Done(result.rows()?),
        (None, None) => Outcome::Skipped,
    })
}

impl StmtResult {
    fn rows(self) -> Result<Rows> {
        if self.rows.iter().any(|row| row.len() != self.cols.len()) {
            return Err(Error::Protocol("the database sent rows of another width than their columns".into()));
        }
        let columns = self.cols.into_iter().map(|column| column.name.unwrap_or_default()).collect();
        Ok(Rows { columns, rows: self.rows, affected: self.affected_row_count })
    }
}
