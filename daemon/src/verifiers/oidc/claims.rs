//! What a provider says of somebody, typed and bounded. Whether they may come in, and as whom, is decided elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use openidconnect::core::CoreGenderClaim;
use openidconnect::{AdditionalClaims, IdTokenClaims};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{Error, Result, quoted};
use crate::limits::{MAX_CLAIM_BYTES, MAX_CLAIMED_GROUPS};

/// What a provider vouches for. `Debug` shows for whom.
#[derive(Clone, PartialEq, Eq)]
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
    /// Their groups by the provider's names; `None`: the token does not speak of groups, which is not to say that there are none.
    pub groups: Option<Vec<String>>,
    /// When the token was made, in seconds since 1970.
    pub issued_at: i64,
    /// From when on it proves nothing.
    pub expires_at: i64,
    /// All that the token says.
    all: Map<String, Value>,
}

/// What a token says of itself (RFC 7519; OpenID Connect Core, section 2).
const ABOUT_TOKENS: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "azp",
    "acr",
    "amr",
    "auth_time",
    "at_hash",
    "c_hash",
    "sid",
];

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
        let Ok(Value::Object(all)) = serde_json::to_value(claims) else {
            return Err(Error::invalid_token("the ID token's claims are no JSON object"));
        };
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
            groups: groups(groups_claim, find(&all, groups_claim))?,
            issued_at: claims.issue_time().timestamp(),
            expires_at: claims.expiration().timestamp(),
            all,
        })
    }

    /// These claims, and whatever they leave out of what the provider says elsewhere of the same person. What a token says of
    /// itself is nobody else's to say.
    pub fn completed(mut self, said: Map<String, Value>, groups_claim: &str) -> Result<Self> {
        if said.get("sub").and_then(Value::as_str) != Some(&self.subject) {
            return Err(Error::invalid_token("the provider's userinfo is about somebody else, or nobody"));
        }
        let is_said =
            |claims: &Map<String, Value>, name: &str| claims.get(name).is_some_and(|said| !said.is_null());
        // Whether an address is somebody's goes with the address.
        if !is_said(&self.all, "email") {
            self.all.remove("email_verified");
        }
        let is_another_address = is_said(&self.all, "email") && self.all.get("email") != said.get("email");
        for (name, value) in said {
            let is_kept = is_said(&self.all, &name)
                || ABOUT_TOKENS.contains(&name.as_str())
                || (is_another_address && name == "email_verified");
            if !is_kept {
                self.all.insert(name, value);
            }
        }
        let text = |name: &str| match self.all.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => bounded(name, text).map(Some),
            Some(_) => Err(Error::invalid_token(format!("the provider's {name} is no text"))),
        };
        Ok(Self {
            preferred_username: text("preferred_username")?,
            name: text("name")?,
            email: text("email")?,
            email_verified: self.all.get("email_verified") == Some(&Value::Bool(true)),
            groups: groups(groups_claim, find(&self.all, groups_claim))?,
            ..self
        })
    }

    /// Whether there is such a claim, whatever it says.
    pub fn speaks_of(&self, claim: &str) -> bool {
        find(&self.all, claim).is_some_and(|said| !said.is_null())
    }

    /// A claim that is a text within its bounds.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.texts(claim).into_iter().next().filter(|_| find(&self.all, claim).is_some_and(Value::is_string))
    }

    /// The texts that a claim is, or that it is a list of.
    pub fn texts(&self, claim: &str) -> Vec<&str> {
        let one = match find(&self.all, claim) {
            Some(Value::Array(many)) => many.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        one.iter().filter_map(Value::as_str).filter(|text| bounded(claim, text).is_ok()).collect()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claims({} of {})", quoted(&self.subject), self.issuer)
    }
}

/// A claim by its name, or by the names of those that it is inside of with a dot between them, as in `realm_access.roles`.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let inside = |(dot, _): (usize, &str)| match claims.get(&name[..dot]) {
        Some(Value::Object(inner)) => find(inner, &name[dot + 1..]),
        _ => None,
    };
    claims.get(name).or_else(|| name.match_indices('.').find_map(inside))
}

fn bounded(name: &str, text: &str) -> Result<String> {
    if text.len() > MAX_CLAIM_BYTES {
        return Err(Error::invalid_token(format!(
            "the provider's {name} has more than {MAX_CLAIM_BYTES} bytes"
        )));
    }
    if text.contains(char::is_control) {
        return Err(Error::invalid_token(format!("the provider's {name} has control characters")));
    }
    Ok(text.to_owned())
}

/// A list of names, or one name.
fn groups(claim: &str, given: Option<&Value>) -> Result<Option<Vec<String>>> {
    let wrong = |what: &str| Err(Error::invalid_token(format!("the provider's {} {what}", quoted(claim))));
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
            "the provider's {} holds something else than names",
            quoted(claim)
        ))),
    });
    names.collect::<Result<_>>().map(Some)
}

#[cfg(test)]
impl Claims {
    /// Claims as a token of that content has them, whose groups are `groups`.
    pub fn of(said: &Value) -> Self {
        let mut token =
            serde_json::json!({ "iss": "https://login.example.com", "aud": "pody", "iat": 0, "exp": 0 });
        token.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        Self::read(&serde_json::from_value(token).unwrap(), "groups").unwrap()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_elsewhere_fills_in_and_changes_nothing() {
        let token = json!({ "sub": "1", "name": "Ada", "department": "physics" });
        let said = json!({ "sub": "1", "name": "Eve", "department": "chemistry", "iss": "https://evil.example", "exp": 7,
            "iat": 7, "preferred_username": "ada", "email": "ada@a.example", "email_verified": true, "groups": "one" });
        let complete = |token: &Value, said: &Value| {
            Claims::of(token).completed(said.as_object().unwrap().clone(), "groups")
        };
        let claims = complete(&token, &said).unwrap();
        assert_eq!(
            (claims.issuer.as_str(), claims.issued_at, claims.expires_at),
            ("https://login.example.com", 0, 0)
        );
        assert_eq!((claims.name.as_deref(), claims.text("department")), (Some("Ada"), Some("physics")));
        assert_eq!((claims.text("iss"), claims.text("exp")), (Some("https://login.example.com"), None));
        assert_eq!(
            (claims.preferred_username.as_deref(), claims.groups),
            (Some("ada"), Some(vec!["one".into()]))
        );
        assert!(claims.email_verified && claims.email.as_deref() == Some("ada@a.example"));

        let is_verified = |token: Value, said: Value| {
            let claims = complete(&token, &said).unwrap();
            (claims.email.unwrap(), claims.email_verified)
        };
        let (a, b) = (|| "a@a.example".to_owned(), "b@b.example");
        let other = json!({ "sub": "1", "email": b, "email_verified": true });
        assert_eq!(is_verified(json!({ "sub": "1", "email": a() }), other), (a(), false), "another address");
        let same = json!({ "sub": "1", "email": a(), "email_verified": true });
        assert_eq!(is_verified(json!({ "sub": "1", "email": a() }), same.clone()), (a(), true));
        let no = json!({ "sub": "1", "email": a(), "email_verified": false });
        assert_eq!(is_verified(no, same), (a(), false), "what the token says counts");
        let unsaid = json!({ "sub": "1", "email": b });
        assert_eq!(is_verified(json!({ "sub": "1", "email_verified": true }), unsaid), (b.to_owned(), false));
        assert!(complete(&token, &json!({ "sub": "2" })).is_err() && complete(&token, &json!({})).is_err());
    }

    #[test]
    fn a_claim_is_found_by_its_name_and_inside_of_others() {
        let said = json!({ "sub": "1", "realm_access": { "roles": ["a", 7, "b"] }, "https://x.example/groups": ["c"],
            "resource": { "my.client": { "roles": "d" } }, "a.b": "whole", "a": { "b": "inside" }, "n": 7 });
        let claims = Claims::of(&said);
        assert_eq!(claims.texts("realm_access.roles"), ["a", "b"]);
        assert_eq!(claims.texts("https://x.example/groups"), ["c"]);
        assert_eq!(claims.text("resource.my.client.roles"), Some("d"));
        assert_eq!(claims.text("a.b"), Some("whole"));
        for none in ["", ".", "n", "realm_access", "realm_access.", "realm_access.roles.x", "roles", "a..b"] {
            assert!(claims.texts(none).is_empty(), "{none}");
        }
        assert_eq!(claims.text("realm_access.roles"), None, "a list is no text");
        assert_eq!(Claims::of(&json!({ "sub": "1", "x": "y".repeat(256) })).text("x"), None);
    }
}
