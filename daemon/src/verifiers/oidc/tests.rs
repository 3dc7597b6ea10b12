//! podyd and a certified provider, which also says what no provider should.

mod check;
mod code;
mod device;
mod forged;
mod keys;
mod trouble;
mod userinfo;

use openidconnect::core::{CoreHmacKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey};
use openidconnect::{JsonWebKey, PrivateSigningKey};
use serde_json::{Value, json};
use servers::{OidcOptions, OidcProvider};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;
use crate::config::Secret;

/// A provider as tests want it, and podyd as its client.
async fn start() -> (OidcProvider, Provider) {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let provider = client_of(&idp);
    (idp, provider)
}

fn settings(idp: &OidcProvider) -> Oidc {
    Oidc {
        issuer: idp.issuer().parse().unwrap(),
        client_id: "pody".parse().unwrap(),
        scopes: "openid profile email groups".parse().unwrap(),
        ..Oidc::default()
    }
}

fn client_of(idp: &OidcProvider) -> Provider {
    Provider::new(&settings(idp), Clock::System).unwrap()
}

fn confidential(idp: &OidcProvider, secret: &str) -> Oidc {
    let client_secret = Secret::from(secret.to_owned());
    Oidc { client_id: "pody-secret".parse().unwrap(), client_secret, ..settings(idp) }
}

/// Somebody logs in by a device flow.
async fn log_in(idp: &OidcProvider, provider: &Provider, subject: &str) -> SignedIn {
    let mut login = provider.begin_device().await.unwrap();
    idp.approve(&login.user_code, subject).await;
    provider.poll_device(&mut login).await.unwrap().expect("it was approved")
}

/// What somebody makes up who has the provider's key, or says so.
struct Forger {
    key: CoreRsaPrivateSigningKey,
    kid: String,
    issuer: String,
}

impl Forger {
    async fn of(idp: &OidcProvider, provider: &Provider) -> Self {
        let keys = provider.fetch_keys().await.unwrap();
        Self {
            key: CoreRsaPrivateSigningKey::from_pem(&idp.key().await, None).unwrap(),
            kid: keys.keys()[0].key_id().unwrap().to_string(),
            issuer: idp.issuer().to_owned(),
        }
    }

    fn header(&self) -> Value {
        json!({ "alg": "RS256", "kid": self.kid, "typ": "JWT" })
    }

    fn claims(&self) -> Value {
        let now = Clock::System.unix_seconds();
        json!({ "iss": self.issuer, "sub": "sub-ada", "aud": "pody", "iat": now, "exp": now + 300 })
    }

    /// A token of the provider's own hand, with these claims.
    fn token(&self, claims: &Value) -> String {
        self.signed(&self.header(), claims)
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let text = unsigned(header, claims);
        let signature =
            self.key.sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, text.as_bytes()).unwrap();
        format!("{text}.{}", encoded(&signature))
    }

    /// What whoever checks would believe if it took its public key for a shared secret.
    fn signed_with_the_public_key(&self, claims: &Value, public: &str) -> String {
        let text = unsigned(&json!({ "alg": "HS256", "kid": self.kid }), claims);
        let key = CoreHmacKey::new(public);
        let signature = key.sign(&CoreJwsSigningAlgorithm::HmacSha256, text.as_bytes()).unwrap();
        format!("{text}.{}", encoded(&signature))
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()))
}

fn encoded(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The same object with some fields changed; null takes one away.
fn with(object: &Value, changes: Value) -> Value {
    let mut object = object.clone();
    let fields = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(fields.remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    object
}
