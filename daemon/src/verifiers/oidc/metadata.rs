//! How a provider describes itself (OpenID Connect Discovery 1.0), as far as podyd has a use for it.

use serde::Deserialize;
use url::Url;

use super::error::{Error, Result, quoted};
use super::transport::Transport;
use crate::config::{Oidc, is_private};

/// A provider's description, which is its own and not another's.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    issuer: String,
    /// Where its keys are.
    pub jwks_uri: Url,
    /// Where codes are exchanged for tokens.
    pub token_endpoint: Url,
    /// Where browsers are sent to, if it has such a place.
    pub authorization_endpoint: Option<Url>,
    /// Where device flows begin, if it has any.
    pub device_authorization_endpoint: Option<Url>,
    /// Where it tells more of somebody than ID tokens do, if it has such a place.
    pub userinfo_endpoint: Option<Url>,
    /// How it can sign ID tokens.
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Metadata {
    pub async fn fetch(transport: &Transport, settings: &Oidc) -> Result<(Self, Option<i64>)> {
        let place = address(settings)?;
        let answer = transport.get(&place).await?;
        if !answer.status.is_success() {
            return Err(Error::misconfigured(format!(
                "there is no OpenID provider at {place}: it answers with HTTP status {}; is oidc.issuer right?",
                answer.status.as_u16()
            )));
        }
        let metadata: Self = answer.json()?;
        metadata.check(settings)?;
        Ok((metadata, answer.date))
    }

    /// Whether the token endpoint takes a secret in a header, which is what it does where it does not say.
    pub fn takes_secret_in_header(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
    }

    fn check(&self, settings: &Oidc) -> Result<()> {
        let issuer = settings.issuer.as_str();
        if self.issuer != issuer {
            return Err(Error::misconfigured(format!(
                "the provider at {issuer} calls itself {}: set oidc.issuer to that, to the letter, if it is the one that \
                 you mean",
                quoted(&self.issuer)
            )));
        }
        let places = [Some(&self.jwks_uri), Some(&self.token_endpoint)];
        let others =
            [&self.authorization_endpoint, &self.device_authorization_endpoint, &self.userinfo_endpoint];
        match places.into_iter().chain(others.map(Option::as_ref)).flatten().find(|place| !is_private(place))
        {
            None => Ok(()),
            Some(place) => Err(Error::misconfigured(format!(
                "the provider at {issuer} is to be asked at {}, without TLS: nobody is",
                quoted(place.as_str())
            ))),
        }
    }
}

/// Where the description is.
fn address(settings: &Oidc) -> Result<Url> {
    let issuer = settings.issuer.as_str().trim_end_matches('/');
    Url::parse(&format!("{issuer}/.well-known/openid-configuration"))
        .map_err(|why| Error::misconfigured(format!("oidc.issuer: {why}")))
}
