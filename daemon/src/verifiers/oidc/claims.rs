//! What an ID token says of somebody, typed and bounded. Whether they may come in, and as whom, is decided elsewhere.

use std::collections::BTreeMap;

use openidconnect::core::CoreGenderClaim;
use openidconnect::{AdditionalClaims, IdTokenClaims};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Error, Result, quoted};
use crate::limits::{MAX_CLAIM_BYTES, MAX_CLAIMED_GROUPS};

/// What a provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who vouches.
    pub issuer: String,
    /// Who it is: never another person at the same issuer, whatever they are called.
    pub subject: String,
    /// What they want to be called; it may be anybody's tomorrow.
    pub preferred_username: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Whether the provider knows that the address is theirs.
    pub email_verified: bool,
    /// Their groups; `None`: the token does not speak of groups, which is not to say that there are none.
    pub groups: Option<Vec<String>>,
    /// When the token was made, in seconds since 1970.
    pub issued_at: i64,
    /// From when on it proves nothing.
    pub expires_at: i64,
}

/// The claims that OpenID Connect does not define for ID tokens, or leaves to us to check.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Further {
    pub nbf: Option<i64>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl AdditionalClaims for Further {}

impl Claims {
    /// Takes what is needed out of verified claims. Whatever exceeds its bounds is refused: nothing is cut off.
    pub fn read(claims: &IdTokenClaims<Further, CoreGenderClaim>, groups_claim: &str) -> Result<Self> {
        let subject = bounded("sub", claims.subject().as_str())?;
        if subject.is_empty() {
            return Err(Error::invalid_token("the ID token's sub is empty"));
        }
        let optional = |name: &str, text: Option<&str>| text.map(|text| bounded(name, text)).transpose();
        let name = claims.name().and_then(|name| name.get(None)).map(|name| name.as_str());
        Ok(Self {
            issuer: claims.issuer().as_str().to_owned(),
            subject,
            preferred_username: optional(
                "preferred_username",
                claims.preferred_username().map(|name| name.as_str()),
            )?,
            name: optional("name", name)?,
            email: optional("email", claims.email().map(|email| email.as_str()))?,
            email_verified: claims.email_verified() == Some(true),
            groups: groups(groups_claim, claims.additional_claims().others.get(groups_claim))?,
            issued_at: claims.issue_time().timestamp(),
            expires_at: claims.expiration().timestamp(),
        })
    }
}

fn bounded(name: &str, text: &str) -> Result<String> {
    if text.len() > MAX_CLAIM_BYTES {
        return Err(Error::invalid_token(format!(
            "the ID token's {name} has more than {MAX_CLAIM_BYTES} bytes"
        )));
    }
    if text.contains(char::is_control) {
        return Err(Error::invalid_token(format!("the ID token's {name} has control characters")));
    }
    Ok(text.to_owned())
}

/// A list of names, or one name.
fn groups(claim: &str, given: Option<&Value>) -> Result<Option<Vec<String>>> {
    let wrong = |what: &str| Err(Error::invalid_token(format!("the ID token's {} {what}", quoted(claim))));
    let names = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) => return bounded(claim, name).map(|name| Some(vec![name])),
        Some(Value::Array(names)) => names,
        Some(_) => return wrong("is no list of names: set oidc.groups_claim to the claim that is one"),
    };
    if names.len() > MAX_CLAIMED_GROUPS {
        return wrong(&format!(
            "has more than {MAX_CLAIMED_GROUPS} names: let the provider tell of fewer groups"
        ));
    }
    let names = names.iter().map(|name| match name {
        Value::String(name) => bounded(claim, name),
        _ => Err(Error::invalid_token(format!(
            "the ID token's {} holds something else than names",
            quoted(claim)
        ))),
    });
    names.collect::<Result<_>>().map(Some)
}
