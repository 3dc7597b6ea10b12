//! A server of Hrana over HTTP (versions 2 and 3, JSON) on one SQLite file, for tests of a client: written from the
//! protocol's specification, with the locks, time-outs and error codes of a real one. It can also misbehave on demand.
//!
//! It is not fast, and of the protocol it leaves out cursors, `describe`, named arguments and Protobuf.

mod cut;
mod http;
mod session;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::chance;
use crate::place::Place;
use crate::serving::Serving;
use cut::Cutting;
use session::Sessions;

/// How a server is started.
#[derive(Clone)]
pub struct Options {
    /// The database; a file of the server's own, gone with it, unless one is named.
    pub file: Option<PathBuf>,
    /// The port on 127.0.0.1; a free one unless one is named.
    pub port: Option<u16>,
    /// Who does not show this token is turned away.
    pub auth_token: Option<String>,
    /// Whether version 3 of the protocol is spoken, beside version 2.
    pub version_3: bool,
    /// Answers send the next request of a stream to another URL, and nowhere else is it accepted.
    pub sticky: bool,
    /// How long a stream may wait for its next request before it is closed.
    pub stream_timeout: Duration,
    /// How long a statement waits for another's lock before it fails with `SQLITE_BUSY`.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file: None,
            port: None,
            auth_token: None,
            version_3: true,
            sticky: false,
            stream_timeout: Duration::from_secs(10),
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// How a server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Requests are read, and nothing happens.
    Ignore,
    /// Requests are carried out and not answered.
    Mute,
    /// Requests are carried out, and the connection breaks in the middle of the answer.
    Cut,
    /// Requests are not carried out; the answer is this HTTP status with a page of HTML.
    Status(u16),
}

/// A running server; it ends with this value.
pub struct Hrana {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<Serving>,
    _own: Option<Place>,
}

/// What the requests of one server share.
struct Shared {
    options: Options,
    file: PathBuf,
    sessions: Mutex<Sessions>,
    trouble: Mutex<Option<(Trouble, String)>>,
    requests: AtomicU64,
    rows: AtomicU64,
}

impl Hrana {
    /// Starts a server in threads of its own: the caller needs no runtime.
    pub fn start(options: Options) -> Self {
        let (file, own) = match &options.file {
            Some(file) => (file.clone(), None),
            None => {
                let place = Place::new("hrana");
                (place.path().join("hrana.sqlite"), Some(place))
            }
        };
        let shared = Arc::new(Shared {
            options,
            file,
            sessions: Mutex::default(),
            trouble: Mutex::default(),
            requests: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        });
        let address = (Ipv4Addr::LOCALHOST, shared.options.port.unwrap_or_else(chance::port)).into();
        let running = run(address, shared.clone());
        Self { address: running.address(), shared, running: Some(running), _own: own }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server as a crash does: streams are gone and their transactions undone. The file stays.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
            *locked(&self.shared.sessions) = Sessions::default();
        }
    }

    /// Starts a stopped server again, at the same address and on the same file.
    pub fn start_again(&mut self) {
        self.running = Some(run(self.address, self.shared.clone()));
    }

    /// From now on, each request whose body contains this text meets with trouble; every request does if it is empty.
    pub fn trouble(&self, trouble: Trouble, containing: &str) {
        *locked(&self.shared.trouble) = Some((trouble, containing.to_owned()));
    }

    /// From now on, the server behaves.
    pub fn no_trouble(&self) {
        *locked(&self.shared.trouble) = None;
    }

    /// How many pipelines were asked for since the start.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// How many rows were sent since the start.
    pub fn rows(&self) -> u64 {
        self.shared.rows.load(Ordering::Relaxed)
    }

    /// How many streams wait for their next request.
    pub fn open_streams(&self) -> usize {
        locked(&self.shared.sessions).open()
    }
}

impl Drop for Hrana {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(address: SocketAddr, shared: Arc<Shared>) -> Serving {
    Serving::start(address, async |listener| {
        session::prepare(&shared).await.expect("the file is a SQLite database");
        axum::serve(Cutting(listener), http::router(shared)).await.expect("serving has no end");
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
