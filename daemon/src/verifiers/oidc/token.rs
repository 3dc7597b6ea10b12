//! Whether an ID token proves what it says (OpenID Connect Core, section 3.1.3.7): a decision over values. It fetches no
//! keys and asks no clock.

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm as Algorithm,
};
use openidconnect::{
    ClaimsVerificationError, ClientId, IdToken, IdTokenClaims, IdTokenVerifier, IssuerUrl, JsonWebKeySet,
    Nonce, SignatureVerificationError,
};

use super::claims::{Claims, Further};
use super::error::{Error, quoted};
use crate::limits::{MAX_CLOCK_SKEW_SECONDS, MAX_ID_TOKEN_BYTES};

/// A provider's public keys.
pub type Keys = JsonWebKeySet<CoreJsonWebKey>;

type Token = IdToken<Further, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, Algorithm>;

/// Signatures that are believed. Not among them: none, and HS…, whose key whoever checks could sign with, too.
pub const ALGORITHMS: [(Algorithm, &str); 9] = [
    (Algorithm::RsaSsaPkcs1V15Sha256, "RS256"),
    (Algorithm::RsaSsaPkcs1V15Sha384, "RS384"),
    (Algorithm::RsaSsaPkcs1V15Sha512, "RS512"),
    (Algorithm::RsaSsaPssSha256, "PS256"),
    (Algorithm::RsaSsaPssSha384, "PS384"),
    (Algorithm::RsaSsaPssSha512, "PS512"),
    (Algorithm::EcdsaP256Sha256, "ES256"),
    (Algorithm::EcdsaP384Sha384, "ES384"),
    (Algorithm::EdDsa, "EdDSA"),
];

/// What a token has to say to be the one that is meant.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub groups_claim: &'a str,
    pub nonce: ExpectedNonce<'a>,
    /// Seconds since 1970.
    pub now: i64,
}

/// What a token has to say of the login that it is for.
#[derive(Clone, Copy)]
pub enum ExpectedNonce<'a> {
    /// The nonce that was sent along.
    Equal(&'a Nonce),
    /// The same, or nothing: device flows know of no nonce, and some providers take one all the same.
    EqualIfThere(&'a Nonce),
    /// Anything: it was checked by whoever sent it along.
    Any,
}

/// Why a token is refused.
#[derive(Debug)]
pub enum Refused {
    /// None of these keys has signed it: there may be newer ones.
    Unsigned(Error),
    /// It proves nothing, whatever the keys.
    Invalid(Error),
}

/// What a token proves.
pub fn verify(text: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, Refused> {
    let invalid =
        |why: String| Refused::Invalid(Error::invalid_token(format!("the ID token is refused: {why}")));
    if text.len() > MAX_ID_TOKEN_BYTES {
        return Err(invalid(format!("it has more than {MAX_ID_TOKEN_BYTES} bytes")));
    }
    let token: Token = text.parse().map_err(|why: serde_json::Error| invalid(quoted(&why.to_string())))?;
    let nonce = |given: Option<&Nonce>| nonce_fits(expected.nonce, given);
    let claims = verifier(keys, expected).map_err(|why| invalid(why.to_owned()))?;
    let claims = token.claims(&claims, nonce).map_err(|why| match why {
        ClaimsVerificationError::SignatureVerification(
            why @ (SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_)),
        ) => Refused::Unsigned(Error::invalid_token(format!(
            "the ID token is refused: no key of the provider has signed it ({})",
            quoted(&why.to_string())
        ))),
        ClaimsVerificationError::SignatureVerification(why) => invalid(quoted(&why.to_string())),
        other => invalid(quoted(&other.to_string())),
    })?;
    left_to_us(claims, expected).map_err(invalid)?;
    Claims::read(claims, expected.groups_claim).map_err(Refused::Invalid)
}

fn verifier<'a>(
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<IdTokenVerifier<'a, CoreJsonWebKey>, &'static str> {
    let issuer = IssuerUrl::new(expected.issuer.to_owned()).map_err(|_| "the issuer is no URL")?;
    let earliest_end =
        moment(expected.now.saturating_sub(MAX_CLOCK_SKEW_SECONDS)).ok_or("the clock is wrong")?;
    let latest_begin =
        moment(expected.now.saturating_add(MAX_CLOCK_SKEW_SECONDS)).ok_or("the clock is wrong")?;
    let client = ClientId::new(expected.client_id.to_owned());
    Ok(IdTokenVerifier::new_public_client(client, issuer, keys.clone())
        .set_allowed_algs(ALGORITHMS.map(|(algorithm, _)| algorithm))
        .set_time_fn(move || earliest_end)
        .set_issue_time_verifier_fn(move |issued| match issued <= latest_begin {
            true => Ok(()),
            false => Err(format!("it was issued in the future, at {issued}: compare the clocks")),
        }))
}

fn moment(unix_seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(unix_seconds, 0)
}

fn nonce_fits(expected: ExpectedNonce<'_>, given: Option<&Nonce>) -> Result<(), String> {
    match (expected, given) {
        (ExpectedNonce::Any, _) | (ExpectedNonce::EqualIfThere(_), None) => Ok(()),
        // Nonces are compared by their digests, in constant time.
        (ExpectedNonce::Equal(nonce) | ExpectedNonce::EqualIfThere(nonce), Some(given)) if nonce == given => {
            Ok(())
        }
        (ExpectedNonce::Equal(_), None) => Err("it has no nonce".into()),
        _ => Err("it is for another login: its nonce is not the one that was sent along".into()),
    }
}

/// What the library does not look at.
fn left_to_us(
    claims: &IdTokenClaims<Further, CoreGenderClaim>,
    expected: &Expected<'_>,
) -> Result<(), String> {
    if claims.authorized_party().is_some_and(|party| party.as_str() != expected.client_id) {
        return Err("it was issued to another client (azp)".into());
    }
    let latest_begin = expected.now.saturating_add(MAX_CLOCK_SKEW_SECONDS);
    if claims.additional_claims().nbf.is_some_and(|begin| begin > latest_begin) {
        return Err("it is not valid yet (nbf): compare the clocks".into());
    }
    Ok(())
}
