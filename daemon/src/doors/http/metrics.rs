//! `GET /metrics`, for Prometheus: it takes a token that reads.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use super::{Asking, Http, Problem};
use crate::directory::Directory;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new().route("/metrics", get(metrics::<D>))
}

async fn metrics<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
) -> Result<impl IntoResponse, Problem> {
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], http.service.metrics_text(&caller).await?))
}
