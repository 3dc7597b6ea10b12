//! A server of Hrana over HTTP (versions 2 and 3, JSON) on one SQLite file, for tests of a client: written from the
//! protocol's specification, with the locks, time-outs and error codes of a real one. It can also misbehave on demand.
//!
//! It is not fast, and of the protocol it leaves out cursors, `describe`, named arguments and Protobuf.

mod cut;
mod http;
mod session;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::chance;
use crate::place::Place;
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
    running: Option<Running>,
    _own: Option<Place>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
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
        let listener = listen((Ipv4Addr::LOCALHOST, shared.options.port.unwrap_or_else(chance::port)).into());
        let address = listener.local_addr().expect("it is bound");
        let running = Some(run(listener, shared.clone()));
        Self { address, shared, running, _own: own }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the server as a crash does: streams are gone and their transactions undone. The file stays.
    pub fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            let _ = stop.send(());
            let _ = thread.join();
            // A child that another test has just forked holds the socket until it becomes another program.
            while TcpStream::connect(self.address).is_ok() {
                std::thread::yield_now();
            }
        }
    }

    /// Starts a stopped server again, at the same address and on the same file.
    pub fn start_again(&mut self) {
        let listener = listen(self.address);
        self.running = Some(run(listener, self.shared.clone()));
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

/// A server that has just ended may hold its address for a moment.
fn listen(address: SocketAddr) -> TcpListener {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
        }
        std::thread::yield_now();
    }
}

fn run(listener: TcpListener, shared: Arc<Shared>) -> Running {
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be had");
        runtime.block_on(serve(listener, shared.clone(), stopped));
        drop(runtime);
        *locked(&shared.sessions) = Sessions::default();
    });
    Running { stop, thread }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    session::prepare(&shared).await.expect("the file is a SQLite database");
    listener.set_nonblocking(true).expect("a socket can be set so");
    let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes the socket");
    tokio::select! {
        _ = stopped => {}
        served = axum::serve(Cutting(listener), http::router(shared)) => served.expect("serving has no end"),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
