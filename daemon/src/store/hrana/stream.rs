//! A stream: one connection to the database, named by the baton that came with the last answer.
//!
//! Whoever is done closes it. One that is dropped is closed in the background, and if that fails or the last answer
//! was not waited for, the server closes it after some seconds (sqld: 10) and undoes its transaction; until then it may
//! keep other writers out.

use std::mem;

use reqwest::Url;
use tokio::runtime::Handle;

use super::transport::next_place;
use super::wire::{Answered, Request, Response};
use super::{Client, Error, Outcome, Result, Rows, Step, Value};

/// A connection to the database. After any [`Error`] but [`Error::Sql`] it is of no more use.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    place: Url,
    state: State,
}

enum State {
    /// The server does not know of it yet.
    New,
    /// The server waits for a request with this baton.
    Open(String),
    /// The server has closed it, or a request is under way.
    Ended,
}

impl std::fmt::Debug for State {
    /// Whoever has the baton has the stream: it is not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New => "New",
            Self::Open(_) => "Open",
            Self::Ended => "Ended",
        })
    }
}

impl Stream {
    pub(super) fn new(client: Client, place: Url) -> Self {
        Self { client, place, state: State::New }
    }

    /// One statement.
    pub async fn execute(&mut self, sql: &str, args: &[Value]) -> Result<Rows> {
        self.request(Request::execute(sql, args)).await?.rows()
    }

    /// Several statements in one request, each if its condition holds. That one fails is an [`Outcome`], and no error.
    pub async fn batch(&mut self, steps: &[Step<'_>]) -> Result<Vec<Outcome>> {
        self.request(Request::batch(steps)).await?.outcomes(steps.len())
    }

    /// A text of several statements without values, such as a migration; it ends with the first that fails.
    pub async fn sequence(&mut self, sql: &str) -> Result<()> {
        match self.request(Request::Sequence { sql }).await?.response()? {
            Response::Sequence => Ok(()),
            _ => Err(Error::Protocol(format!("{} answered another question than was asked", self.place))),
        }
    }

    /// The last statement, such as COMMIT, and the end of the stream, in one request.
    pub async fn finish(mut self, sql: &str, args: &[Value]) -> Result<Rows> {
        let mut results = self.requests(&[Request::execute(sql, args), Request::Close]).await?;
        results.swap_remove(0).rows()
    }

    /// Ends the stream; a transaction that was not committed is undone.
    pub async fn close(mut self) -> Result<()> {
        match self.state {
            State::Open(_) => self.request(Request::Close).await.map(drop),
            State::New | State::Ended => Ok(()),
        }
    }

    async fn request(&mut self, request: Request<'_>) -> Result<Answered> {
        let mut results = self.requests(&[request]).await?;
        Ok(results.swap_remove(0))
    }

    async fn requests(&mut self, requests: &[Request<'_>]) -> Result<Vec<Answered>> {
        // The baton is good for one request, whatever becomes of it.
        let baton = match mem::replace(&mut self.state, State::Ended) {
            State::New => None,
            State::Open(baton) => Some(baton),
            State::Ended => return Err(self.lost("it is over")),
        };
        let answer = match self.client.pipeline(&self.place, baton.as_deref(), requests).await {
            // The server does not know the baton.
            Err(Error::Refused(said)) if baton.is_some() => return Err(self.lost(&said)),
            answer => answer?,
        };
        if let Some(wish) = answer.base_url {
            self.place = next_place(&self.place, &wish)?;
        }
        self.state = answer.baton.map_or(State::Ended, State::Open);
        Ok(answer.results)
    }

    fn lost(&self, why: &str) -> Error {
        Error::StreamLost(format!("{} has ended the transaction, which is undone: {why}", self.place))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let (State::Open(baton), Ok(runtime)) =
            (mem::replace(&mut self.state, State::Ended), Handle::try_current())
        {
            let (client, place) = (self.client.clone(), self.place.clone());
            runtime.spawn(
                async move { client.pipeline(&place, Some(&baton), &[Request::Close]).await.map(drop) },
            );
        }
    }
}
