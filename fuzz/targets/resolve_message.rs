//! Whatever listens on podyd's socket and whatever it says: the module takes one byte of it, and everything else for
//! trouble that is never "no such user". And whatever a program asks for is a name or is not found.
#![no_main]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::LazyLock;
use std::sync::mpsc::{SyncSender, sync_channel};

use fuzz::answer::{NOT_FOUND, Refusal};
use fuzz::resolve::{Resolved, ask};
use identity::Name;
use libfuzzer_sys::fuzz_target;
use nss_pody::_nss_pody_getpwnam_r;
use snapshot::Places;

/// The socket's path, the directory that says whom to trust, and where to put the next answer.
struct Peer {
    path: CString,
    directory: CString,
    answers: SyncSender<Option<Vec<u8>>>,
}

static PEER: LazyLock<Peer> = LazyLock::new(|| Peer::listen().expect("a socket in a directory of our own"));

fuzz_target!(|input: (&[u8], Option<&[u8]>)| {
    let (asked, answer) = input;
    is_a_name_or_not_found(asked);
    let peer = &*PEER;
    peer.answers.send(answer.map(Vec::from)).expect("the peer listens as long as we live");
    let places = Places { cache: &peer.directory, run: &peer.directory };
    let asked = if asked.is_empty() { b"ada" } else { asked };
    match (ask(asked, &peer.path, places), answer) {
        (Ok(Resolved::LookAgain), Some(b"1")) | (Ok(Resolved::Absent), Some(b"0")) => {}
        (Err(Refusal::Unavailable(errno)), answer) if !matches!(answer, Some(b"0" | b"1")) => {
            assert!(errno != 0 && errno != libc::ETIMEDOUT, "{errno} for {answer:?}");
        }
        (outcome, answer) => panic!("{outcome:?} for {answer:?}"),
    }
});

/// What the module is asked for by glibc. Whether a name is found depends on the machine; nothing else ever is.
fn is_a_name_or_not_found(text: &[u8]) {
    let text = CString::new(text.split(|byte| *byte == 0).next().unwrap_or_default()).expect("no NUL");
    let (mut result, mut buffer, mut errno) = (MaybeUninit::uninit(), [0; 1024], 0);
    let (start, length) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: a string, a struct, a buffer of this length and an errno, as glibc gives them.
    let status =
        unsafe { _nss_pody_getpwnam_r(text.as_ptr(), result.as_mut_ptr(), start, length, &raw mut errno) };
    if Name::new(text.as_bytes()).is_err() || text.as_bytes() == b"root" {
        assert_eq!((status, errno), (NOT_FOUND, libc::ENOENT));
    }
}

impl Peer {
    fn listen() -> io::Result<Self> {
        let mut template = b"/tmp/pody-fuzz.XXXXXX\0".to_vec();
        // SAFETY: mkdtemp(3) changes the six letters before the NUL.
        if unsafe { libc::mkdtemp(template.as_mut_ptr().cast()) }.is_null() {
            return Err(io::Error::last_os_error());
        }
        let directory = CString::from_vec_with_nul(template).expect("as it was, with its NUL");
        let path = CString::new([directory.as_bytes(), b"/resolve"].concat()).expect("no NUL");
        let listener = listen(&path)?;
        let (answers, next) = sync_channel::<Option<Vec<u8>>>(0);
        std::thread::spawn(move || {
            for answer in next {
                // SAFETY: accept(2) fills in no address when it is given none.
                let accepted =
                    unsafe { libc::accept(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut()) };
                assert!(accepted >= 0, "{}", io::Error::last_os_error());
                // SAFETY: the descriptor is new and ours.
                respond(&unsafe { OwnedFd::from_raw_fd(accepted) }, answer.as_deref());
            }
        });
        Ok(Self { path, directory, answers })
    }
}

fn listen(path: &CString) -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes numbers alone.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    assert!(socket >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the descriptor is new and ours.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: sockaddr_un is plain bytes, for which zeros are valid (unix(7)).
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.as_bytes()) {
        *to = *from as libc::c_char;
    }
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: bind(2) reads `length` bytes of the address.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    // SAFETY: listen(2) takes numbers alone.
    let listens = unsafe { libc::listen(socket.as_raw_fd(), 1) };
    if bound == 0 && listens == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

/// Takes the question and answers it, or hangs up.
fn respond(connection: &OwnedFd, answer: Option<&[u8]>) {
    let mut question = [0_u8; 256];
    // SAFETY: recv(2) writes as many bytes as `question` has at the most.
    unsafe { libc::recv(connection.as_raw_fd(), question.as_mut_ptr().cast(), question.len(), 0) };
    if let Some(answer) = answer {
        // SAFETY: send(2) reads `answer`. The module may have gone: that is its business.
        unsafe {
            libc::send(connection.as_raw_fd(), answer.as_ptr().cast(), answer.len(), libc::MSG_NOSIGNAL)
        };
    }
}
