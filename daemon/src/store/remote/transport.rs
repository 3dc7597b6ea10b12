//! HTTP to the service: deadlines, limits and headers. What is said is for others.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::client::{Clients, clock_skew};
use super::refusal::{judged, not_understood};
use crate::config::Provider;
use crate::directory::{Error, Result};
use crate::limits::MAX_REMOTE_ANSWER_BYTES;
use crate::wire::{AGE, VIA};

/// A change that is asked for twice under the same key is made once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The way to one service. `Debug` shows the address, never the token.
pub struct Transport {
    clients: Clients,
    /// What this run of podyd calls itself.
    instance: String,
    heard: Mutex<Heard>,
}

/// What the headers of the last answer told.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The nodes that the directory comes from, the service first; none: nobody has answered yet.
    pub via: Option<Vec<String>>,
    /// By how many seconds the clock here is ahead of the service's.
    pub clock_skew: Option<i64>,
    /// How old what the service has from elsewhere may be; none: it does not know.
    pub age: Option<Duration>,
}

/// Why a request has no good answer.
#[derive(Debug)]
pub enum Broken {
    /// There was no connection: nothing was sent.
    Unreachable(String),
    /// It was sent, and no answer came in time.
    TimedOut(String),
    /// It was sent, and the connection broke.
    Interrupted(String),
    /// The service does not know the cursor: whoever follows starts over.
    Gone,
    /// The service answered, and this is what it means.
    Answered(Error),
}

/// What comes of a request.
type Answer<T> = std::result::Result<T, Broken>;

/// What stands behind the question mark: nothing secret, since it is logged on the way.
type Query<'a> = &'a [(&'a str, &'a str)];

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Unreachable(why) | Broken::TimedOut(why) | Broken::Interrupted(why) => Self::Away(why),
            Broken::Gone => {
                Self::Failed("the service says that something is gone which nobody asked for".into())
            }
            Broken::Answered(error) => error,
        }
    }
}

impl Transport {
    /// Prepares the clients; nothing is sent.
    pub fn new(provider: &Provider, instance: String) -> Result<Self> {
        Ok(Self { clients: Clients::new(provider)?, instance, heard: Mutex::default() })
    }

    /// Goes on with another token, other certificates and another deadline.
    pub fn renew(&self, provider: &Provider) -> Result<()> {
        self.clients.renew(provider)
    }

    /// What answers have told of the service.
    pub fn heard(&self) -> Heard {
        self.known().clone()
    }

    fn known(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request; each segment of the path is quoted as it needs.
    fn request(&self, client: &Client, method: Method, path: &[&str], query: Query<'_>) -> RequestBuilder {
        let mut url = self.clients.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        client.request(method, url).header(VIA, &self.instance)
    }

    /// Looks something up, or has something judged.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T> {
        let request = with_body(self.request(&self.clients.calls(), method, path, &[]), body);
        read(&self.call(request).await?)
    }

    /// Looks something up that a query describes.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: Query<'_>) -> Result<T> {
        read(&self.call(self.request(&self.clients.calls(), Method::GET, path, query)).await?)
    }

    /// Changes something. A connection that breaks before the answer has come is tried once more, under the same key.
    pub async fn change(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&(impl Serialize + Sync)>,
        headers: HeaderMap,
    ) -> Result<Vec<u8>> {
        let key = uuid::Uuid::new_v4().to_string();
        let request = || {
            with_body(self.request(&self.clients.calls(), method.clone(), path, &[]), body)
                .headers(headers.clone())
                .header(IDEMPOTENCY_KEY, &key)
        };
        match self.call(request()).await {
            Err(Broken::Interrupted(_)) => {}
            Err(Broken::TimedOut(why)) => return Err(unknown(&why)),
            answered => return Ok(answered?),
        }
        match self.call(request()).await {
            Err(Broken::Interrupted(why) | Broken::TimedOut(why) | Broken::Unreachable(why)) => {
                Err(unknown(&why))
            }
            answered => Ok(answered?),
        }
    }

    /// Sends a request, and returns the body of a good answer.
    async fn call(&self, request: RequestBuilder) -> Answer<Vec<u8>> {
        let deadline = Instant::now() + self.clients.timeout();
        let late = |_| Broken::TimedOut(self.late());
        let response = timeout_at(deadline, self.send(request)).await.map_err(late)??;
        timeout_at(deadline, self.body(response)).await.map_err(late)?
    }

    /// Begins to read the feed, for which a good answer may take longer by `wait`.
    pub async fn stream(&self, query: Query<'_>, wait: Duration) -> Answer<Response> {
        let request = self.request(&self.clients.feed(), Method::GET, &["changes"], query);
        let answer = timeout(wait + self.clients.timeout(), self.send(request)).await;
        answer.unwrap_or_else(|_| Err(Broken::TimedOut(self.late())))
    }

    /// The next piece of what is streamed; none: it is at its end.
    pub async fn piece(&self, response: &mut Response) -> Result<Option<Vec<u8>>> {
        match timeout(self.clients.timeout(), response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece.map(Vec::from)),
            Ok(Err(error)) => Err(self.broken(error).into()),
            Err(_) => Err(Error::Away(self.late())),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Answer<Response> {
        let response = request.send().await.map_err(|error| self.broken(error))?;
        self.hear(response.headers())?;
        if response.status().is_success() {
            return Ok(response);
        }
        if response.status() == StatusCode::GONE {
            return Err(Broken::Gone);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let path = response.url().path().to_owned();
        let body = self.body(response).await?;
        Err(Broken::Answered(judged(self.clients.base.as_str(), &path, status, &headers, &body)))
    }

    async fn body(&self, mut response: Response) -> Answer<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + piece.len() > MAX_REMOTE_ANSWER_BYTES {
                let text = format!("{} sent more than {MAX_REMOTE_ANSWER_BYTES} bytes", self.clients.base);
                return Err(Broken::Answered(Error::Failed(text)));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Learns whose directory this is. One that comes from here is refused, whatever the answer says.
    fn hear(&self, headers: &HeaderMap) -> Answer<()> {
        let via = headers.get(VIA).and_then(|via| via.to_str().ok()).unwrap_or_default();
        let nodes = via.split(',').map(|node| node.trim().to_owned()).filter(|node| !node.is_empty());
        let mut via: Vec<String> = nodes.collect();
        let this = via.iter().position(|node| *node == self.instance);
        // What comes after this node is what came from it, once around the circle.
        via.truncate(this.map_or(via.len(), |this| this + 1));
        self.clients.answered();
        *self.known() = Heard { via: Some(via), clock_skew: clock_skew(headers), age: age(headers) };
        if this.is_some() {
            return Err(Broken::Answered(super::a_loop(self.clients.base.as_str())));
        }
        Ok(())
    }

    fn broken(&self, error: reqwest::Error) -> Broken {
        if error.is_timeout() && !error.is_connect() {
            return Broken::TimedOut(self.late());
        }
        match self.clients.broken(error) {
            (false, why) => Broken::Unreachable(why),
            (true, why) => Broken::Interrupted(why),
        }
    }

    fn late(&self) -> String {
        format!("{} does not answer within {} s", self.clients.base, self.clients.timeout().as_secs_f32())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({})", self.clients.base)
    }
}

fn with_body(request: RequestBuilder, body: Option<&(impl Serialize + Sync)>) -> RequestBuilder {
    match body {
        Some(body) => request.json(body),
        None => request,
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| not_understood(&error))
}

/// Whoever is told so must look.
fn unknown(why: &str) -> Error {
    Error::Failed(format!("the change could not be confirmed, look before repeating it: {why}"))
}

/// How old what these headers came with may be.
fn age(headers: &HeaderMap) -> Option<Duration> {
    // Whoever says nothing has the directory itself.
    let Some(age) = headers.get(AGE) else { return Some(Duration::ZERO) };
    age.to_str().ok()?.parse().map(Duration::from_secs).ok()
}
