//! The directory on a libSQL server: a transaction is a stream of the Hrana client, a statement by itself one request.
//! It speaks SQLite's dialect, and its tables are those of `migrations/sqlite`, made over the network.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::database::ACQUIRE_DEADLINE;
use super::dialect::Rendered;
use super::error::{self, unknown_outcome};
use super::session::Purpose;
use super::value::{Rows, Value};
use crate::directory::{Error, Result};
use crate::store::hrana::{self, Client, Condition, Endpoint, Outcome, Statement, Step, Stream};

/// Requests and transactions of this node at a time: each is a connection to the database on the server.
const STREAMS: usize = 16;

/// How long a writer waits for those of other nodes, as on other databases.
const LOCK_DEADLINE: Duration = Duration::from_secs(8);

/// The longest pause before a writer asks again. A server may wait a while before it says that another is in the way, or
/// not at all.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// A libSQL database. Writers of this node queue here, and meet only those of other nodes there.
#[derive(Debug)]
pub struct Libsql {
    client: Client,
    sync_interval: Option<Duration>,
    streams: Arc<Semaphore>,
    writer: Arc<Semaphore>,
}

impl Libsql {
    pub fn new(endpoint: &Endpoint, sync_interval: Option<Duration>) -> Result<Self> {
        let client = Client::new(endpoint).map_err(|wrong| Error::Failed(wrong.to_string()))?;
        let [streams, writer] = [STREAMS, 1].map(|places| Arc::new(Semaphore::new(places)));
        Ok(Self { client, sync_interval, streams, writer })
    }

    /// Its address, without secrets.
    pub fn place(&self) -> String {
        self.client.url().to_owned()
    }

    /// Returns when it is time to look for changes: nobody tells of them.
    pub async fn changed(&self) {
        match self.sync_interval {
            Some(interval) => sleep(interval).await,
            None => std::future::pending().await,
        }
    }

    /// Takes a place for a purpose.
    pub async fn link(&self, purpose: Purpose) -> Result<Link> {
        let places = async {
            let writer = if purpose.is_writing() { Some(place(&self.writer).await?) } else { None };
            Ok((writer, place(&self.streams).await?))
        };
        let places = timeout(ACQUIRE_DEADLINE, places)
            .await
            .unwrap_or_else(|_| Err(Error::Away("the database does not answer in time".into())))?;
        Ok(Link { client: self.client.clone(), purpose, stream: None, is_begun: false, _places: places })
    }

    /// Waits for what is under way and takes no more.
    pub async fn close(&self) {
        // Whoever waits for it is told.
        self.writer.close();
        let all = u32::try_from(STREAMS).expect("they are few");
        let _ = self.streams.acquire_many(all).await;
        self.streams.close();
    }
}

async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    let place = places.clone().acquire_owned().await;
    place.map_err(|_| Error::Away("the database was closed".into()))
}

/// A place at the database, and the stream of a transaction once that has begun. Dropping it undoes the transaction.
pub struct Link {
    client: Client,
    purpose: Purpose,
    stream: Option<Stream>,
    /// Whether the server knows of the transaction: a reader's begins with the first statement, in one request.
    is_begun: bool,
    _places: (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit),
}

impl Link {
    /// Begins what the purpose needs.
    pub async fn begin(&mut self) -> Result<()> {
        let begun = match self.purpose {
            Purpose::Single => return Ok(()),
            Purpose::Read => self.client.open().await,
            Purpose::Write | Purpose::Migrate => self.begin_writing().await,
        };
        self.stream = Some(begun.map_err(|error| self.told(error))?);
        self.is_begun = self.purpose.is_writing();
        Ok(())
    }

    /// Waits for writers of other nodes to end.
    async fn begin_writing(&self) -> hrana::Result<Stream> {
        let mut stream = self.client.open().await?;
        let deadline = Instant::now() + LOCK_DEADLINE;
        let mut pause = Duration::from_millis(5);
        loop {
            match begin_writing(&mut stream).await {
                Err(busy) if busy.is_busy() && Instant::now() < deadline => {
                    // Those who wait do not all ask at once.
                    let chance = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
                    sleep(pause.mul_f64(0.5 + chance / 2.0)).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
                begun => return begun.map(|()| stream),
            }
        }
    }

    /// Carries out a statement, in the transaction if there is one.
    pub async fn query(&mut self, rendered: Rendered<'_>) -> Result<Rows> {
        let arguments: Vec<hrana::Value> = rendered.arguments.iter().map(|value| argument(value)).collect();
        let rows = match &mut self.stream {
            Some(stream) if self.is_begun => stream.execute(&rendered.sql, &arguments).await,
            Some(stream) => {
                self.is_begun = true;
                begin_with(stream, Statement { sql: &rendered.sql, args: &arguments }).await
            }
            None => self.client.execute_once(&rendered.sql, &arguments).await,
        };
        let rows = rows.map_err(|error| self.told(error))?;
        let cells = |row: Vec<hrana::Value>| row.into_iter().map(cell).collect::<Result<_>>();
        Ok(Rows { columns: rows.columns, rows: rows.rows.into_iter().map(cells).collect::<Result<_>>()? })
    }

    /// Carries out several statements without arguments, in the transaction.
    pub async fn script(&mut self, statements: &str) -> Result<()> {
        let stream = self.stream.as_mut().ok_or_else(|| Error::Failed("no transaction has begun".into()))?;
        stream.sequence(statements).await.map_err(|error| self.told(error))
    }

    /// Ends the transaction, in the same request as the stream: if it cannot be committed, it is undone.
    pub async fn commit(&mut self) -> Result<()> {
        match self.stream.take() {
            Some(stream) if self.purpose.is_writing() => {
                stream.finish("COMMIT", &[]).await.map(drop).map_err(|error| {
                    // What the server refused did not happen; what it did not answer may have.
                    let unknown = error.outcome_unknown();
                    let told = self.told(error);
                    if unknown { unknown_outcome(told) } else { told }
                })
            }
            // What was only read is closed while nobody waits.
            _ => Ok(()),
        }
    }

    fn told(&self, error: hrana::Error) -> Error {
        error::libsql(error, self.purpose)
    }

    /// Ends the stream, and the transaction as if it had never been.
    pub async fn roll_back(&mut self) {
        if let Some(stream) = self.stream.take() {
            // What cannot be closed is closed by the server.
            let _ = stream.close().await;
        }
    }
}

/// Foreign keys are checked by connections that ask for it, which has to be before a transaction begins.
async fn begin_writing(stream: &mut Stream) -> hrana::Result<()> {
    let statement = Statement { sql: "BEGIN IMMEDIATE", args: &[] };
    both(stream, "PRAGMA foreign_keys = ON", statement).await.map(drop)
}

async fn begin_with(stream: &mut Stream, statement: Statement<'_>) -> hrana::Result<hrana::Rows> {
    both(stream, "BEGIN", statement).await
}

/// Carries out two statements in one request, the second if the first succeeds.
async fn both(stream: &mut Stream, first: &str, second: Statement<'_>) -> hrana::Result<hrana::Rows> {
    let steps = [
        Step { condition: None, statement: Statement { sql: first, args: &[] } },
        Step { condition: Some(Condition::Ok { step: 0 }), statement: second },
    ];
    let mut rows = hrana::Rows::default();
    for outcome in stream.batch(&steps).await? {
        match outcome {
            Outcome::Done(done) => rows = done,
            Outcome::Failed(error) => return Err(error),
            Outcome::Skipped => return Err(hrana::Error::Protocol("a statement was left out".into())),
        }
    }
    Ok(rows)
}

fn argument(value: &Value) -> hrana::Value {
    match value {
        Value::Integer(Some(number)) => hrana::Value::Integer(*number),
        Value::Text(Some(text)) => hrana::Value::Text(text.clone()),
        Value::Integer(None) | Value::Text(None) => hrana::Value::Null,
    }
}

fn cell(value: hrana::Value) -> Result<Value> {
    match value {
        hrana::Value::Null => Ok(Value::Text(None)),
        hrana::Value::Integer(number) => Ok(number.into()),
        hrana::Value::Text(text) => Ok(text.into()),
        hrana::Value::Real(_) | hrana::Value::Blob(_) => {
            Err(Error::Failed("the store holds a value that is neither integer nor text".into()))
        }
    }
}

#[cfg(test)]
mod tests;
