//! One HTTP request to a provider and its answer: a deadline, a limit on the answer's size, no redirects, no proxy.
//! What the answer means is for others.

use std::fs;
use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::error::{Error, Result, quoted};
use crate::cause::innermost;
use crate::config::{Oidc, Secret};
use crate::limits::MAX_OIDC_ANSWER_BYTES;

/// The way to one provider.
pub struct Transport {
    http: Client,
    timeout: Duration,
}

/// What a provider answered, whatever it may mean.
pub struct Answer {
    /// The HTTP status: good or a client's mistake. Others are errors.
    pub status: StatusCode,
    /// When it was written by the provider's clock, in seconds since 1970.
    pub date: Option<i64>,
    place: Url,
    body: Vec<u8>,
}

/// How a client shows who it is at the token endpoint (OpenID Connect Core, section 9).
pub enum Proof<'a> {
    /// Its id and secret, in a header.
    Header(&'a str, &'a str),
    /// Its id and, where it has one, its secret, among the fields.
    Fields(&'a str, Option<&'a str>),
}

impl Transport {
    pub fn new(settings: &Oidc) -> Result<Self> {
        // reqwest is built without a provider of its own. One that was installed before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("podyd/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            // A connection that the provider closes just when it is used again would lose an answer, and with it a code
            // that is good for one question.
            .pool_max_idle_per_host(0)
            .timeout(settings.timeout);
        if let Some(file) = &settings.ca_file {
            let wrong =
                |why: String| Error::misconfigured(format!("oidc.ca_file: {}: {why}", file.display()));
            let pem = fs::read(file).map_err(|why| wrong(why.to_string()))?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|why| wrong(why.to_string()))?;
            if authorities.is_empty() {
                return Err(wrong("holds no certificate (PEM)".into()));
            }
            builder = authorities.into_iter().fold(builder, |builder, one| builder.add_root_certificate(one));
        }
        let http = builder.build().map_err(|why| {
            let why = reason(&why);
            Error::misconfigured(format!(
                "HTTPS does not work here; install ca-certificates, or name the provider's authority in oidc.ca_file: {why}"
            ))
        })?;
        Ok(Self { http, timeout: settings.timeout })
    }

    pub async fn get(&self, place: &Url) -> Result<Answer> {
        self.send(place, self.http.get(place.clone())).await
    }

    /// The same with a token that says what may be told.
    pub async fn get_with(&self, place: &Url, access_token: &Secret) -> Result<Answer> {
        self.send(place, self.http.get(place.clone()).bearer_auth(access_token.expose())).await
    }

    /// Sends a form.
    pub async fn post(&self, place: &Url, fields: &[(&str, &str)], proof: &Proof<'_>) -> Result<Answer> {
        let request = self.http.post(place.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        // RFC 6749, section 2.3.1: both are encoded before they are joined.
        let request = match proof {
            Proof::Header(id, secret) => request.basic_auth(encoded(id), Some(encoded(secret))),
            Proof::Fields(..) => request,
        };
        self.send(place, request.body(form(fields, proof))).await
    }

    async fn send(&self, place: &Url, request: RequestBuilder) -> Result<Answer> {
        let response = request.header(ACCEPT, "application/json").send().await;
        let response = response.map_err(|why| self.broken(place, &why).for_all())?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Error::misconfigured(format!(
                "{place} leads elsewhere (HTTP status {}), where nobody follows: set oidc.issuer to the address that the \
                 provider itself uses",
                status.as_u16()
            )));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Error::away(format!("{place} answers with HTTP status {}", status.as_u16())));
        }
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|date| date.timestamp());
        let body = self.body(place, response).await?;
        Ok(Answer { status, date, place: place.clone(), body })
    }

    async fn body(&self, place: &Url, mut response: Response) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|why| self.broken(place, &why))? {
            if body.len() + part.len() > MAX_OIDC_ANSWER_BYTES {
                return Err(Error::misconfigured(format!(
                    "{place} answers with more than {MAX_OIDC_ANSWER_BYTES} bytes: is it an OpenID provider?"
                )));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    /// What it means that there is no answer.
    fn broken(&self, place: &Url, why: &reqwest::Error) -> Error {
        let reason = reason(why);
        if why.is_timeout() {
            Error::lost(format!("{place} does not answer within {} s", self.timeout.as_secs()))
        } else if reason.contains("certificate") {
            Error::misconfigured(format!(
                "the certificate of {place} is not trusted ({reason}): set oidc.ca_file to the authority that signed it"
            ))
        } else if why.is_connect() {
            Error::away(format!("{place} cannot be reached: {reason}"))
        } else {
            Error::lost(format!("the connection to {place} broke: {reason}"))
        }
    }
}

impl Answer {
    /// The JSON document that it is.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|why| {
            Error::misconfigured(format!(
                "{} answers with something else than an OpenID provider does (HTTP status {}): {}",
                self.place,
                self.status.as_u16(),
                quoted(&why.to_string())
            ))
        })
    }
}

fn form(fields: &[(&str, &str)], proof: &Proof<'_>) -> String {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields);
    if let Proof::Fields(id, secret) = proof {
        form.append_pair("client_id", id);
        form.extend_pairs(secret.map(|secret| ("client_secret", secret)));
    }
    form.finish()
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Why a request failed, fit for one line of a log.
fn reason(error: &reqwest::Error) -> String {
    quoted(&innermost(error).to_string())
}
