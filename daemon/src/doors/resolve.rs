//! The resolve socket: libnss_pody asks here about a name that lookups do not show, where a login may make a user of it. A
//! datagram with the name, and one byte in return; the account itself comes out of the snapshot.
//!
//! Root is believed, and nobody else. That only sshd and login ask is the NSS module's business, which knows its own
//! executable: podyd has no right to look at root's. What the kernel calls the process is looked at none the less, so that no
//! program of root's makes reservations by mistake.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen as start, socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::complaints::Complaints;
use crate::directory::{Directory, Error, Result};
use crate::limits::{MAX_RESOLVES, RESOLVE_DEADLINE};
use crate::service::{Resolved, Service};

/// What programs are called that a login may begin with.
const LOGIN_PROGRAMS: [&str; 3] = ["sshd", "sshd-session", "login"];

/// How much of a datagram is read: more than any name has.
const DATAGRAM_BYTES: usize = 64;

/// Listens at `path`, in place of whatever socket an earlier run left there.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    start(&socket, Backlog::new(MAX_RESOLVES as i32)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    // A datagram is what one read or write of a stream is, and all else is the same.
    UnixListener::from_std(socket.into())
}

/// What is told of now and then.
#[derive(Default)]
struct Told {
    refused: Complaints,
    trouble: Complaints,
}

/// Answers until `stop` turns true.
pub async fn serve<D: Directory>(
    listener: UnixListener,
    service: Arc<Service<D>>,
    mut stop: watch::Receiver<bool>,
) {
    let told = Arc::new(Told::default());
    let mut questions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if questions.len() < MAX_RESOLVES => match accepted {
                Ok((stream, _)) if may_ask(&stream) => {
                    let (service, told) = (Arc::clone(&service), Arc::clone(&told));
                    questions.spawn(async move {
                        timeout(2 * RESOLVE_DEADLINE, converse(stream, &service, &told)).await
                    });
                }
                Ok(_) => {}
                Err(error) => {
                    if let Some(times) = told.trouble.one_more() {
                        tracing::warn!(%error, times, "a lookup's question could not be taken");
                    }
                    // Out of descriptors, say: trying at once would only spin.
                    tokio::time::sleep(RESOLVE_DEADLINE).await;
                }
            },
            Some(_) = questions.join_next(), if !questions.is_empty() => {}
            () = told_to_end(&mut stop) => return,
        }
    }
}

async fn told_to_end(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Root may, unless the kernel calls the program something else; without a word for all others, who take that for trouble.
fn may_ask(stream: &UnixStream) -> bool {
    let Ok(peer) = stream.peer_cred() else { return false };
    peer.uid() == 0 && peer.pid().is_none_or(begins_logins)
}

/// Where /proc does not say what a process is called, that it is root's must do.
fn begins_logins(pid: i32) -> bool {
    let called = fs::read_to_string(format!("/proc/{pid}/comm"));
    called.map_or(true, |called| LOGIN_PROGRAMS.contains(&called.trim_end()))
}

async fn converse<D: Directory>(
    mut stream: UnixStream,
    service: &Arc<Service<D>>,
    told: &Told,
) -> io::Result<()> {
    let mut datagram = [0; DATAGRAM_BYTES];
    let length = stream.read(&mut datagram).await?;
    let answer = match std::str::from_utf8(&datagram[..length]) {
        Ok(name) => byte_of(service.reserve_for_login(name).await, name, told),
        Err(_) => b'0',
    };
    stream.write_all(&[answer]).await
}

/// What libnss_pody is told. Trouble is never "absent"; but where nobody may come to have the name, there is nobody.
fn byte_of(resolved: Result<Resolved>, name: &str, told: &Told) -> u8 {
    let error = match resolved {
        Ok(Resolved::LookAgain) => return b'1',
        Ok(Resolved::Absent) => return b'0',
        Err(error) => error,
    };
    let (told, byte) = match error {
        Error::Away(_) | Error::Busy(_) | Error::Changed(_) | Error::Failed(_) => (&told.trouble, b'?'),
        _ => (&told.refused, b'0'),
    };
    if let Some(times) = told.one_more() {
        tracing::warn!(user = name, %error, times, "nothing is reserved for a first login, of this name last");
    }
    byte
}
