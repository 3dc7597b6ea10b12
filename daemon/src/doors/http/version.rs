//! Versions of what is shown (RFC 9110 sections 8.8 and 13): whoever holds the present one is not sent it again, and whoever
//! changes something may say which one they saw.

use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Code, Problem};

/// A record as JSON, with its version.
pub struct Shown {
    version: String,
    body: Vec<u8>,
}

impl Shown {
    /// A record that was last changed in this revision. Not all that it shows is the directory's: whether the node serves
    /// somebody changes without one. So the version has something of the content, too.
    pub fn new(revision: u64, record: &impl Serialize) -> Self {
        let body = serde_json::to_vec(record).expect("records are JSON");
        let digest: String = Sha256::digest(&body).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { version: format!("\"{revision}-{digest}\""), body }
    }

    /// The answer to somebody who may hold it already.
    pub fn unless_held(self, headers: &HeaderMap) -> Response {
        let tags = texts(headers, IF_NONE_MATCH).flat_map(|text| text.split(','));
        // Weak comparison: two of the same content are the same.
        let is_held = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.version;
        if tags.map(str::trim).any(is_held) {
            return (StatusCode::NOT_MODIFIED, [(ETAG, self.version)]).into_response();
        }
        self.into_response()
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json"), (ETAG, self.version.as_str())], self.body).into_response()
    }
}

/// The revision that whoever asks has seen, if they say so.
pub fn seen(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut tags = texts(headers, IF_MATCH);
    let Some(tag) = tags.next().map(str::trim).filter(|tag| *tag != "*") else { return Ok(None) };
    // Whoever writes the revision alone, without quotes, means the same.
    let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
    let (digits, _) = quoted.split_once('-').unwrap_or((quoted, ""));
    match digits.parse() {
        Ok(revision) if tags.next().is_none() => Ok(Some(revision)),
        _ => {
            let detail = "it is one ETag, as it came with what you saw";
            Err(Problem::new(Code::InvalidInput, detail).about("If-Match"))
        }
    }
}

/// Whether a request names a version of something that has none: users and groups have one. It is refused, and not passed over:
/// whoever does so wants nothing done to what has changed.
pub fn is_of_nothing(route: &str, method: &Method, headers: &HeaderMap) -> bool {
    const VERSIONED: [&str; 2] = ["/v1/users/{name}", "/v1/groups/{name}"];
    !method.is_safe() && headers.contains_key(IF_MATCH) && !VERSIONED.contains(&route)
}

fn texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn one_version_is_compared_with() {
        let shown = || Shown::new(7, &"ada");
        let version = shown().version;
        assert!(version.starts_with("\"7-"), "{version}");
        let (own, weak, others) =
            (version.clone(), format!("\"1\" , W/{version}"), "\"7\", \"8-1\"".to_owned());
        for (held, status) in [(own, 304), (weak, 304), ("*".into(), 304), (others, 200), ("x".into(), 200)] {
            let answer = shown().unless_held(&headers(IF_NONE_MATCH, &held));
            assert_eq!(answer.status(), status, "{held}");
            assert_eq!(answer.headers()[ETAG], version.as_str());
        }
        assert_ne!(Shown::new(7, &"bob").version, version, "a node's own words changed");

        assert_eq!(seen(&HeaderMap::new()).unwrap(), None);
        for (tag, revision) in [("*", None), ("\"7-0123abcd\"", Some(7)), ("\"7\"", Some(7)), ("7", Some(7))]
        {
            assert_eq!(seen(&headers(IF_MATCH, tag)).unwrap(), revision);
        }
        for strange in ["", "W/\"7\"", "\"7\", \"8\"", "\"\"", "\"-1\"", "\"x\""] {
            assert!(seen(&headers(IF_MATCH, strange)).is_err(), "{strange}");
        }
    }
}
