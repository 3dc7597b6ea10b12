//! What some providers tell of somebody at their userinfo endpoint alone (OpenID Connect Core, section 5.3): asked with the
//! access token that came with a verified ID token, whose claims it completes and never changes.

use serde_json::{Map, Value};
use url::Url;

use super::Provider;
use super::claims::Claims;
use super::error::{Error, Result};
use crate::config::Secret;

impl Provider {
    /// What an ID token proves, and what the provider says of the same person beside it, where that is wanted.
    pub async fn verify_and_ask(&self, id_token: &str, access_token: Option<&Secret>) -> Result<Claims> {
        let claims = self.verify(id_token).await?;
        self.complete(claims, access_token).await
    }

    pub(super) async fn complete(&self, claims: Claims, access_token: Option<&Secret>) -> Result<Claims> {
        if !self.settings.userinfo {
            return Ok(claims);
        }
        let place = self.userinfo_endpoint().await?;
        let access_token = access_token.ok_or_else(|| {
            Error::misconfigured(
                "the provider sends no access token, without which it tells nothing of anybody",
            )
        })?;
        let answer = self.transport.get_with(&place, access_token).await?;
        if !answer.status.is_success() {
            return Err(Error::misconfigured(format!(
                "{place} tells nothing of whoever has just logged in: it answers with HTTP status {}",
                answer.status.as_u16()
            )));
        }
        let said: Map<String, Value> = answer.json()?;
        claims.completed(said, self.settings.groups_claim.as_str())
    }

    pub(super) async fn userinfo_endpoint(&self) -> Result<Url> {
        self.metadata().await?.userinfo_endpoint.clone().ok_or_else(|| {
            Error::misconfigured(format!(
                "the provider {} has no userinfo endpoint: set oidc.userinfo to false",
                self.settings.issuer
            ))
        })
    }
}
