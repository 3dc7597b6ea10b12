//! One HTTP request and its answer: a deadline, a limit on the answer's size, no redirects, no proxy. What HTTP says
//! becomes an [`Error`] here; what the answer means is for others.

use std::fmt;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};

use super::wire::{Failure, short};
use super::{Error, Result};
use crate::cause::innermost;
use crate::limits::{HRANA_CONNECT_DEADLINE, HRANA_DEADLINE, MAX_HRANA_ANSWER_BYTES};

/// How long a connection is kept for the next request: less than servers commonly wait for one (60 s), so that we
/// rarely write to one that is being closed.
const IDLE: std::time::Duration = std::time::Duration::from_secs(20);

/// The way to one database. `Debug` shows the address, never the token.
pub struct Transport {
    http: reqwest::Client,
    url: Url,
}

impl Transport {
    pub fn new(url: &str, auth_token: Option<&str>) -> Result<Self> {
        let url = parse(url)?;
        // reqwest is built without a provider of its own. One that was installed before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        if let Some(token) = auth_token {
            headers.insert(AUTHORIZATION, bearer(token)?);
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("podyd/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(HRANA_CONNECT_DEADLINE)
            .timeout(HRANA_DEADLINE)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| Error::Misconfigured(format!("HTTPS does not work here: {}", reason(error))))?;
        Ok(Self { http, url })
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends JSON and returns the body of a good answer.
    pub async fn post(&self, place: &Url, version: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let mut url = place.clone();
        url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend([version, "pipeline"]);
        let response = self.http.post(url).body(body).send().await.map_err(|error| broken(place, error))?;
        let status = response.status();
        let body = self.body(place, response).await?;
        if status.is_success() { Ok(body) } else { Err(judged(place, status, &body)) }
    }

    async fn body(&self, place: &Url, mut response: Response) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| broken(place, error))? {
            if body.len() + part.len() > MAX_HRANA_ANSWER_BYTES {
                let limit = MAX_HRANA_ANSWER_BYTES;
                return Err(Error::Protocol(format!("{place} sent an answer of more than {limit} bytes")));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({})", self.url)
    }
}

/// The address, which may be said in the log: secrets have no place in it.
fn parse(text: &str) -> Result<Url> {
    let wrong = |what: &str| Error::Misconfigured(format!("the URL of the libSQL database {what}"));
    let secure = text.strip_prefix("libsql://").map(|rest| format!("https://{rest}"));
    let url = Url::parse(secure.as_deref().unwrap_or(text))
        .map_err(|error| wrong(&format!("cannot be understood: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must begin with libsql://, https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not name a user or a password: give the token as authToken"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must end before ? and #: give a token as authToken, and say http:// for no TLS"));
    }
    Ok(url)
}

fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
        Error::Misconfigured("the libSQL database's token has characters that HTTP cannot carry".into())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where a stream goes on, as the server wishes; never from HTTPS to where others can read the token.
pub fn next_place(place: &Url, wish: &str) -> Result<Url> {
    let next = parse(wish)
        .map_err(|_| Error::Protocol(format!("{place} wants to go on at a URL that cannot be used")))?;
    if place.scheme() == "https" && next.scheme() != "https" {
        return Err(Error::Protocol(format!("{place} wants to go on without TLS, at {next}")));
    }
    Ok(next)
}

/// What it means that there is no answer.
fn broken(place: &Url, error: reqwest::Error) -> Error {
    if error.is_connect() {
        Error::Unreachable(format!("{place} cannot be reached: {}", reason(error)))
    } else if error.is_timeout() {
        Error::TimedOut(format!("{place} did not answer within {} s", HRANA_DEADLINE.as_secs()))
    } else {
        Error::Interrupted(format!("the connection to {place} broke: {}", reason(error)))
    }
}

/// The innermost cause, without the address.
fn reason(error: reqwest::Error) -> String {
    short(&innermost(&error.without_url()).to_string())
}

/// What a bad HTTP status means.
fn judged(place: &Url, status: StatusCode, body: &[u8]) -> Error {
    let failure = serde_json::from_slice::<Failure>(body).ok();
    let code = failure.as_ref().and_then(|failure| failure.code.as_deref()).unwrap_or_default();
    let said = failure.as_ref().map(|failure| format!(": {}", short(&failure.message))).unwrap_or_default();
    let message = format!("{place} answered with HTTP status {}{said}", status.as_u16());
    if code == "STREAM_EXPIRED" {
        Error::StreamLost(message)
    } else if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        Error::Unauthorized(message)
    } else if status == StatusCode::REQUEST_TIMEOUT || status.is_server_error() {
        Error::Interrupted(message)
    } else {
        Error::Refused(message)
    }
}
