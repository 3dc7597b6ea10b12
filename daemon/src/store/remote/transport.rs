//! HTTP to the service: two clients with connections of their own, one for calls and one for the feed, so that nobody's
//! login waits behind a copy of the directory. Deadlines, limits and headers are here; what is said is for others.
//!
//! Redirects and proxies are not followed: a token goes to whom it was meant for.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{
    Certificate, Client, ClientBuilder, Identity, Method, RequestBuilder, Response, StatusCode, Url,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::refusal::{judged, not_understood, short};
use crate::config::Provider;
use crate::directory::{Error, Result};
use crate::limits::{MAX_REMOTE_ANSWER_BYTES, REMOTE_CONNECT_DEADLINE};
use crate::wire::VIA;

/// A connection on which nothing comes is asked for a sign of life after so long, and so often.
const KEEPALIVE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(1)];

/// How long the other side may leave what was sent to it unacknowledged: a link that was cut is noticed within it.
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// How long a connection is kept for the next call: less than a service waits for one.
const IDLE: Duration = Duration::from_secs(90);

/// A change that is asked for twice under the same key is made once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The way to one service. `Debug` shows the address, never the token.
pub struct Transport {
    calls: Client,
    feed: Client,
    base: Url,
    timeout: Duration,
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
        let base = Url::parse(provider.endpoint.as_str())
            .map_err(|error| Error::Failed(format!("remote_user_profile.provider.endpoint: {error}")))?;
        Ok(Self {
            calls: client(provider, &base)?,
            feed: client(provider, &base)?,
            base,
            timeout: provider.timeout,
            instance,
            heard: Mutex::default(),
        })
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
        let mut url = self.base.clone();
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
        let request = with_body(self.request(&self.calls, method, path, &[]), body);
        read(&self.call(request).await?)
    }

    /// Looks something up that a query describes.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: Query<'_>) -> Result<T> {
        read(&self.call(self.request(&self.calls, Method::GET, path, query)).await?)
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
            with_body(self.request(&self.calls, method.clone(), path, &[]), body)
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
        let deadline = Instant::now() + self.timeout;
        let late = |_| Broken::TimedOut(self.late());
        let response = timeout_at(deadline, self.send(request)).await.map_err(late)??;
        timeout_at(deadline, self.body(response)).await.map_err(late)?
    }

    /// Begins to read the feed, for which a good answer may take longer by `wait`.
    pub async fn stream(&self, query: Query<'_>, wait: Duration) -> Answer<Response> {
        let request = self.request(&self.feed, Method::GET, &["changes"], query);
        let answer = timeout(wait + self.timeout, self.send(request)).await;
        answer.unwrap_or_else(|_| Err(Broken::TimedOut(self.late())))
    }

    /// The next piece of what is streamed; none: it is at its end.
    pub async fn piece(&self, response: &mut Response) -> Result<Option<Vec<u8>>> {
        match timeout(self.timeout, response.chunk()).await {
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
        let body = self.body(response).await?;
        Err(Broken::Answered(judged(self.base.as_str(), status, &headers, &body)))
    }

    async fn body(&self, mut response: Response) -> Answer<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + piece.len() > MAX_REMOTE_ANSWER_BYTES {
                let text = format!("{} sent more than {MAX_REMOTE_ANSWER_BYTES} bytes", self.base);
                return Err(Broken::Answered(Error::Failed(text)));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Learns whose directory this is. One that comes from here is refused, whatever the answer says.
    fn hear(&self, headers: &HeaderMap) -> Answer<()> {
        let via = headers.get(VIA).and_then(|via| via.to_str().ok()).unwrap_or_default();
        let via: Vec<String> =
            via.split(',').map(|node| node.trim().to_owned()).filter(|node| !node.is_empty()).collect();
        let is_loop = via.contains(&self.instance);
        *self.known() = Heard { via: Some(via), clock_skew: clock_skew(headers) };
        if is_loop {
            return Err(Broken::Answered(super::a_loop(self.base.as_str())));
        }
        Ok(())
    }

    fn broken(&self, error: reqwest::Error) -> Broken {
        let base = &self.base;
        if error.is_connect() {
            Broken::Unreachable(format!("{base} cannot be reached: {}", reason(error)))
        } else if error.is_timeout() {
            Broken::TimedOut(self.late())
        } else {
            Broken::Interrupted(format!("the connection to {base} broke: {}", reason(error)))
        }
    }

    fn late(&self) -> String {
        format!("{} does not answer within {} s", self.base, self.timeout.as_secs_f32())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({})", self.base)
    }
}

/// A client that shows this node's token and speaks to nobody but the service.
pub fn client(provider: &Provider, base: &Url) -> Result<Client> {
    // reqwest is built without a provider of its own. One that was installed before is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, bearer(provider.access_token.expose())?);
    let builder = Client::builder()
        .user_agent(concat!("podyd/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(REMOTE_CONNECT_DEADLINE)
        .tcp_keepalive(KEEPALIVE[0])
        .tcp_keepalive_interval(KEEPALIVE[1])
        .tcp_user_timeout(UNACKNOWLEDGED)
        .pool_idle_timeout(IDLE);
    let built = with_certificates(builder, provider, base)?.build();
    built.map_err(|error| {
        Error::Failed(format!(
            "HTTPS does not work here: {}; install the package ca-certificates, or name the authority's certificate in \
             remote_user_profile.provider.ca_file",
            reason(error)
        ))
    })
}

/// Whom to trust, and what to show. Without TLS, a machine without any authorities is as good.
fn with_certificates(mut builder: ClientBuilder, provider: &Provider, base: &Url) -> Result<ClientBuilder> {
    if base.scheme() != "https" {
        return Ok(builder.tls_certs_only(Vec::new()));
    }
    if let Some(path) = &provider.ca_file {
        let certificates = Certificate::from_pem_bundle(&file("ca_file", path)?)
            .map_err(|error| unusable("ca_file", path, reason(error)))?;
        if certificates.is_empty() {
            return Err(unusable("ca_file", path, "there is no certificate (PEM) in it".into()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let (Some(certificate), Some(key)) = (&provider.tls_cert, &provider.tls_key) {
        let pem = [file("tls_key", key)?, file("tls_cert", certificate)?].concat();
        let identity = Identity::from_pem(&pem)
            .map_err(|error| unusable("tls_cert and tls_key", certificate, reason(error)))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

fn file(key: &str, path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| unusable(key, path, error.to_string()))
}

fn unusable(key: &str, path: &Path, why: String) -> Error {
    Error::Failed(format!("remote_user_profile.provider.{key}: {}: {why}", path.display()))
}

fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
        Error::Failed(
            "remote_user_profile.provider.access_token has characters that HTTP cannot carry: use letters, digits and \
             signs alone"
                .into(),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
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

/// The innermost cause, without the layers that only say that there is one, and without the address.
pub fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    short(&cause.to_string())
}

/// By how many seconds the clock here is ahead of that of whoever sent these headers.
pub fn clock_skew(headers: &HeaderMap) -> Option<i64> {
    let theirs = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(unix_seconds)?;
    Some(crate::clock::Clock::System.unix_seconds() - theirs)
}

/// The seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
fn unix_seconds(date: &str) -> Option<i64> {
    let mut fields = date.split(' ').skip(1);
    let day: i64 = fields.next()?.parse().ok()?;
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = fields.next().filter(|month| month.len() == 3)?;
    let month = i64::try_from(MONTHS.find(month)? / 3 + 1).ok()?;
    let year: i64 = fields.next()?.parse().ok()?;
    let mut time = fields.next()?.split(':').map(|field| field.parse::<i64>().ok());
    let (hours, minutes, seconds) = (time.next()??, time.next()??, time.next()??);
    // Days since 1970-01-01 of the civil calendar, whose years are taken to begin in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_answers_are_understood() {
        assert_eq!(unix_seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(unix_seconds("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        for nonsense in ["", "now", "Sun, 06 Nov", "Sun, 06 xxx 1994 08:49:37 GMT", "a b c d e:f:g"] {
            assert_eq!(unix_seconds(nonsense), None, "{nonsense}");
        }
    }
}
