//! Asking podyd about a name that the snapshot does not know: only for a login that may create the user.
//!
//! sshd and login read the user once, before PAM, so a user who is about to be provisioned must resolve by
//! then. su, sudo, useradd, nscd and userdbd ask on anybody's behalf and must not cause a reservation; podyd
//! checks the caller again. The answer is one byte, and the record always comes out of the snapshot.

use core::ffi::CStr;
use core::mem::{self, MaybeUninit};

use libc::{c_int, c_void, socklen_t};
use snapshot::{Places, Trouble, Trust};

use crate::answer::Refusal;

/// The longest that a lookup may wait for podyd, all told, in milliseconds.
const DEADLINE_MS: i64 = 250;
/// What the programs are called that a login may begin with.
const LOGIN_PROGRAMS: [&[u8]; 3] = [b"sshd", b"sshd-session", b"login"];

/// What podyd answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// It is in the snapshot now.
    LookAgain,
    /// There is no such user, and there will not be one.
    Absent,
}

/// Whether this process may ask.
pub fn caller_may_ask() -> bool {
    // SAFETY: getuid(2) has no preconditions.
    let root = unsafe { libc::getuid() } == 0;
    // SAFETY: getauxval(3) has no preconditions.
    let elevated = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    root && !elevated && is_login_program(executable(&mut [0; 256]))
}

/// The path of the running program; nothing if it is longer than the buffer.
fn executable(buffer: &mut [u8; 256]) -> &[u8] {
    let link = c"/proc/self/exe";
    // SAFETY: readlink(2) writes as many bytes as the buffer has at the most.
    let length = unsafe { libc::readlink(link.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(length).ok().and_then(|length| buffer.get(..length)).unwrap_or(&[])
}

pub(crate) fn is_login_program(path: &[u8]) -> bool {
    // After an upgrade the running program's file is gone (proc(5)).
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    let program = path.rsplit(|byte| *byte == b'/').next().unwrap_or(&[]);
    LOGIN_PROGRAMS.contains(&program)
}

/// Asks about `name`. Whatever goes wrong is trouble, never "absent".
pub fn ask(name: &[u8], socket: &CStr, places: Places<'_>) -> Result<Resolved, Refusal> {
    let connection = Connection::open(socket)?;
    connection.expect_trusted(Trust::owner_of(places.cache)?)?;
    connection.send(name)?;
    match connection.receive()? {
        b'1' => Ok(Resolved::LookAgain),
        b'0' => Ok(Resolved::Absent),
        _ => Err(Refusal::Unavailable(libc::EAGAIN)),
    }
}

/// A connection that never waits beyond its deadline, and is closed when dropped.
struct Connection {
    descriptor: c_int,
    deadline: i64,
}

impl Connection {
    fn open(path: &CStr) -> Result<Self, Refusal> {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket(2) takes numbers alone.
        let descriptor = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
        if descriptor < 0 {
            return Err(last_refusal());
        }
        let connection = Self { descriptor, deadline: now_ms().saturating_add(DEADLINE_MS) };
        let address = address_of(path).ok_or(Refusal::Unavailable(libc::ENAMETOOLONG))?;
        let length = size_of::<libc::sockaddr_un>() as socklen_t;
        connection.until_done(libc::POLLOUT, || {
            // SAFETY: connect(2) reads `length` bytes of the address.
            let result = unsafe { libc::connect(descriptor, (&raw const address).cast(), length) };
            isize::try_from(result).unwrap_or(-1)
        })?;
        Ok(connection)
    }

    /// Who listens is root or owns the snapshot: nobody else is told who logs in, or believed.
    fn expect_trusted(&self, trust: Trust) -> Result<(), Refusal> {
        let mut peer = MaybeUninit::<libc::ucred>::uninit();
        let mut length = size_of::<libc::ucred>() as socklen_t;
        let into = peer.as_mut_ptr().cast::<c_void>();
        // SAFETY: getsockopt(2) writes `length` bytes at the most to `into`.
        let result = unsafe {
            libc::getsockopt(self.descriptor, libc::SOL_SOCKET, libc::SO_PEERCRED, into, &raw mut length)
        };
        if result != 0 {
            return Err(last_refusal());
        }
        // SAFETY: getsockopt(2) returned 0, so it has filled the struct (unix(7)).
        let peer = unsafe { peer.assume_init() };
        if trust.is_owner(peer.uid) { Ok(()) } else { Err(Refusal::Unavailable(libc::EACCES)) }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Refusal> {
        self.until_done(libc::POLLOUT, || {
            let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
            // SAFETY: send(2) reads `bytes`; MSG_NOSIGNAL, since the host may want SIGPIPE for itself.
            unsafe { libc::send(self.descriptor, bytes.as_ptr().cast(), bytes.len(), flags) }
        })
        .map(|_| ())
    }

    fn receive(&self) -> Result<u8, Refusal> {
        let mut answer = [0_u8; 2];
        let length = self.until_done(libc::POLLIN, || {
            // SAFETY: recv(2) writes as many bytes as `answer` has at the most.
            unsafe {
                libc::recv(self.descriptor, answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT)
            }
        })?;
        if length == 1 { Ok(answer[0]) } else { Err(Refusal::Unavailable(libc::EPROTO)) }
    }

    /// Tries `step` until it is done or the deadline has passed. A full backlog makes connect(2) say
    /// EAGAIN without anything to poll for, so that is trouble at once.
    fn until_done(&self, event: i16, mut step: impl FnMut() -> isize) -> Result<isize, Refusal> {
        loop {
            let result = step();
            if result >= 0 {
                return Ok(result);
            }
            match errno() {
                libc::EINTR => {}
                libc::EAGAIN if event == libc::POLLIN => self.wait(event)?,
                _ => return Err(last_refusal()),
            }
            if now_ms() >= self.deadline {
                return Err(Refusal::Unavailable(libc::ETIMEDOUT));
            }
        }
    }

    fn wait(&self, events: i16) -> Result<(), Refusal> {
        let left = self.deadline.saturating_sub(now_ms()).clamp(0, DEADLINE_MS);
        let mut poll = libc::pollfd { fd: self.descriptor, events, revents: 0 };
        // SAFETY: poll(2) reads and writes the one struct.
        match unsafe { libc::poll(&raw mut poll, 1, left as c_int) } {
            0 => Err(Refusal::Unavailable(libc::ETIMEDOUT)),
            _ => Ok(()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours and used no more (close(2)).
        unsafe { libc::close(self.descriptor) };
    }
}

fn address_of(path: &CStr) -> Option<libc::sockaddr_un> {
    // SAFETY: sockaddr_un is plain bytes, for which zeros are valid (unix(7)).
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let path = path.to_bytes_with_nul();
    let room = address.sun_path.get_mut(..path.len())?;
    for (to, from) in room.iter_mut().zip(path) {
        *to = *from as core::ffi::c_char;
    }
    Some(address)
}

fn now_ms() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) fills the struct that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
}

fn errno() -> c_int {
    // SAFETY: __errno_location(3) has no preconditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it points at this thread's errno for as long as the thread lives.
    unsafe { *errno }
}

fn last_refusal() -> Refusal {
    let errno = errno();
    Refusal::Unavailable(match errno {
        libc::ENOTDIR => Trouble::Missing.errno(),
        errno => errno,
    })
}
