//! The HTTP side: who may ask, which stream a baton means, and what goes wrong on demand.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cut::CUT_HERE;
use super::session::{NotOpen, Session};
use super::{Shared, Trouble, locked};

/// Where streams go on when the server is sticky.
const STICKY: &str = "/sticky";

/// As much as any client sends at once.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;

pub fn router(shared: Arc<Shared>) -> Router {
    let mut versions = vec!["v2"];
    versions.extend(shared.options.version_3.then_some("v3"));
    let mut router = Router::new();
    for version in versions {
        router = router
            .route(&format!("/{version}"), get(|| async { "Hrana over HTTP" }))
            .route(&format!("/{version}/pipeline"), post(first_place))
            .route(&format!("{STICKY}/{version}/pipeline"), post(second_place));
    }
    router.layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES)).with_state(shared)
}

#[derive(Deserialize)]
struct Pipeline {
    baton: Option<String>,
    requests: Vec<Value>,
}

async fn first_place(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    answer(shared, &headers, &body, false).await
}

async fn second_place(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    answer(shared, &headers, &body, true).await
}

async fn answer(shared: Arc<Shared>, headers: &HeaderMap, body: &str, second_place: bool) -> Response {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    if !may_ask(&shared, headers) {
        return (StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
    }
    let trouble = trouble(&shared, body);
    match trouble {
        Some(Trouble::Ignore) => pending().await,
        Some(Trouble::Status(status)) => return page(status),
        _ => {}
    }
    let pipeline: Pipeline = match serde_json::from_str(body) {
        Ok(pipeline) => pipeline,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    if pipeline.baton.is_some() && second_place != shared.options.sticky {
        return (StatusCode::BAD_REQUEST, "The stream lives at another URL").into_response();
    }
    let mut response = carry_out(shared, pipeline, headers).await;
    match trouble {
        Some(Trouble::Mute) => pending().await,
        Some(Trouble::Cut) => {
            response.headers_mut().insert(CUT_HERE, HeaderValue::from_static("yes"));
        }
        _ => {}
    }
    response
}

fn may_ask(shared: &Shared, headers: &HeaderMap) -> bool {
    let Some(token) = &shared.options.auth_token else {
        return true;
    };
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|shown| shown.as_bytes() == format!("Bearer {token}").as_bytes())
}

fn trouble(shared: &Shared, body: &str) -> Option<Trouble> {
    let trouble = locked(&shared.trouble);
    let (trouble, containing) = trouble.as_ref()?;
    body.contains(containing).then_some(*trouble)
}

/// What something between client and server says when the server is away.
fn page(status: u16) -> Response {
    let status = StatusCode::from_u16(status).expect("the test names a status of HTTP");
    (status, [(header::CONTENT_TYPE, "text/html")], "<html>a page of a proxy</html>").into_response()
}

async fn carry_out(shared: Arc<Shared>, pipeline: Pipeline, headers: &HeaderMap) -> Response {
    let opened = match pipeline.baton {
        None => Session::new(&shared).await,
        Some(baton) => locked(&shared.sessions).take(&baton),
    };
    let mut session = match opened {
        Ok(session) => session,
        Err(NotOpen::Expired) => {
            let error =
                json!({"message": "The stream has expired due to inactivity", "code": "STREAM_EXPIRED"});
            return (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(error)).into_response();
        }
        Err(NotOpen::Unknown) => {
            return (StatusCode::BAD_REQUEST, "The baton is invalid").into_response();
        }
        Err(NotOpen::Broken(error)) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, error).into_response();
        }
    };
    let mut results = Vec::new();
    for request in pipeline.requests {
        results.push(match session.request(&shared, request).await {
            Ok(response) => json!({"type": "ok", "response": response}),
            Err(error) => json!({"type": "error", "error": error}),
        });
    }
    let baton = session.keep(&shared).await;
    let base_url = shared.options.sticky.then(|| {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        format!("http://{host}{STICKY}")
    });
    axum::Json(json!({"baton": baton, "base_url": base_url, "results": results})).into_response()
}
