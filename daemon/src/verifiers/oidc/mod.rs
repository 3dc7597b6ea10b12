//! Logging in at an OpenID provider: what is said to it, and whether what it answers proves anything.
//!
//! Nothing is asked before somebody wants to log in, so that a node starts while its provider is away. Who may come in, as
//! whom, and what is shown meanwhile, is for others.

mod cached;
mod check;
mod claims;
mod code;
mod device;
mod error;
mod exchange;
mod metadata;
mod refresh;
mod token;
mod transport;
mod userinfo;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use cached::Cached;
use metadata::Metadata;
use token::{Expected, ExpectedNonce, Keys, Refused};
use transport::{Proof, Transport};

use crate::clock::Clock;
use crate::config::Oidc;
use crate::limits::{OIDC_KEYS_FLOOR, OIDC_KEYS_MAX_AGE, OIDC_METADATA_MAX_AGE};

pub use check::{Check, check};
pub use claims::Claims;
pub use code::CodeLogin;
pub use device::DeviceLogin;
pub use error::{Error, Result, Trouble};
pub use exchange::SignedIn;
pub use refresh::Refreshed;

/// What makes a provider give refresh tokens.
const OFFLINE_ACCESS: &str = "offline_access";

/// The provider of the settings, and what it said lately.
pub struct Provider {
    settings: Oidc,
    clock: Clock,
    transport: Transport,
    metadata: Cached<Metadata>,
    keys: Cached<Keys>,
}

impl Provider {
    /// Asks nobody yet.
    pub fn new(settings: &Oidc, clock: Clock) -> Result<Self> {
        let transport = Transport::new(settings)?;
        Ok(Self {
            settings: settings.clone(),
            clock,
            transport,
            metadata: Cached::default(),
            keys: Cached::default(),
        })
    }

    /// What an ID token proves that somebody else brought, who has seen to it that it is for the login at hand.
    pub async fn verify(&self, id_token: &str) -> Result<Claims> {
        self.verify_with(id_token, ExpectedNonce::Any).await
    }

    async fn verify_with(&self, id_token: &str, nonce: ExpectedNonce<'_>) -> Result<Claims> {
        let keys = self.keys.get(OIDC_KEYS_MAX_AGE, self.fetch_keys()).await?;
        let expected = Expected {
            issuer: self.settings.issuer.as_str(),
            client_id: self.settings.client_id.as_str(),
            groups_claim: self.settings.groups_claim.as_str(),
            nonce,
            now: self.clock.unix_seconds(),
        };
        let error = match token::verify(id_token, &keys, &expected) {
            Ok(claims) => return Ok(claims),
            Err(Refused::Invalid(error)) => return Err(error),
            Err(Refused::Unsigned(error)) => error,
        };
        // Providers change their keys. Whoever makes tokens up cannot have them asked for without end.
        match self.keys.another(&keys, OIDC_KEYS_FLOOR, self.fetch_keys()).await? {
            None => Err(error),
            Some(keys) => token::verify(id_token, &keys, &expected).map_err(|refused| match refused {
                Refused::Invalid(error) | Refused::Unsigned(error) => error,
            }),
        }
    }

    /// What a login asks for: where the provider is to be asked again later, that, too (OpenID Connect Core, section 11).
    fn login_scopes(&self) -> String {
        let scopes = self.settings.scopes.as_str();
        let is_there = scopes.split(' ').any(|word| word == OFFLINE_ACCESS);
        match self.settings.recheck_interval.is_zero() || is_there {
            true => scopes.to_owned(),
            false => format!("{scopes} {OFFLINE_ACCESS}"),
        }
    }

    async fn metadata(&self) -> Result<Arc<Metadata>> {
        let fetch =
            async { Metadata::fetch(&self.transport, &self.settings).await.map(|(metadata, _)| metadata) };
        self.metadata.get(OIDC_METADATA_MAX_AGE, fetch).await
    }

    async fn fetch_keys(&self) -> Result<Keys> {
        let place = &self.metadata().await?.jwks_uri;
        let answer = self.transport.get(place).await?;
        if !answer.status.is_success() {
            let status = answer.status.as_u16();
            return Err(Error::misconfigured(format!(
                "{place} shows no keys: it answers with HTTP status {status}"
            )));
        }
        answer.json()
    }

    fn proof<'a>(&'a self, metadata: &Metadata) -> Proof<'a> {
        let (id, secret) = (self.settings.client_id.as_str(), &self.settings.client_secret);
        match secret.is_empty() {
            true => Proof::Fields(id, None),
            false if metadata.takes_secret_in_header() => Proof::Header(id, secret.expose()),
            false => Proof::Fields(id, Some(secret.expose())),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.settings.issuer)
    }
}
