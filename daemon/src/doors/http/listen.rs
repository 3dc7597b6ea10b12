//! The port: who is let in, with or without TLS, and how it closes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::complaints::Complaints;
use super::bearer::Visitor;
use super::connection::{converse, prepare};
use super::places::{Place, Places};
use super::tls::Tls;
use super::{Http, router, told};
use crate::config::ProfileService;
use crate::directory::{Directory, Error, Result};
use crate::limits::{DRAIN_DEADLINE, TLS_HANDSHAKE};
use crate::service::{OpenPort, Service, TurnedAway};

/// How long to wait when a connection could not be accepted for want of something.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A port that is open, and what is shown there.
pub struct Port {
    listener: TcpListener,
    tls: Option<Tls>,
}

impl Port {
    /// Opens the port that the settings name, if there is to be a service.
    pub async fn open(settings: &ProfileService) -> Result<Option<Self>> {
        if !settings.enabled {
            return Ok(None);
        }
        let tls = Tls::read(settings)?;
        let listener = bind(settings.listen).await.map_err(|error| {
            let address = settings.listen;
            Error::Failed(format!(
                "remote_user_profile.service.listen: podyd cannot listen on {address}: {error}"
            ))
        })?;
        Ok(Some(Self { listener, tls }))
    }

    /// Where it is.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` turns true, then lets requests that are under way finish.
    pub async fn serve<D: Directory>(self, service: Arc<Service<D>>, mut stop: watch::Receiver<bool>) {
        let Self { listener, mut tls } = self;
        let mut settings = service.settings.clone();
        let places = Places::new(settings.borrow_and_update().service.max_connections);
        let router = router(Http::new(Arc::clone(&service), stop.clone()));
        let porter = Arc::new(Porter::new(service, router, stop.clone()));
        porter.show(&listener, tls.is_some());
        warn_of_plain_http(&settings.borrow().service);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => match places.take(peer) {
                        Some(place) => {
                            let (porter, tls) = (Arc::clone(&porter), tls.clone());
                            connections.spawn(async move { porter.attend(stream, tls, place).await });
                        }
                        None => porter.turn_away(peer),
                    },
                    Err(error) => porter.miss(&error).await,
                },
                Ok(()) = settings.changed() => {
                    reload(&mut tls, &settings.borrow_and_update().service);
                    porter.show(&listener, tls.is_some());
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                () = told(&mut stop) => break,
            }
        }
        drop(listener);
        porter.service.network.is(None);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(DRAIN_DEADLINE, drained).await.is_err() {
            tracing::warn!("requests of other nodes that were still under way are cut off");
        }
    }
}

async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        // A kernel without IPv6 has no [::], which stands for every address.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) && address.ip().is_unspecified() => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        outcome => outcome,
    }
}

/// Takes over certificates that may be new. Whoever exchanges them gets a word, and no outage for a mistake.
fn reload(tls: &mut Option<Tls>, settings: &ProfileService) {
    match Tls::read(settings) {
        Ok(new) if new == *tls => {}
        Ok(new) => {
            tracing::info!(tls = new.is_some(), "the service shows other certificates from now on");
            *tls = new;
            warn_of_plain_http(settings);
        }
        Err(error) => tracing::error!(%error, "the service goes on with the certificate that it had"),
    }
}

/// Whether this machine or podyd has no descriptor or memory left for a connection. Of other errors (accept(2)) the one
/// connection dies, and whoever causes them must not hold up the next.
fn has_run_out(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

fn warn_of_plain_http(settings: &ProfileService) {
    if settings.is_exposed() {
        tracing::warn!(
            listen = %settings.listen,
            "other nodes are served over plain http: whoever is between them reads passwords and tokens along. Set \
             remote_user_profile.service.tls_cert and tls_key, or listen on an address that nobody else reaches"
        );
    }
}

/// Lets connections in.
struct Porter<D> {
    service: Arc<Service<D>>,
    router: axum::Router,
    stop: watch::Receiver<bool>,
    missed: Complaints,
    turned_away: Complaints,
    handshakes: Complaints,
}

impl<D: Directory> Porter<D> {
    fn new(service: Arc<Service<D>>, router: axum::Router, stop: watch::Receiver<bool>) -> Self {
        let [missed, turned_away, handshakes] = [(); 3].map(|()| Complaints::default());
        Self { service, router, stop, missed, turned_away, handshakes }
    }

    /// A connection that could not be accepted. Where something has run out, those that end give some back.
    async fn miss(&self, error: &io::Error) {
        if let Some(times) = self.missed.one_more() {
            tracing::warn!(%error, times, "connections of other nodes could not be accepted: the last one is this");
        }
        if has_run_out(error) {
            sleep(ACCEPT_AGAIN_AFTER).await;
        }
    }

    /// Says what podyctl status shows of the port.
    fn show(&self, listener: &TcpListener, tls: bool) {
        self.service.network.is(listener.local_addr().ok().map(|address| OpenPort { address, tls }));
    }

    fn turn_away(&self, peer: SocketAddr) {
        self.service.metrics.turned_away(TurnedAway::Connection);
        if let Some(closed) = self.turned_away.one_more() {
            let source = peer.ip().to_canonical();
            tracing::warn!(%source, closed, "too many connections of other nodes: the last that was closed came from here");
        }
    }

    /// One connection, from its first byte to its last.
    async fn attend(&self, stream: TcpStream, tls: Option<Tls>, place: Place) {
        self.service.metrics.connections.inc();
        self.welcome(stream, tls, &place).await;
        self.service.metrics.connections.dec();
    }

    async fn welcome(&self, stream: TcpStream, tls: Option<Tls>, place: &Place) {
        let visitor = Visitor { address: place.address, tls: tls.is_some() };
        if let Err(error) = prepare(&stream) {
            return tracing::debug!(%error, "a connection was gone before it began");
        }
        let (router, mut stop) = (self.router.clone(), self.stop.clone());
        let Some(tls) = tls else {
            return converse(stream, visitor, router, stop).await;
        };
        let shaken = tokio::select! {
            shaken = timeout(TLS_HANDSHAKE, tls.acceptor.accept(stream)) => shaken,
            () = told(&mut stop) => return,
        };
        match shaken {
            Ok(Ok(stream)) => converse(stream, visitor, router, stop).await,
            Ok(Err(error)) => self.complain_of_handshake(visitor, &error),
            Err(_) => {}
        }
    }

    fn complain_of_handshake(&self, visitor: Visitor, error: &io::Error) {
        self.service.metrics.turned_away(TurnedAway::Handshake);
        if let Some(failed) = self.handshakes.one_more() {
            let source = visitor.address;
            tracing::warn!(%source, failed, %error, "TLS did not come about with other nodes: the last one is this");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_causes_holds_up_nobody() {
        let error = io::Error::from_raw_os_error;
        assert!(has_run_out(&error(libc::EMFILE)) && has_run_out(&error(libc::ENOMEM)));
        assert!(!has_run_out(&error(libc::ECONNABORTED)) && !has_run_out(&error(libc::EPERM)));
    }
}
