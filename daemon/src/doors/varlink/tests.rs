//! The door over a real socket, with the client that podyctl and pam_pody use. The caller is whoever runs the
//! tests; they are for root, as the harness is.

mod connections;
mod database;
mod identities;
mod methods;
mod sessions;
mod tokens;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::PathBuf;
use std::time::Duration;

use protocol::{Client, ClientError};
use tokio::task::{JoinHandle, spawn_blocking};

use super::*;
use crate::testing::{PATIENCE, TestNode};

/// A node and its door.
struct Door {
    node: TestNode,
    socket: PathBuf,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Door {
    async fn open() -> Self {
        let node = TestNode::start().await;
        let socket = node.folder.join("varlink");
        let listener = listen(&socket).unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, Arc::clone(&node.service), stopped));
        Self { node, socket, stop, serving }
    }

    /// A connection that gives up when a reply is very late.
    fn connect(&self) -> BlockingStream {
        let stream = BlockingStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Calls a method on a connection of its own.
    async fn call<M: Method + Send + 'static>(&self, method: M) -> std::result::Result<M::Reply, ClientError>
    where
        M::Reply: Send,
    {
        let mut client = Client::new(self.connect(), PATIENCE);
        spawn_blocking(move || client.call(&method)).await.unwrap()
    }

    /// Calls a method that must be refused, and says how.
    async fn refused<M: Method + Send + 'static>(&self, method: M) -> protocol::Error
    where
        M::Reply: Send + std::fmt::Debug,
    {
        match self.call(method).await {
            Err(ClientError::Refused(error)) => error,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// Sends these bytes, and says what comes back until podyd has answered them all or hangs up.
    async fn exchange(&self, bytes: Vec<u8>) -> Vec<Reply> {
        let mut stream = self.connect();
        let answer = spawn_blocking(move || {
            // podyd may hang up in the middle of this: then there is nothing to be sent any more.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
                _ => answer,
            }
        });
        let answer = answer.await.unwrap();
        let frames = answer.split_inclusive(|byte| *byte == 0);
        frames.map(|frame| serde_json::from_slice(frame.strip_suffix(&[0]).unwrap()).unwrap()).collect()
    }

    /// Tells the door to close, and waits until everybody has left.
    async fn close(self) -> TestNode {
        self.stop.send_replace(true);
        timeout(Duration::from_secs(20), self.serving).await.unwrap().unwrap();
        self.node
    }
}
