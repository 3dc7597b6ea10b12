//! What went wrong, as other programs read it: `application/problem+json` (RFC 9457) with a `code` that never changes.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::directory::Error;

/// Codes, each with its word and its status.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $code:ident = $word:literal, $status:ident;)*) => {
        /// What went wrong. The words are part of the contract (`/v1/openapi.json`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[doc = $doc])* $code,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $word,)*
                }
            }

            /// Its HTTP status.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Self::$code => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    /// The request makes no sense as HTTP or JSON.
    BadRequest = "bad_request", BAD_REQUEST;
    /// There is no token.
    NoToken = "no_token", UNAUTHORIZED;
    /// The token is none that is accepted.
    WrongToken = "wrong_token", FORBIDDEN;
    /// The token is not for that, or policy forbids it.
    Refused = "refused", FORBIDDEN;
    /// What the OpenID provider says of somebody keeps them out.
    Unwelcome = "unwelcome", FORBIDDEN;
    /// This does not come over plain http.
    NeedsTls = "needs_tls", FORBIDDEN;
    /// There is no such user, group or path.
    NotFound = "not_found", NOT_FOUND;
    /// The path takes other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The body did not come in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT;
    /// The name or id is taken, or was; or something else is in the way.
    Conflict = "conflict", CONFLICT;
    /// The request with this Idempotency-Key is being worked on.
    InProgress = "in_progress", CONFLICT;
    /// The request with this Idempotency-Key was carried out, and its answer is not kept.
    AnswerNotKept = "answer_not_kept", CONFLICT;
    /// What followed the directory must read all of it again.
    StartOver = "start_over", GONE;
    /// The record is not as If-Match says any more.
    Changed = "changed", PRECONDITION_FAILED;
    /// The body is too large.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE;
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    /// A field can never be right; `field` says which.
    InvalidInput = "invalid_input", UNPROCESSABLE_ENTITY;
    /// The Idempotency-Key was another request's.
    KeyReused = "key_reused", UNPROCESSABLE_ENTITY;
    /// Nothing is changed here.
    ReadOnly = "read_only", LOCKED;
    /// Too many requests, or too many wrong tokens.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS;
    /// The service is broken.
    Failed = "failed", INTERNAL_SERVER_ERROR;
    /// Users are not created at their first login here.
    ProvisioningNotConfigured = "provisioning_not_configured", NOT_IMPLEMENTED;
    /// The directory does not answer.
    Away = "away", SERVICE_UNAVAILABLE;
    /// A queue is full or a wait took too long.
    Busy = "busy", SERVICE_UNAVAILABLE;
    /// The node has its users from whoever asks.
    Loop = "loop", LOOP_DETECTED;
}

/// How soon somebody may come back who was told that the directory is away or the service busy, in seconds.
const COME_BACK_AFTER: u64 = 1;

/// An answer that says what went wrong.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    field: Option<Cow<'static, str>>,
    retry_after: Option<u64>,
}

impl Problem {
    /// What went wrong, and a sentence about it for people.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = matches!(code, Code::Away | Code::Busy).then_some(COME_BACK_AFTER);
        Self { code, detail: detail.into(), field: None, retry_after }
    }

    /// The same, about one field.
    pub fn about(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// The same, with a time after which it may work, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidInput { field, message } => Self::new(Code::InvalidInput, message).about(field),
            Error::NotFound(message) => Self::new(Code::NotFound, message),
            Error::Conflict(message) => Self::new(Code::Conflict, message),
            Error::Changed(message) => Self::new(Code::Changed, message),
            Error::Refused(message) => Self::new(Code::Refused, message),
            Error::Unwelcome(message) => Self::new(Code::Unwelcome, message),
            Error::ReadOnly(message) => Self::new(Code::ReadOnly, message),
            Error::Away(message) => Self::new(Code::Away, message),
            Error::Busy(message) => Self::new(Code::Busy, message),
            Error::Failed(message) => Self::new(Code::Failed, message),
        }
    }
}

/// As it is sent.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = Body {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            field: self.field.as_deref(),
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut answer = (status, [(CONTENT_TYPE, "application/problem+json")], text).into_response();
        let headers = answer.headers_mut();
        headers.extend(self.retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
        if self.code == Code::NoToken {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pody\""));
        }
        answer
    }
}
