//! The socket: who may connect, and frames one after the other. What they say is not known here.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use protocol::helper::MAX_FRAME_BYTES;

use super::dispatch::{answer, encode};
use super::limits::{CALL_ARRIVES, MAX_CONNECTIONS};
use super::turns::Turns;
use super::{Node, invalid, refused};

/// How long nothing is accepted after that has failed: there are no descriptors, most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves this uid, a thread for each connection, until there was none for `idle`; without that, for ever.
pub fn serve(
    listener: &UnixListener,
    owner: u32,
    idle: Option<Duration>,
    node: impl Fn() -> Result<Node, String> + Clone + Send + 'static,
) -> io::Result<()> {
    let (places, turns) = (Arc::new(Places::default()), Arc::new(Turns::default()));
    loop {
        if !somebody_comes(listener, idle)? {
            match places.are_all_free() {
                true => return Ok(()),
                false => continue,
            }
        }
        let place = Places::wait(&places);
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                thread::sleep(PAUSE);
                continue;
            }
        };
        let (node, turns) = (node.clone(), Arc::clone(&turns));
        let begun = thread::Builder::new().spawn(move || {
            let _place = place;
            if let Err(error) = converse(&stream, owner, node, &turns) {
                tracing::debug!(%error, "a connection ends");
            }
        });
        if let Err(error) = begun {
            tracing::warn!(%error, "a connection is closed: there is no thread for it");
        }
    }
}

/// Who comes when all are taken waits to be let in: it is podyd, which has limits of its own.
#[derive(Default)]
struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One connection's, for as long as it lasts.
struct Place(Arc<Places>);

impl Places {
    fn wait(places: &Arc<Self>) -> Place {
        let all_taken = |taken: &mut usize| *taken >= MAX_CONNECTIONS;
        let mut taken =
            places.freed.wait_while(places.taken(), all_taken).unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Place(Arc::clone(places))
    }

    fn are_all_free(&self) -> bool {
        *self.taken() == 0
    }

    fn taken(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.taken() -= 1;
        self.0.freed.notify_one();
    }
}

fn somebody_comes(listener: &UnixListener, idle: Option<Duration>) -> io::Result<bool> {
    let timeout = idle.map_or(PollTimeout::NONE, |idle| idle.try_into().unwrap_or(PollTimeout::MAX));
    match poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(0) => Ok(false),
        Ok(_) | Err(Errno::EINTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn converse(
    stream: &UnixStream,
    owner: u32,
    node: impl Fn() -> Result<Node, String>,
    turns: &Turns,
) -> io::Result<()> {
    let peer = getsockopt(stream, PeerCredentials)?;
    stream.set_write_timeout(Some(CALL_ARRIVES))?;
    if peer.uid() != owner {
        tracing::warn!(
            uid = peer.uid(),
            pid = peer.pid(),
            "somebody who is not podyd has asked, and was refused"
        );
        // Whoever has not said anything yet would not read the answer.
        receive(stream)?;
        return refuse(stream, refused("podyd-helper serves podyd alone"));
    }
    let node = node();
    while let Some(frame) = receive(stream)? {
        (&*stream).write_all(&answer(&frame, &node, turns))?;
    }
    Ok(())
}

fn refuse(mut stream: &UnixStream, error: protocol::Error) -> io::Result<()> {
    let mut frame = encode(Err(error));
    frame.push(0);
    stream.write_all(&frame)
}

/// The next call, or none when the peer has gone. Whoever sends too much, or another call before the first is answered, is
/// told and hung up on.
fn receive(mut stream: &UnixStream) -> io::Result<Option<Vec<u8>>> {
    let until = Instant::now() + CALL_ARRIVES;
    let mut frame = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = match stream.read(&mut chunk) {
            Ok(0) => return Ok(None),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        frame.extend_from_slice(&chunk[..read]);
        let end = frame.iter().position(|&byte| byte == 0);
        if frame.len() > MAX_FRAME_BYTES + 1 || end.is_some_and(|end| end + 1 < frame.len()) {
            let why = format!("must be one call of at most {MAX_FRAME_BYTES} bytes, and then the next");
            refuse(stream, invalid("call", why))?;
            return Ok(None);
        }
        if end.is_some() {
            frame.pop();
            return Ok(Some(frame));
        }
    }
}
