//! What a request brings, with problems instead of axum's own refusals.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{Code, Problem};
use crate::doors::unreadable::without_value;
use crate::limits::HTTP_BODY_DEADLINE;

/// A JSON body. It is read after whatever stands before it in a handler's parameters: put [`super::bearer::Asking`] there,
/// so that nobody without a token can have a body kept.
pub struct Sent<T>(pub T);

/// The names in the path, as texts.
pub struct InPath<T>(pub T);

/// The part behind the question mark.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match timeout(HTTP_BODY_DEADLINE, Json::from_request(request, state)).await {
            Ok(Ok(Json(value))) => Ok(Self(value)),
            Ok(Err(rejection)) => Err(rejection.into()),
            Err(_) => Err(Problem::new(Code::RequestTimeout, "the body did not come in time")),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let detail = shortened(without_value(&rejection.body_text()));
                Err(Problem::new(Code::InvalidInput, detail).about("query"))
            }
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(_) => {
                Err(Problem::new(Code::NotFound, "there is nobody and nothing of this name: it is no UTF-8"))
            }
        }
    }
}

/// How much is repeated of what a body has where it is wrong: the names of fields that lie in each other may go on for ever.
const SHOWN_CHARS: usize = 200;

/// Both ends of a long sentence.
fn shortened(sentence: String) -> String {
    let chars: Vec<char> = sentence.chars().collect();
    match chars.len().checked_sub(SHOWN_CHARS) {
        None | Some(0) => sentence,
        Some(_) => {
            let (head, tail) = (&chars[..SHOWN_CHARS / 2], &chars[chars.len() - SHOWN_CHARS / 2..]);
            head.iter().chain(&[' ', '…', ' ']).chain(tail).collect()
        }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let detail = shortened(without_value(&rejection.body_text()));
        match rejection.status() {
            StatusCode::UNPROCESSABLE_ENTITY => Self::new(Code::InvalidInput, detail).about("body"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(
                Code::UnsupportedMediaType,
                "send the body as JSON and say so: Content-Type: application/json",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::TooLarge, detail),
            _ => Self::new(Code::BadRequest, detail),
        }
    }
}
