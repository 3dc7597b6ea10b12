//! Connections: how many there may be, how slow, and how they end when podyd does. HTTP/1.1 and HTTP/2 come in by one port.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::ServiceExt as _;

use super::bearer::Visitor;
use super::{Http, router};
use crate::config::ProfileService;
use crate::directory::{Directory, Error};
use crate::limits::{
    COMPLAINT_EVERY, DRAIN_DEADLINE, HTTP_FIRST_REQUEST, HTTP_IDLE, HTTP_PING, HTTP_UNACKNOWLEDGED,
    MAX_HTTP_HEADER_BYTES, MAX_HTTP_STREAMS, MIN_HTTP_CONNECTIONS_PER_ADDRESS,
};
use crate::service::Service;

/// Listens where the settings say, if there is to be a service.
pub async fn listen(settings: &ProfileService) -> Result<Option<TcpListener>, Error> {
    if !settings.enabled {
        return Ok(None);
    }
    let listener = match TcpListener::bind(settings.listen).await {
        // A kernel without IPv6 has no [::], which stands for every address.
        Err(error)
            if error.raw_os_error() == Some(libc::EAFNOSUPPORT) && settings.listen.ip().is_unspecified() =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, settings.listen.port())).await
        }
        outcome => outcome,
    };
    listener.map(Some).map_err(|error| {
        let address = settings.listen;
        Error::Failed(format!(
            "remote_user_profile.service.listen: podyd cannot listen on {address}: {error}"
        ))
    })
}

/// Serves until `stop` turns true, then lets requests that are under way finish.
pub async fn serve<D: Directory>(
    listener: TcpListener,
    service: Arc<Service<D>>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Places::new(service.current_settings().service.max_connections);
    let mut turned_away = TurnedAway::default();
    let router = router(Http::new(service, stop.clone()));
    let mut connections = JoinSet::new();
    let for_connections = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match places.take(peer) {
                    Some(place) => {
                        let (router, stop) = (router.clone(), for_connections.clone());
                        connections.spawn(async move {
                            let visitor = Visitor { address: place.address };
                            attend(stream, visitor, router, stop).await;
                            drop(place);
                        });
                    }
                    None => turned_away.one_more(peer),
                },
                Err(error) => {
                    // Out of descriptors, most likely: connections that end give some back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = told(&mut stop) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN_DEADLINE, drained).await.is_err() {
        tracing::warn!("requests of other nodes that were still under way are cut off");
    }
}

/// Waits until it is time to stop; whoever would say so is gone when the process is.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// One connection, from its first byte to its last.
async fn attend(stream: TcpStream, visitor: Visitor, router: Router, stop: watch::Receiver<bool>) {
    if let Err(error) = prepare(&stream) {
        return tracing::debug!(%error, "a connection was gone before it began");
    }
    converse(stream, visitor, router, stop).await;
}

/// Answers are sent at once, and a peer that does not take them is hung up on.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let unacknowledged = u32::try_from(HTTP_UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, sockopt::TcpUserTimeout, &unacknowledged)?;
    Ok(())
}

/// Answers a connection's requests until it ends, says nothing for too long, or podyd stops.
async fn converse<S>(stream: S, visitor: Visitor, router: Router, mut stop: watch::Receiver<bool>)
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
    let _ = timeout(DRAIN_DEADLINE, connection).await;
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    protocols
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_FIRST_REQUEST)
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

/// How many connections there are, in all and from each address.
#[derive(Clone)]
struct Places {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    in_all: usize,
    from_one: usize,
}

/// One connection's place, given back when dropped.
struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// No address gets more than a quarter of them.
    fn new(in_all: u32) -> Self {
        let in_all = in_all as usize;
        let from_one = (in_all / 4).max(MIN_HTTP_CONNECTIONS_PER_ADDRESS);
        Self { taken: Arc::default(), in_all, from_one }
    }

    fn take(&self, peer: SocketAddr) -> Option<Place> {
        let address = peer.ip().to_canonical();
        let mut taken = self.taken();
        let own = taken.get(&household(address)).copied().unwrap_or_default();
        if own >= self.from_one || taken.values().sum::<usize>() >= self.in_all {
            return None;
        }
        taken.insert(household(address), own + 1);
        Some(Place { places: self.clone(), address })
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(own) = taken.get_mut(&household(self.address)) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&household(self.address));
            }
        }
    }
}

/// Those who share an address: a machine with IPv6 has a whole /64 to choose from.
pub(super) fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Connections that were closed for want of a place. They are told of now and then: a line for each would let anybody
/// flood the journal.
#[derive(Default)]
struct TurnedAway {
    told: Option<Instant>,
    untold: u64,
}

impl TurnedAway {
    fn one_more(&mut self, peer: SocketAddr) {
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= COMPLAINT_EVERY) {
            let (source, closed) = (peer.ip().to_canonical(), self.untold);
            tracing::warn!(%source, closed, "too many connections of other nodes: the last that was closed came from here");
            *self = Self { told: Some(Instant::now()), untold: 0 };
        }
    }
}
