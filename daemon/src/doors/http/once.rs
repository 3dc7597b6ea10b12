//! `Idempotency-Key`: a change whose answer was lost may be asked for again, and is not made again. What was refused or
//! failed changed nothing and is not kept.
//!
//! Keys are kept as digests. A request is known by a digest that the key goes into, which nobody can guess: bodies hold
//! passwords, and a bare digest of one would be as good as a weak hash.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::{Asking, Code, Http, Problem};
use crate::directory::{Directory, Error};
use crate::limits::{HTTP_BODY_DEADLINE, MAX_KEPT_ANSWER_BYTES};
use crate::service::{Answer, Caller, Digest, Service};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Tells that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Marks an answer that holds a secret.
#[derive(Clone, Copy)]
pub struct NotKept;

/// Keys whose requests are being worked on.
#[derive(Clone, Default)]
pub struct UnderWay(Arc<Mutex<HashSet<Digest>>>);

/// One of them, until it is dropped.
struct Turn(UnderWay, Digest);

impl UnderWay {
    fn begin(&self, key: Digest) -> Option<Turn> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key).then(|| Turn(self.clone(), key))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Carries a request out, unless one with its key was carried out before.
pub async fn once<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(key) = key(request.headers()).filter(|_| !request.method().is_safe()) else {
        return Ok(next.run(request).await);
    };
    let key = key?;
    let (mut parts, body) = request.into_parts();
    let Asking(caller) = Asking::from_request_parts(&mut parts, &http).await?;
    let body = whole(Request::from_parts(parts.clone(), body)).await?;
    let (id, request) = (id_of(&caller, &key), digest_of(&key, &parts, &body));
    let Some(turn) = http.under_way.begin(id) else {
        return Err(Problem::new(
            Code::InProgress,
            "the request with this Idempotency-Key is being worked on",
        ));
    };
    if let Some(answer) = http.service.earlier_answer(&id).await? {
        return again(answer, request);
    }
    let service = Arc::clone(&http.service);
    // Whoever hangs up in the middle asks again: what has begun goes on to its end, and its answer is kept.
    let carried_out = tokio::spawn(async move {
        let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
        let answer = kept(&service, id, request, answer).await;
        drop(turn);
        answer
    });
    carried_out.await.map_err(|error| Error::Failed(error.to_string()).into())
}

/// The key of a request: long enough that nobody else has it by accident.
fn key(headers: &HeaderMap) -> Option<Result<String, Problem>> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = given.next()?.to_str().unwrap_or_default();
    if given.next().is_some()
        || !(16..=128).contains(&key.len())
        || !key.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let detail = "it is one random text of 16 to 128 visible ASCII characters, such as a UUID";
        return Some(Err(Problem::new(Code::InvalidInput, detail).about("Idempotency-Key")));
    }
    Some(Ok(key.to_owned()))
}

async fn whole(request: Request) -> Result<Bytes, Problem> {
    match timeout(HTTP_BODY_DEADLINE, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::new(Code::TooLarge, rejection.body_text()))
        }
        Ok(Err(rejection)) => Err(Problem::new(Code::BadRequest, rejection.body_text())),
        Err(_) => Err(Problem::new(Code::RequestTimeout, "the body did not come in time")),
    }
}

/// Each token has keys of its own.
fn id_of(caller: &Caller, key: &str) -> Digest {
    let whose = match caller {
        Caller::Bearer(bearer) => bearer.token.clone(),
        other => format!("{other:?}"),
    };
    digest(&[whose.as_bytes(), key.as_bytes()])
}

fn digest_of(key: &str, parts: &Parts, body: &[u8]) -> Digest {
    let seen = parts.headers.get(IF_MATCH).map_or(&b""[..], HeaderValue::as_bytes);
    let (method, address) = (parts.method.as_str(), parts.uri.to_string());
    digest(&[key.as_bytes(), method.as_bytes(), address.as_bytes(), seen, body])
}

/// Of some parts, each with its length before it.
fn digest(parts: &[&[u8]]) -> Digest {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The answer that was given before.
fn again(
    Answer { request, status, etag, location, body }: Answer,
    asked: Digest,
) -> Result<Response, Problem> {
    if request != asked {
        let detail = "this Idempotency-Key was another request's: make a new one for each";
        return Err(Problem::new(Code::KeyReused, detail).about("Idempotency-Key"));
    }
    let Some(body) = body else {
        let detail = "this was done, and its answer is not kept since it held a secret or was too long: look at what there \
                      is now; a new token whose text was lost is revoked and made again";
        return Err(Problem::new(Code::AnswerNotKept, detail));
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let known = [(CONTENT_TYPE, "application/json"), (REPLAYED, "true")];
    let mut answer = (status, known, body).into_response();
    for (name, value) in [(ETAG, etag), (LOCATION, location)] {
        let value = value.and_then(|value| HeaderValue::try_from(value).ok());
        answer.headers_mut().extend(value.map(|value| (name, value)));
    }
    Ok(answer)
}

/// Keeps an answer and passes it on.
async fn kept<D: Directory>(service: &Service<D>, id: Digest, request: Digest, answer: Response) -> Response {
    if !answer.status().is_success() {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let body = match to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => return Problem::from(Error::Failed(error.to_string())).into_response(),
    };
    let text = |name: HeaderName| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
    let is_kept = parts.extensions.get::<NotKept>().is_none() && body.len() <= MAX_KEPT_ANSWER_BYTES;
    let answer = Answer {
        request,
        status: parts.status.as_u16(),
        etag: text(ETAG),
        location: text(LOCATION),
        body: is_kept.then(|| body.to_vec()),
    };
    service.keep_answer(&id, &answer).await;
    Response::from_parts(parts, Body::from(body))
}
