//! Clients of HTTP for one service, with this node's token and certificate: two with connections of their own, one for calls
//! and one for the feed, so that nobody's login waits behind a copy of the directory.
//!
//! Redirects and proxies are not followed: a token goes to whom it was meant for.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Url};

use super::refusal::{refused_tls, short};
use crate::cause::innermost;
use crate::config::Provider;
use crate::directory::{Error, Result};
use crate::limits::REMOTE_CONNECT_DEADLINE;

/// A connection on which nothing comes is asked for a sign of life after so long, and so often.
const KEEPALIVE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(1)];

/// How long the other side may leave what was sent to it unacknowledged: a link that was cut is noticed within it.
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// How long a connection is kept for the next call: less than a service waits for one.
const IDLE: Duration = Duration::from_secs(90);

/// The clients of one service, which others can take the place of while they are in use.
pub struct Clients {
    /// Where the service is.
    pub base: Url,
    current: Mutex<Current>,
}

struct Current {
    calls: Client,
    feed: Client,
    timeout: Duration,
    /// Why TLS does not come about with them.
    not_trusted: Option<String>,
}

impl Clients {
    /// Prepares them; nothing is sent.
    pub fn new(provider: &Provider) -> Result<Self> {
        let base = Url::parse(provider.endpoint.as_str())
            .map_err(|error| Error::Failed(format!("remote_user_profile.provider.endpoint: {error}")))?;
        let current = Mutex::new(Current::new(provider, &base)?);
        Ok(Self { base, current })
    }

    /// Takes over another token, and certificates that are read anew. Connections of before are used no more.
    pub fn renew(&self, provider: &Provider) -> Result<()> {
        let new = Current::new(provider, &self.base)?;
        *self.known() = new;
        Ok(())
    }

    /// Why nothing came of a request, and whether it may have been heard all the same.
    pub fn broken(&self, error: reqwest::Error) -> (bool, String) {
        let (base, is_sent, why) = (&self.base, !error.is_connect(), reason(error));
        let mut current = self.known();
        let not_trusted = refused_tls(&why);
        let is_sent = is_sent && not_trusted.is_none();
        current.not_trusted = not_trusted.or(current.not_trusted.take().filter(|_| is_sent));
        match &current.not_trusted {
            // Whoever does not accept a certificate closes the connection, and not always is the reason read first.
            Some(why) => (is_sent, format!("{base} cannot be reached: {why}")),
            None if is_sent => (true, format!("the connection to {base} broke: {why}")),
            None => (false, format!("{base} cannot be reached: {why}")),
        }
    }

    /// The service has answered.
    pub fn answered(&self) {
        self.known().not_trusted = None;
    }

    /// For what takes a moment.
    pub fn calls(&self) -> Client {
        self.known().calls.clone()
    }

    /// For what takes as long as it takes.
    pub fn feed(&self) -> Client {
        self.known().feed.clone()
    }

    /// How long the service may take to answer.
    pub fn timeout(&self) -> Duration {
        self.known().timeout
    }

    fn known(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn new(provider: &Provider, base: &Url) -> Result<Self> {
        let [calls, feed] = [client(provider, base)?, client(provider, base)?];
        Ok(Self { calls, feed, timeout: provider.timeout, not_trusted: None })
    }
}

fn client(provider: &Provider, base: &Url) -> Result<Client> {
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
    built.map_err(|error| match &provider.ca_file {
        Some(path) => unusable("ca_file", path, reason(error)),
        None => Error::Failed(format!(
            "HTTPS does not work here: {}; install the package ca-certificates, or name the authority's certificate in \
             remote_user_profile.provider.ca_file",
            reason(error)
        )),
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

/// The innermost cause, without the address.
fn reason(error: reqwest::Error) -> String {
    short(&innermost(&error.without_url()).to_string())
}

/// By how many seconds the clock here is ahead of that of whoever sent these headers.
pub fn clock_skew(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok())?;
    let theirs = chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp();
    Some(crate::clock::Clock::System.unix_seconds() - theirs)
}
