//! Whether podyd is there, and whether it can answer: for whoever watches over it or spreads requests. Neither takes a token,
//! and neither says anything about the directory.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Serialize;

use super::{Code, Http, Problem, Visitor};
use crate::directory::Directory;

/// How it is.
#[derive(Serialize)]
struct Status {
    status: &'static str,
}

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new().route("/v1/health", get(health)).route("/v1/ready", get(ready::<D>))
}

async fn health() -> Json<Status> {
    Json(Status { status: "ok" })
}

async fn ready<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Json<Status>, Problem> {
    http.count("", visitor.address)?;
    if *http.stopping.borrow() {
        return Err(Problem::new(Code::Busy, "podyd is about to end"));
    }
    match http.service.directory.position().await {
        Ok(_) => Ok(Json(Status { status: "ready" })),
        Err(_) => Err(Problem::new(Code::Away, "the directory does not answer")),
    }
}
