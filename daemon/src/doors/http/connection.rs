//! One connection: how slow it may be, how long it may do nothing, and how it ends. HTTP/1.1 and HTTP/2 come in alike.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tower::ServiceExt as _;

use super::bearer::Visitor;
use super::told;
use crate::limits::{
    DRAIN_DEADLINE, HTTP_FIRST_REQUEST, HTTP_GOODBYE, HTTP_IDLE, HTTP_PING, HTTP_UNACKNOWLEDGED,
    MAX_HTTP_HEADER_BYTES, MAX_HTTP_STREAMS,
};

/// Answers are sent at once, and a peer that does not take them is hung up on.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let unacknowledged = u32::try_from(HTTP_UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, sockopt::TcpUserTimeout, &unacknowledged)?;
    Ok(())
}

/// Answers a connection's requests until it ends, says nothing for too long, or podyd stops.
pub(super) async fn converse<S>(stream: S, visitor: Visitor, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::default();
    let answering = service_fn({
        let activity = activity.clone();
        move |request| answer(request, visitor, router.clone(), activity.one_more())
    });
    let protocols = protocols();
    let mut connection = pin!(protocols.serve_connection(TokioIo::new(stream), answering));
    tokio::select! {
        // A peer that hangs up in the middle, or speaks no HTTP, is no news.
        _ = connection.as_mut() => return,
        () = activity.ends() => {}
        () = told(&mut stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let patience = if activity.is_idle() { HTTP_GOODBYE } else { DRAIN_DEADLINE };
    let _ = timeout(patience, connection).await;
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    protocols
        .http1()
        .timer(TokioTimer::new())
        // It would end connections that rest between two requests; [`Activity`] knows better.
        .header_read_timeout(None)
        .max_buf_size(MAX_HTTP_HEADER_BYTES as usize);
    protocols
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP_PING)
        .keep_alive_timeout(HTTP_PING)
        .max_concurrent_streams(MAX_HTTP_STREAMS)
        .max_header_list_size(MAX_HTTP_HEADER_BYTES);
    protocols
}

async fn answer(
    mut request: Request<Incoming>,
    visitor: Visitor,
    router: Router,
    under_way: UnderWay,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(visitor);
    let answer = router.oneshot(request).await?;
    // The request is under way until the last byte of its answer was taken, or nobody wants it any more.
    Ok(answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _ = &under_way;
            frame
        }))
    }))
}

/// What a connection does. One that never asks, or asks no more, is ended: HTTP's own time-outs know nothing of a peer that
/// sends half of a first line, or answers pings and nothing else.
#[derive(Clone, Default)]
struct Activity(Arc<Mutex<Doing>>);

struct Doing {
    requests: usize,
    idle_until: Instant,
}

impl Default for Doing {
    fn default() -> Self {
        Self { requests: 0, idle_until: Instant::now() + HTTP_FIRST_REQUEST }
    }
}

impl Activity {
    fn one_more(&self) -> UnderWay {
        self.doing(|doing| doing.requests += 1);
        UnderWay(self.clone())
    }

    fn is_idle(&self) -> bool {
        self.doing(|doing| doing.requests == 0)
    }

    /// Returns when the connection has been idle for too long.
    async fn ends(&self) {
        loop {
            let now = Instant::now();
            let look_again = self.doing(|doing| match doing.requests {
                0 => doing.idle_until,
                _ => now + HTTP_IDLE,
            });
            if look_again <= now {
                return;
            }
            sleep_until(look_again).await;
        }
    }

    fn doing<T>(&self, change: impl FnOnce(&mut Doing) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that is being answered.
struct UnderWay(Activity);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.doing(|doing| {
            doing.requests -= 1;
            doing.idle_until = Instant::now() + HTTP_IDLE;
        });
    }
}
