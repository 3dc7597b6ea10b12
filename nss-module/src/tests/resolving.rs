//! The resolve socket: one question, one byte, one deadline.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::home::{Home, leak};
use crate::answer::Refusal;
use crate::resolve::{Resolved, ask};

/// A listener that says `answer` to the first who asks, or nothing until the other side gives up.
fn podyd(home: &Home, answer: Option<&'static [u8]>) -> std::thread::JoinHandle<Vec<u8>> {
    // SAFETY: socket(2) takes numbers alone.
    let listener = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0) };
    // SAFETY: socket(2) gave a descriptor of our own.
    let listener = unsafe { OwnedFd::from_raw_fd(listener) };
    // SAFETY: sockaddr_un is plain bytes, for which zeros are valid.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    let path = leak(home.path("resolve"));
    for (to, from) in address.sun_path.iter_mut().zip(path.to_bytes()) {
        *to = *from as libc::c_char;
    }
    let length = size_of_val(&address) as u32;
    // SAFETY: bind(2) reads the address.
    assert_eq!(unsafe { libc::bind(listener.as_raw_fd(), (&raw const address).cast(), length) }, 0);
    // SAFETY: listen(2) takes numbers alone.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 1) }, 0);
    std::thread::spawn(move || {
        let nobody = std::ptr::null_mut();
        // SAFETY: accept(2) with null pointers asks for no address.
        let peer = unsafe { libc::accept(listener.as_raw_fd(), nobody, std::ptr::null_mut()) };
        // SAFETY: accept(2) gave a descriptor of our own.
        let peer = unsafe { OwnedFd::from_raw_fd(peer) };
        let mut question = vec![0; 64];
        let receive = |buffer: &mut Vec<u8>| {
            // SAFETY: recv(2) writes as many bytes as the buffer has at the most.
            unsafe { libc::recv(peer.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) }
        };
        let length = receive(&mut question);
        question.truncate(length.max(0) as usize);
        if let Some(answer) = answer {
            let (start, flags) = (answer.as_ptr().cast(), libc::MSG_NOSIGNAL);
            // SAFETY: send(2) reads the answer.
            unsafe { libc::send(peer.as_raw_fd(), start, answer.len(), flags) };
        } else {
            receive(&mut vec![0; 64]);
        }
        question
    })
}

fn asked(answer: Option<&'static [u8]>) -> Result<Resolved, Refusal> {
    let home = Home::new();
    let podyd = podyd(&home, answer);
    let resolved = ask(b"ada", leak(home.path("resolve")), home.places);
    assert_eq!(podyd.join().unwrap(), b"ada");
    resolved
}

#[test]
fn podyd_says_look_again_or_absent_and_all_else_is_trouble() {
    assert_eq!(asked(Some(b"1")), Ok(Resolved::LookAgain));
    assert_eq!(asked(Some(b"0")), Ok(Resolved::Absent));
    for strange in [&b"2"[..], b"", b"00", b"x", b"0000000000"] {
        assert!(matches!(asked(Some(strange)), Err(Refusal::Unavailable(_))), "{strange:?}");
    }
}

#[test]
fn a_silent_podyd_holds_a_lookup_for_its_deadline_and_no_longer() {
    let begun = Instant::now();
    assert_eq!(asked(None), Err(Refusal::Unavailable(libc::ETIMEDOUT)));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn no_podyd_is_trouble_at_once() {
    let home = Home::new();
    let refused = ask(b"ada", leak(home.path("resolve")), home.places);
    assert_eq!(refused, Err(Refusal::Unavailable(libc::ENOENT)));
    let long = leak(home.path(&"x".repeat(200)));
    assert_eq!(ask(b"ada", long, home.places), Err(Refusal::Unavailable(libc::ENAMETOOLONG)));
}

#[test]
fn only_programs_that_begin_a_login_may_ask() {
    use crate::resolve::is_login_program;
    for program in
        ["/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/bin/login", "/usr/sbin/sshd (deleted)"]
    {
        assert!(is_login_program(program.as_bytes()), "{program}");
    }
    for program in [
        "/usr/bin/su",
        "/usr/bin/sudo",
        "/usr/sbin/nscd",
        "/lib/systemd/systemd-userdbd",
        "/usr/bin/sshd/x",
        "",
    ] {
        assert!(!is_login_program(program.as_bytes()), "{program}");
    }
    assert!(!crate::resolve::caller_may_ask());
}
