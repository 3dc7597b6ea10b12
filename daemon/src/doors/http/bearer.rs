//! Who asks: whoever shows the token of the configuration, or one of the directory.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::rates::TokenDigest;
use super::{Code, Http, Problem};
use crate::config::{Backend, Settings};
use crate::directory::{Directory, Objection, Scope, Scopes};
use crate::service::{Bearer, Caller, Checked, TurnedAway};

/// What the token of the configuration is for. It cannot have users created where nothing else may be changed: that takes
/// a token that was made for it.
const SHARED: [Scope; 4] = [Scope::Read, Scope::Authenticate, Scope::Write, Scope::Password];

/// Where a request comes from; `listen` puts it there.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// The address at the other end of the connection.
    pub address: IpAddr,
    /// Whether TLS is spoken.
    pub tls: bool,
}

impl Visitor {
    /// Whether nobody on the way can read along or say something else.
    pub fn is_private(self) -> bool {
        self.tls || self.address.is_loopback()
    }
}

/// Whoever shows a token that is accepted. What it is for is judged by the service, in each operation.
pub struct Asking(pub Caller);

impl<D: Directory> FromRequestParts<Arc<Http<D>>> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http<D>>) -> Result<Self, Problem> {
        // A request is asked about once, whoever else wants to know.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(Self(caller.clone()));
        }
        let visitor = *parts.extensions.get::<Visitor>().expect("every connection says where it comes from");
        let token = match presented(&parts.headers) {
            Ok(token) => token,
            Err(problem) => {
                http.metrics().turned_away(TurnedAway::NoToken);
                http.count("", visitor.address)?;
                return Err(problem);
            }
        };
        let settings = http.service.current_settings();
        let (label, scopes) = http.accept(token, &settings, visitor.address).await?;
        http.count(&label, visitor.address)?;
        let is_replica = matches!(settings.backend, Backend::Remote(_));
        let caller = Caller::Bearer(Bearer {
            token: label,
            scopes,
            readonly: settings.service.readonly || is_replica,
            own_passwords: settings.service.own_passwords,
        });
        parts.extensions.insert(caller.clone());
        Ok(Self(caller))
    }
}

/// The token of a request.
fn presented(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = given.next() else {
        return Err(Problem::new(Code::NoToken, "show a token: Authorization: Bearer TOKEN"));
    };
    if given.next().is_some() {
        return Err(Problem::new(Code::BadRequest, "the header Authorization is there more than once"));
    }
    let bearer = header.to_str().ok().and_then(|text| text.split_once(' '));
    match bearer {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Problem::new(Code::NoToken, "show a token in this way: Authorization: Bearer TOKEN")),
    }
}

impl<D: Directory> Http<D> {
    /// Which token it is, for people, and what it is for.
    async fn accept(
        &self,
        token: &str,
        settings: &Settings,
        source: IpAddr,
    ) -> Result<(String, Scopes), Problem> {
        let digest: TokenDigest = Sha256::digest(token).into();
        if let Err(problem) = self.rates.may_try(digest, source) {
            self.metrics().turned_away(TurnedAway::Rate);
            return Err(problem);
        }
        let accepted = match is_shared(&digest, settings) {
            true => ("the shared token".into(), Scopes::new(SHARED).expect("there are four")),
            false => self.of_directory(token, source).await?,
        };
        self.rates.right(digest, source);
        Ok(accepted)
    }

    async fn of_directory(&self, token: &str, source: IpAddr) -> Result<(String, Scopes), Problem> {
        let checked = self.service.check_token(token, None, source).await?;
        match &checked.token {
            Some(token) if checked.is_accepted() => {
                Ok((format!("{}/{}", token.owner.name, token.name), token.scopes))
            }
            _ => {
                self.rates.wrong(source);
                self.metrics().turned_away(TurnedAway::WrongToken);
                let why = why(&checked);
                if let Some(times) = self.wrong_tokens.one_more() {
                    tracing::warn!(%source, times, "a wrong token was shown by somebody who wants to be another node: {why}");
                }
                Err(Problem::new(Code::WrongToken, why))
            }
        }
    }

    /// Counts a request of whoever shows this token, or none.
    pub(super) fn count(&self, label: &str, source: IpAddr) -> Result<(), Problem> {
        let outcome = self.rates.request(label, source);
        if outcome.is_err() {
            self.metrics().turned_away(TurnedAway::Rate);
            if let Some(times) = self.too_many.one_more() {
                tracing::warn!(%source, token = label, times, "too many requests of another node: it is told to come later");
            }
        }
        outcome
    }
}

/// Whether it is the configuration's. Digests are compared, which are of one length, and in the same time wherever they differ.
fn is_shared(digest: &TokenDigest, settings: &Settings) -> bool {
    let shared = &settings.service.access_token;
    let same = digest.ct_eq(&Sha256::digest(shared.expose()));
    !shared.is_empty() && bool::from(same)
}

fn why(checked: &Checked) -> String {
    match &checked.objections[..] {
        [Objection::Malformed(_)] => {
            "this is neither the token that the service was given (access_token) nor one of its directory"
                .into()
        }
        objections => {
            let objections: Vec<_> = objections.iter().map(ToString::to_string).collect();
            format!("this token is not accepted: {}", objections.join("; "))
        }
    }
}
