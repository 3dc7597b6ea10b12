//! [`Podyd`] over the real socket. Each call makes a connection of its own and closes it: sshd carries
//! one login through several processes, and a person may think for minutes before they answer.
//!
//! Nothing is sent before the kernel has said who listens.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::directory::Secret;
use protocol::login::{Answer, Begin, ChangePassword, CheckAccount, Decision, Step};
use protocol::session::{Close, Closed, Open, Opened};
use protocol::{Client, ClientError, Method};
use zeroize::Zeroize;

use crate::request::Podyd;

/// For what podyd answers out of its head: a healthy one needs a millisecond, and a person who is kept
/// waiting by a frozen one should reach the next module before they lose patience.
const QUICK: Duration = Duration::from_secs(5);

/// For what hashes a password: podyd lets a call wait 10 s for its turn before it says that it is busy,
/// and that answer shall still arrive.
const HASHING: Duration = Duration::from_secs(15);

/// For the beginning of a session, in which podyd may make a home: whatever is not ready by then is not worth waiting for.
const OPENING: Duration = Duration::from_secs(3);

/// For the end of one, which podyd only notes.
const CLOSING: Duration = Duration::from_secs(1);

/// Where podyd listens and how it is recognised.
pub struct Socket<'a> {
    /// podyd's Varlink socket.
    pub path: &'a Path,
    /// The directory whose owner podyd runs as.
    pub cache: &'a Path,
}

impl Socket<'static> {
    /// The paths are compiled in: a set-uid program takes no hints from its environment.
    pub fn system() -> Self {
        Self { path: Path::new(protocol::SOCKET), cache: Path::new("/var/cache/pody") }
    }
}

impl Podyd for Socket<'_> {
    fn begin(&mut self, begin: &Begin) -> Result<Step, ClientError> {
        self.call(begin, QUICK)
    }

    fn answer(&mut self, login: &str, answer: &str) -> Result<Step, ClientError> {
        let mut call = Answer { login: login.to_owned(), answer: Secret(answer.to_owned()) };
        let reply = self.call(&call, HASHING);
        call.answer.0.zeroize();
        reply
    }

    fn check_account(&mut self, user: &str, service: &str) -> Result<Decision, ClientError> {
        self.call(&CheckAccount { user: user.to_owned(), service: service.to_owned() }, QUICK)
    }

    fn change_password(
        &mut self,
        user: &str,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<Decision, ClientError> {
        let secret = |text: &str| Secret(text.to_owned());
        let mut call = ChangePassword { user: user.to_owned(), old: old.map(secret), new: new.map(secret) };
        let reply = self.call(&call, HASHING);
        for password in [&mut call.old, &mut call.new].into_iter().flatten() {
            password.0.zeroize();
        }
        reply
    }

    fn open_session(&mut self, session: &Open) -> Result<Opened, ClientError> {
        self.call(session, OPENING)
    }

    fn close_session(&mut self) -> Result<Closed, ClientError> {
        self.call(&Close {}, CLOSING)
    }
}

impl Socket<'_> {
    /// Connects, looks who is there, calls: all before one deadline.
    fn call<M: Method>(&self, method: &M, deadline: Duration) -> Result<M::Reply, ClientError> {
        let until = Instant::now() + deadline;
        let stream = connect(self.path, until)?;
        self.trust(&stream).map_err(ClientError::Away)?;
        Client::new(stream, until.saturating_duration_since(Instant::now())).call(method)
    }

    /// A password goes to root or to podyd's own user, who owns the published snapshot.
    fn trust(&self, stream: &UnixStream) -> io::Result<()> {
        let listener = peer_uid(stream)?;
        if listener == 0 || listener == std::fs::metadata(self.cache)?.uid() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "uid {listener} listens at {}, who is neither root nor the owner of {}: nothing was sent",
                self.path.display(),
                self.cache.display()
            ),
        ))
    }
}

fn connect(path: &Path, until: Instant) -> Result<UnixStream, ClientError> {
    let stream = new_socket().map_err(ClientError::Away)?;
    let (address, length) = address_of(path).map_err(ClientError::Away)?;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ClientError::Deadline);
        }
        // SO_SNDTIMEO: how long connect(2) waits for room in the queue of a podyd that accepts nobody. A
        // non-blocking socket could only be retried, since poll(2) does not wait for that room.
        stream.set_write_timeout(Some(left)).map_err(ClientError::Away)?;
        // SAFETY: connect(2) reads `length` bytes of `address`, which holds as many.
        let result = unsafe { libc::connect(stream.as_raw_fd(), (&raw const address).cast(), length) };
        if result == 0 {
            return Ok(stream);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => return Err(ClientError::Deadline),
            _ => return Err(ClientError::Away(error)),
        }
    }
}

/// A socket that no child inherits and that is none of the standard three, even if the application has
/// closed those: a library that writes to "stderr" would write to podyd.
fn new_socket() -> io::Result<UnixStream> {
    // SAFETY: socket(2) takes no pointers.
    let descriptor = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    let socket = owned(descriptor)?;
    if descriptor > libc::STDERR_FILENO {
        return Ok(socket.into());
    }
    // SAFETY: fcntl(2) with F_DUPFD_CLOEXEC takes an integer and no pointer.
    let higher = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1) };
    Ok(owned(higher)?.into())
}

fn owned(descriptor: c_int) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a system call has just returned this descriptor as new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn address_of(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    let mut address =
        libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
    let path = path.as_os_str().as_bytes();
    // unix(7): one byte stays for the final NUL.
    if path.len() >= address.sun_path.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, &from) in address.sun_path.iter_mut().zip(path) {
        *to = from as libc::c_char;
    }
    Ok((address, mem::size_of::<libc::sockaddr_un>() as libc::socklen_t))
}

/// Who called listen(2), as the kernel remembers it (unix(7), SO_PEERCRED).
fn peer_uid(stream: &UnixStream) -> io::Result<libc::uid_t> {
    let mut peer = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut length = mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: getsockopt(2) writes at most `length` bytes, the size of `peer`, and then `length`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(peer.uid) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn place(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("pody-socket-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn nobody_there_is_away() {
        let path = place("nobody");
        let mut socket = Socket { path: &path, cache: Path::new("/") };
        assert!(matches!(socket.begin(&Begin::default()), Err(ClientError::Away(_))));
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(socket.begin(&Begin::default()), Err(ClientError::Away(_))));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_full_queue_ends_at_the_deadline() {
        let path = place("full");
        let listener = UnixListener::bind(&path).unwrap();
        // SAFETY: listen(2) takes no pointers; a second call changes the length of the queue.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let soon = || Instant::now() + Duration::from_millis(300);
        let waiting = connect(&path, soon()).unwrap();
        let started = Instant::now();
        assert!(matches!(connect(&path, soon()), Err(ClientError::Deadline)));
        assert!(started.elapsed() >= Duration::from_millis(250));
        drop(waiting);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_listener_is_known_before_anything_is_sent() {
        let path = place("peer");
        let _listener = UnixListener::bind(&path).unwrap();
        let stream = connect(&path, Instant::now() + Duration::from_secs(1)).unwrap();
        let me = std::fs::metadata(&path).unwrap().uid();
        assert_eq!(peer_uid(&stream).unwrap(), me);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        assert!(address_of(Path::new(&"x".repeat(107))).is_ok());
        assert!(address_of(Path::new(&"x".repeat(108))).is_err());
    }
}
