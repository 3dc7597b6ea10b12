//! An HTTP server in threads of its own, so that whoever starts it needs no runtime.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// A server that runs until it is stopped.
pub struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Serving {
    /// Listens at an address, and has connections served until the server is stopped; then nothing of it goes on.
    pub fn start<F: Future<Output = ()>>(
        address: SocketAddr,
        serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
    ) -> Self {
        let listener = listen(address);
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("threads can be had");
            runtime.block_on(async {
                listener.set_nonblocking(true).expect("a socket can be set so");
                let listener =
                    tokio::net::TcpListener::from_std(listener).expect("the runtime takes the socket");
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener) => {}
                }
            });
        });
        Self { address, stop, thread }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server as a crash does.
    pub fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
        // A child that another test has just forked holds the socket until it becomes another program.
        while TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
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
