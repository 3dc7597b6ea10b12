//! The token endpoint: a code for tokens, or why not (RFC 6749, section 5; RFC 8628, section 3.5).

use serde::Deserialize;

use super::Provider;
use super::claims::Claims;
use super::error::{Error, Result, quoted};
use super::token::ExpectedNonce;
use super::transport::Answer;
use crate::config::Secret;

/// Somebody who has logged in. `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What the provider vouches for.
    pub claims: Claims,
    /// What proves it to others, too.
    pub id_token: Secret,
    /// What tells later whether it still holds, where that was asked for.
    pub refresh_token: Option<Secret>,
}

/// What became of an exchange.
pub enum Exchanged {
    Tokens(Tokens),
    /// Nobody has said anything yet.
    Pending,
    /// The same, and it was asked too often.
    TooFast,
}

#[derive(Deserialize)]
struct Answered {
    id_token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
}

/// The tokens that came, which are wiped when dropped.
pub struct Tokens {
    pub id_token: Option<Secret>,
    pub access_token: Option<Secret>,
    pub refresh_token: Option<Secret>,
}

impl From<Answered> for Tokens {
    fn from(Answered { id_token, access_token, refresh_token }: Answered) -> Self {
        let [id_token, access_token, refresh_token] =
            [id_token, access_token, refresh_token].map(|token| token.map(Secret::from));
        Self { id_token, access_token, refresh_token }
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl Provider {
    pub(super) async fn exchange(&self, fields: &[(&str, &str)]) -> Result<Exchanged> {
        let metadata = self.metadata().await?;
        let answer = self.transport.post(&metadata.token_endpoint, fields, &self.proof(&metadata)).await?;
        if answer.status.is_success() {
            return answer.json().map(|answered: Answered| Exchanged::Tokens(answered.into()));
        }
        let refusal: Refusal = answer.json()?;
        match refusal.error.as_str() {
            "authorization_pending" => Ok(Exchanged::Pending),
            "slow_down" => Ok(Exchanged::TooFast),
            error => Err(refused(error, refusal.error_description.as_deref())),
        }
    }

    pub(super) async fn signed_in(&self, tokens: Tokens, nonce: ExpectedNonce<'_>) -> Result<SignedIn> {
        let id_token = tokens.id_token.ok_or_else(|| {
            Error::misconfigured(
                "the provider sends no ID token: is this client one of OpenID Connect there?",
            )
        })?;
        let claims = self.verify_with(id_token.expose(), nonce).await?;
        let claims = self.complete(claims, tokens.access_token.as_ref()).await?;
        Ok(SignedIn { claims, id_token, refresh_token: tokens.refresh_token })
    }
}

/// Why a request was not granted.
pub fn refusal(answer: &Answer) -> Error {
    match answer.json::<Refusal>() {
        Ok(refusal) => refused(&refusal.error, refusal.error_description.as_deref()),
        Err(error) => error,
    }
}

/// What a provider's word for a refusal means.
pub fn refused(error: &str, description: Option<&str>) -> Error {
    let said = description.map(|text| format!(", {}", quoted(text))).unwrap_or_default();
    let said = format!("({}{said})", quoted(error));
    match error {
        "access_denied" => Error::denied(format!("the login was refused at the provider {said}")),
        "expired_token" => {
            Error::expired(format!("nobody has approved this login in time: begin again {said}"))
        }
        "invalid_grant" => {
            Error::expired(format!("the provider does not know this login any more: begin again {said}"))
        }
        "invalid_client" => Error::misconfigured(format!(
            "the provider does not accept this client: compare oidc.client_id and oidc.client_secret with what is set there \
             {said}"
        ))
        .for_all(),
        "unauthorized_client" | "unsupported_grant_type" => Error::misconfigured(format!(
            "the provider does not let this client log in so: allow it the device flow (and authorization codes) there {said}"
        ))
        .for_all(),
        "invalid_scope" => {
            Error::misconfigured(format!("the provider does not know all of oidc.scopes {said}"))
        }
        "server_error" | "temporarily_unavailable" => {
            Error::away(format!("the provider cannot answer now {said}"))
        }
        _ => Error::misconfigured(format!("the provider refuses what podyd asks {said}")),
    }
}
