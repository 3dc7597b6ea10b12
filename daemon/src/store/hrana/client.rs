//! The client of one database: finds out what the server speaks, and sends what stands alone.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use zeroize::Zeroizing;

use super::transport::Transport;
use super::wire::{Answer, Pipeline, Request, Response};
use super::{Condition, Error, Outcome, Result, Rows, Statement, Step, Stream, Value};

/// Where a database is and what it wants to see. `Debug` shows neither, since nobody has looked yet for a password in
/// the URL.
#[derive(Clone)]
pub struct Endpoint {
    /// `libsql://HOST`, `https://HOST` or `http://HOST`, with a port and a path if need be.
    pub url: String,
    /// Shown with every request.
    pub auth_token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

/// A client, cheap to clone; its connections are shared.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    transport: Transport,
    server: Mutex<Option<Server>>,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug)]
struct Server {
    version: &'static str,
    /// Whether it keeps a stream from one request to the next, and knows `close`; tursodb does neither.
    keeps_streams: bool,
}

impl Client {
    /// Checks what can be checked without asking the server.
    pub fn new(endpoint: &Endpoint) -> Result<Self> {
        let token = endpoint.auth_token.as_ref().map(|token| token.as_str());
        let transport = Transport::new(&endpoint.url, token)?;
        Ok(Self(Arc::new(Shared { transport, server: Mutex::new(None) })))
    }

    /// The database's address, which holds no secret.
    pub fn url(&self) -> &str {
        self.0.transport.url().as_str()
    }

    /// Opens a connection for several requests, such as those of a transaction.
    pub async fn open(&self) -> Result<Stream> {
        if !self.server().await?.keeps_streams {
            return Err(Error::Refused(format!(
                "{} keeps no transaction open between two requests: a server that does is needed, such as sqld",
                self.url()
            )));
        }
        Ok(Stream::new(self.clone(), self.0.transport.url().clone()))
    }

    /// One statement by itself, in one request.
    pub async fn execute_once(&self, sql: &str, args: &[Value]) -> Result<Rows> {
        self.once(Request::execute(sql, args)).await?.rows()
    }

    /// All statements or none, in one request. What each gave comes back, or why the first that failed did.
    pub async fn atomic(&self, statements: &[Statement<'_>]) -> Result<Vec<Rows>> {
        let steps = atomic_steps(statements);
        let outcomes = self.once(Request::batch(&steps)).await?.outcomes(steps.len())?;
        let mut all = Vec::new();
        // Without the first, BEGIN, and the last, ROLLBACK; COMMIT decides.
        for outcome in outcomes.into_iter().take(steps.len() - 1) {
            match outcome {
                Outcome::Done(rows) => all.push(rows),
                Outcome::Failed(error) => return Err(error),
                Outcome::Skipped => {
                    return Err(Error::Protocol(format!("{} left a step out of a batch", self.url())));
                }
            }
        }
        all.pop();
        all.remove(0);
        Ok(all)
    }

    /// A request on a stream of its own.
    async fn once(&self, request: Request<'_>) -> Result<super::wire::Answered> {
        let mut requests = vec![request];
        requests.extend(self.server().await?.keeps_streams.then_some(Request::Close));
        let answer = self.pipeline(self.0.transport.url(), None, &requests).await?;
        answer.results.into_iter().next().ok_or_else(|| self.miscounted())
    }

    /// One HTTP request; there are as many results as requests.
    pub(super) async fn pipeline(
        &self,
        place: &Url,
        baton: Option<&str>,
        requests: &[Request<'_>],
    ) -> Result<Answer> {
        let version = self.server().await?.version;
        let answer = self.send(place, version, baton, requests).await;
        if baton.is_none() && matches!(answer, Err(Error::Refused(_))) {
            // Another server may have taken its place.
            *self.known() = None;
        }
        answer
    }

    async fn send(
        &self,
        place: &Url,
        version: &str,
        baton: Option<&str>,
        requests: &[Request<'_>],
    ) -> Result<Answer> {
        let body = serde_json::to_vec(&Pipeline { baton, requests }).expect("texts and numbers make JSON");
        let body = self.0.transport.post(place, version, body).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            // Where the error is may be said; what stands there may be a secret.
            let (line, column) = (error.line(), error.column());
            Error::Protocol(format!("{place} does not speak Hrana (line {line}, column {column})"))
        })?;
        if answer.results.len() == requests.len() { Ok(answer) } else { Err(self.miscounted()) }
    }

    fn miscounted(&self) -> Error {
        Error::Protocol(format!("{} answered more or less than was asked", self.url()))
    }

    /// What the server speaks: known, or asked now.
    async fn server(&self) -> Result<Server> {
        let known = *self.known();
        if let Some(server) = known {
            return Ok(server);
        }
        let server = match self.meet("v3").await {
            Err(Error::Refused(_)) => self.meet("v2").await?,
            met => met?,
        };
        *self.known() = Some(server);
        Ok(server)
    }

    /// Whether the server speaks this version, found out by requests that change nothing.
    async fn meet(&self, version: &'static str) -> Result<Server> {
        let place = self.0.transport.url();
        let refusal = match self.send(place, version, None, &[Request::Close]).await {
            Ok(mut answer) => match answer.results.remove(0).response() {
                Ok(Response::Close) => return Ok(Server { version, keeps_streams: true }),
                Ok(_) => self.miscounted(),
                Err(refusal) => refusal,
            },
            Err(refusal @ (Error::Refused(_) | Error::Interrupted(_))) => refusal,
            Err(error) => return Err(error),
        };
        // A server that takes any request but `close`, and gives no baton, has nothing to close.
        match self.send(place, version, None, &[]).await {
            Ok(Answer { baton: None, .. }) => Ok(Server { version, keeps_streams: false }),
            _ => Err(refusal),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Server>> {
        self.0.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// BEGIN, each statement if the one before it succeeded, COMMIT, and ROLLBACK unless that did.
fn atomic_steps<'a>(statements: &[Statement<'a>]) -> Vec<Step<'a>> {
    let plain = |sql| Statement { sql, args: &[] };
    let mut steps = vec![Step { condition: None, statement: plain("BEGIN IMMEDIATE") }];
    for statement in statements.iter().copied().chain([plain("COMMIT")]) {
        steps.push(Step { condition: Some(Condition::Ok { step: steps.len() - 1 }), statement });
    }
    let begun = Condition::Ok { step: 0 };
    let not_committed = Condition::Not { cond: Box::new(Condition::Ok { step: steps.len() - 1 }) };
    let condition = Some(Condition::And { conds: vec![begun, not_committed] });
    steps.push(Step { condition, statement: plain("ROLLBACK") });
    steps
}
