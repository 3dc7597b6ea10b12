//! The port for other nodes, as podyctl status shows it. Whoever opens it says so here.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// A port that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPort {
    /// Where.
    pub address: SocketAddr,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

/// A port, and what goes on there.
#[derive(Clone, Debug)]
pub struct Served {
    /// The port.
    pub port: OpenPort,
    /// Whether nothing is changed there.
    pub readonly: bool,
    /// Connections that are open.
    pub connections: u64,
    /// Requests that were answered since podyd started.
    pub requests: u64,
}

/// Where other nodes find this one, if they may.
#[derive(Debug, Default)]
pub struct Network(Mutex<Option<OpenPort>>);

impl Network {
    /// Says what is open now.
    pub fn is(&self, port: Option<OpenPort>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = port;
    }

    /// What is open.
    pub fn port(&self) -> Option<OpenPort> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
