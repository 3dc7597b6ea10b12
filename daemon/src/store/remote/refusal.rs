//! What an answer that is not a good one means: whoever must act is told what to do. The words of a service are passed on
//! when it is one of Pody's, on one line; whatever else sits at the address is not quoted.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::Deserialize;

use crate::directory::Error;
use crate::limits::MAX_REMOTE_MESSAGE_CHARS;
use crate::wire::known_field;

/// What a service says of an error (RFC 9457).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
    field: String,
}

/// Paths that every service has: whoever finds nothing there has asked something else.
const ALWAYS_THERE: [&str; 2] = ["/v1/position", "/v1/changes"];

/// What a bad status means, for whoever asked for this path.
pub fn judged(base: &str, path: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let is_missing =
        status == StatusCode::NOT_FOUND && ALWAYS_THERE.iter().any(|known| path.ends_with(known));
    let Some(Problem { code, detail, field }) = problem(headers, body).filter(|_| !is_missing) else {
        return strange(base, path, status);
    };
    let said = short(&detail);
    match status.as_u16() {
        401 => Error::Refused(format!(
            "{base} wants a token ({said}): set remote_user_profile.provider.access_token on this node"
        )),
        403 if code == "wrong_token" => Error::Refused(format!(
            "{base} does not accept this node's token ({said}): set remote_user_profile.provider.access_token to one \
             that it accepts"
        )),
        403 if code == "unwelcome" => Error::Unwelcome(said),
        403 => Error::Refused(said),
        404 => Error::NotFound(said),
        // It was asked for before, over a connection that broke.
        409 if ["in_progress", "answer_not_kept"].contains(&code.as_str()) => {
            Error::Failed(format!("the change could not be confirmed, look before repeating it: {said}"))
        }
        409 => Error::Conflict(said),
        412 => Error::Changed(said),
        422 => Error::InvalidInput { field: known_field(&field), message: said },
        423 => Error::ReadOnly(format!("{said} ({base})")),
        429 => Error::Busy(format!("{base} is asked too often: {said}")),
        503 if code == "away" => Error::Away(format!("{base}: {said}")),
        503 => Error::Busy(format!("{base}: {said}")),
        508 if said.is_empty() => super::a_loop(base),
        508 => Error::Failed(format!("a loop: {base}: {said}")),
        other => Error::Failed(format!("{base} answered with status {other}: {said}")),
    }
}

/// An answer that no Pody service gives.
fn strange(base: &str, path: &str, status: StatusCode) -> Error {
    let number = status.as_u16();
    if status.is_redirection() {
        return Error::Failed(format!(
            "{base} sends elsewhere (status {number}), where this node's token does not go: set \
             remote_user_profile.provider.endpoint to the service itself"
        ));
    }
    // Something that stands before the service, and misses it.
    if matches!(number, 429 | 502..=504) {
        return Error::Away(format!("{base} answered with status {number}"));
    }
    Error::Failed(format!(
        "{base} answers, but not as a Pody profile service does ({path} gave {number}): check \
         remote_user_profile.provider.endpoint"
    ))
}

fn problem(headers: &HeaderMap, body: &[u8]) -> Option<Problem> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    if !kind.starts_with("application/problem+json") {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// A good answer that is not what was asked for.
pub fn not_understood(error: &serde_json::Error) -> Error {
    Error::Failed(format!(
        "the service answered what no Pody service answers (line {}, column {}): is \
         remote_user_profile.provider.endpoint right?",
        error.line(),
        error.column()
    ))
}

/// Why TLS does not come about, as rustls has it, and who must do what. It is known by its words: on the way here, HTTP/2
/// leaves nothing else of it.
const TLS: [(&str, &str); 7] = [
    ("certificate: UnknownIssuer", NOT_TRUSTED),
    ("certificate: BadSignature", NOT_TRUSTED),
    (
        "certificate expired",
        "its certificate has expired: renew it there and reload podyd, unless the clock of this node is wrong",
    ),
    (
        "certificate not valid yet",
        "its certificate is not valid yet: is the clock of this node wrong, or was that of whoever made it?",
    ),
    (
        "certificate not valid for name",
        "its certificate is for another name: set remote_user_profile.provider.endpoint to a name that stands in it, or give \
         it a certificate for this one",
    ),
    (
        "received fatal alert: CertificateRequired",
        "it wants a certificate of this node: set remote_user_profile.provider.tls_cert and tls_key",
    ),
    (
        "received fatal alert: ",
        "it does not accept this node's certificate: set remote_user_profile.provider.tls_cert to one of the authority in \
         the service's client_ca",
    ),
];

const NOT_TRUSTED: &str = "it shows a certificate of an authority that this node does not trust: name the right \
                           authority's in remote_user_profile.provider.ca_file";

/// What to do where TLS is why nothing came of a request.
pub fn refused_tls(why: &str) -> Option<String> {
    let (_, advice) = TLS.iter().find(|(words, _)| why.contains(words))?;
    Some(format!("{advice} ({why})"))
}

/// Words of somebody else, as one line of a log can show them.
pub fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_REMOTE_MESSAGE_CHARS).collect()
}
