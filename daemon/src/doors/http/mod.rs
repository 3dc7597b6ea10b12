//! HTTP: this node's directory for other nodes, under `/v1`.
//!
//! Here requests find their handlers, and what is the same for all of them is done: limits, time-outs and headers. Who
//! asks is found out in `bearer`, connections are looked after in `listen`; nothing about users is known here.

mod bearer;
mod changes;
mod connection;
mod dump;
mod fields;
mod given;
mod groups;
mod health;
mod listen;
mod login_code;
mod metrics;
mod nodes;
mod once;
mod page;
mod passwords;
mod places;
mod problem;
mod provision;
mod rates;
mod tls;
mod tokens;
mod users;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

pub use bearer::{Asking, Visitor};
pub use given::{Asked, Sent};
pub use listen::Port;
pub use problem::{Code, Problem};
use rates::Rates;

use super::complaints::Complaints;
use crate::directory::Directory;
use crate::limits::{CALL_DEADLINE, COMPRESSED_FROM_BYTES, MAX_BATCH_BYTES, MAX_DUMPS, MAX_HTTP_BODY_BYTES};
use crate::service::{Metrics, Service};
use crate::wire;

/// By whose directories an answer came to be, the answering node's first: so a node that consumes learns that what it would
/// read is its own.
pub const VIA: HeaderName = HeaderName::from_static(wire::VIA);

/// How old this node's copy of another's directory may be.
const AGE: HeaderName = HeaderName::from_static(wire::AGE);

/// A feed is waited for, and a whole directory takes as long as it takes: this route has deadlines of its own.
const FEED: &str = "/v1/changes";

/// What handlers are given.
pub struct Http<D> {
    /// What podyd does.
    pub service: Arc<Service<D>>,
    /// Turns true when podyd is to end: whoever waits for news then answers at once.
    pub stopping: watch::Receiver<bool>,
    under_way: once::UnderWay,
    /// The last answers of the feed.
    feeds: changes::Feeds,
    /// Room for whole copies of the directory that are under way.
    dumps: Arc<Semaphore>,
    rates: Rates,
    wrong_tokens: Complaints,
    too_many: Complaints,
}

impl<D: Directory> Http<D> {
    /// A door to this service.
    pub fn new(service: Arc<Service<D>>, stopping: watch::Receiver<bool>) -> Arc<Self> {
        let rates = Rates::new(service.current_settings().service.max_requests_per_second);
        Arc::new(Self {
            service,
            stopping,
            under_way: once::UnderWay::default(),
            feeds: changes::Feeds::default(),
            dumps: Arc::new(Semaphore::new(MAX_DUMPS)),
            rates,
            wrong_tokens: Complaints::default(),
            too_many: Complaints::default(),
        })
    }

    /// Returns when podyd is to end.
    async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        // Whoever could say so has gone, which says it, too.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    fn metrics(&self) -> &Metrics {
        &self.service.metrics
    }
}

/// Everything that can be asked for.
pub fn router<D: Directory>(http: Arc<Http<D>>) -> Router {
    let batches = nodes::batch_routes()
        .route_layer(from_fn_with_state(Arc::clone(&http), once::once))
        .layer(DefaultBodyLimit::max(MAX_BATCH_BYTES));
    // What is answered there is worth something for a minute, and must not be kept.
    let codes = login_code::routes().layer(DefaultBodyLimit::max(MAX_HTTP_BODY_BYTES));
    Router::new()
        .merge(users::routes())
        .merge(passwords::routes())
        .merge(groups::routes())
        .merge(tokens::routes())
        .merge(provision::routes())
        .merge(nodes::routes())
        .route_layer(from_fn_with_state(Arc::clone(&http), once::once))
        .layer(DefaultBodyLimit::max(MAX_HTTP_BODY_BYTES))
        .merge(batches)
        .merge(codes)
        .merge(changes::routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .route("/v1/openapi.json", get(contract))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(compressed())
        .layer(from_fn_with_state(Arc::clone(&http), every_answer))
        .with_state(http)
}

/// Compresses large answers and streams for whoever can read that: most of what can be saved is, in a fraction of the time
/// that the rest would take of a service that has logins to answer.
fn compressed() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESSED_FROM_BYTES))
}

/// The contract: what there is, what it takes and what it answers.
async fn contract() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}

async fn no_such_path() -> Problem {
    Problem::new(Code::NotFound, "there is nothing at this path; /v1/openapi.json lists what there is")
}

async fn wrong_method() -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        "this path takes other methods: the header Allow of this answer names them",
    )
}

/// Answers in time, says whose answer it is, and counts it.
async fn every_answer<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let (began, method) = (Instant::now(), known(request.method()));
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let mut answer = match route {
        _ if asks_itself(&http, request.headers()) => a_loop(
            "this directory comes from the node that asks for it: one node must have the directory itself",
        ),
        _ if version::is_of_nothing(route, request.method(), request.headers()) => no_version(),
        FEED => next.run(request).await,
        _ => timeout(CALL_DEADLINE, next.run(request)).await.unwrap_or_else(|_| late()),
    };
    // What fails on a node that has its directory from itself fails for that.
    if answer.status().is_server_error() && is_in_a_loop(&http) {
        answer =
            a_loop("this node's directory comes from itself, by way of others: look at podyctl status there");
    }
    http.metrics().answered(method, route, answer.status().as_u16(), began.elapsed());
    let headers = answer.headers_mut();
    if let Ok(via) = HeaderValue::try_from(http.service.via().join(", ")) {
        headers.insert(VIA, via);
    }
    headers.extend(age(&*http.service.directory).map(|age| (AGE, age)));
    // Answers are for whoever showed the token.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// A method as it is counted: anybody can make one up.
fn known(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Whether whoever asks is one of those that this directory comes from.
fn asks_itself<D: Directory>(http: &Http<D>, headers: &HeaderMap) -> bool {
    let Some(asking) = headers.get(VIA).and_then(|asking| asking.to_str().ok()) else { return false };
    http.service.via().iter().any(|node| node == asking)
}

fn is_in_a_loop<D: Directory>(http: &Http<D>) -> bool {
    http.service.directory.via().contains(&http.service.instance)
}

fn a_loop(text: &str) -> Response {
    Problem::new(Code::Loop, text).into_response()
}

/// How old what is here may be, where it comes from elsewhere.
fn age(directory: &impl Directory) -> Option<HeaderValue> {
    let contact = directory.contact()?;
    Some(match contact.current_at {
        Some(at) => HeaderValue::from(at.elapsed().as_secs()),
        None => HeaderValue::from_static(wire::NO_AGE),
    })
}

fn no_version() -> Response {
    let text =
        "If-Match is for users and groups: this has no version that could be compared; leave the header away";
    Problem::new(Code::Changed, text).into_response()
}

fn late() -> Response {
    Problem::new(Code::Busy, "this took too long and was given up").into_response()
}

/// Waits until it is time to stop; whoever would say so is gone when the process is.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
