//! The connection to podyd, and listings a page at a time.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use protocol::{Client, Method};

use crate::{Code, Failure, Result};

/// A podyd that runs takes connections at once; one that hangs never does, and the kernel's queue is full some day.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a call waits: podyd gives each one up after 30 s and says so, if it runs at all.
const DEADLINE: Duration = Duration::from_secs(35);

/// How long nobody wonders why nothing happens.
const SILENCE: Duration = Duration::from_secs(2);

/// Where podyd listens: `$PODY_HOME/run/varlink`, or the system's socket without `PODY_HOME`.
pub fn socket(pody_home: Option<OsString>) -> PathBuf {
    match pody_home.filter(|home| !home.is_empty()) {
        Some(home) => Path::new(&home).join("run/varlink"),
        None => protocol::SOCKET.into(),
    }
}

/// Where podyd's configuration is: in `$PODY_HOME`, or in `/etc/pody` without `PODY_HOME`.
pub fn configuration(pody_home: Option<OsString>) -> PathBuf {
    pody_home.filter(|home| !home.is_empty()).map_or_else(|| "/etc/pody".into(), PathBuf::from)
}

/// podyd, at the other end of its socket.
pub struct Daemon(Client);

impl Daemon {
    /// Connects, or says why not and what to do about it.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = connect(socket, CONNECT).map_err(|error| unreachable(socket, &error))?;
        Ok(Self(Client::new(stream, DEADLINE).on_silence(SILENCE, say_that_podyd_is_silent)))
    }

    /// Calls a method.
    pub fn call<M: Method>(&mut self, method: &M) -> Result<M::Reply> {
        Ok(self.0.call(method)?)
    }
}

/// Connects before a deadline: connect(2) itself waits for room in the queue for ever.
fn connect(socket: &Path, deadline: Duration) -> io::Result<UnixStream> {
    let (sender, connected) = mpsc::channel();
    let path = socket.to_owned();
    thread::spawn(move || sender.send(UnixStream::connect(path)));
    let connected = connected.recv_timeout(SILENCE).or_else(|_| {
        say_that_podyd_is_silent();
        connected.recv_timeout(deadline.saturating_sub(SILENCE))
    });
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Tells whoever waits, in a script's log, too. It goes past the output that the command is writing.
fn say_that_podyd_is_silent() {
    let (waited, deadline) = (SILENCE.as_secs(), DEADLINE.as_secs());
    let _ = writeln!(
        io::stderr(),
        "podyctl: podyd has not answered for {waited} seconds; waiting on, {deadline} at the most. Meanwhile see: \
         systemctl status podyd; journalctl -u podyd -n 20"
    );
}

fn unreachable(socket: &Path, error: &io::Error) -> Failure {
    let socket = socket.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "there is no socket",
                _ => "nobody listens at",
            };
            Failure::new(
                Code::Away,
                format_args!("podyd is not running: {why} {socket}. Start it with: systemctl start podyd"),
            )
        }
        io::ErrorKind::TimedOut => Failure::new(
            Code::Away,
            format_args!(
                "podyd hangs: it takes no connection at {socket}. See: journalctl -u podyd, and restart it with: systemctl restart podyd"
            ),
        ),
        io::ErrorKind::PermissionDenied => Failure::new(
            Code::Refused,
            format_args!(
                "you may not open {socket}. podyd makes it open to everybody: look at the modes with: namei -l {socket}"
            ),
        ),
        _ => Failure::new(Code::Away, format_args!("cannot reach podyd at {socket}: {error}")),
    }
}

/// Walks a listing in the order of its keys: `page` fetches what comes after one, and whether there is more behind it;
/// `each` takes a page. No more than one page is held.
pub fn pages<T, K: Clone + PartialOrd>(
    mut page: impl FnMut(Option<K>) -> Result<(Vec<T>, bool)>,
    key: fn(&T) -> K,
    mut each: impl FnMut(Vec<T>) -> Result<()>,
) -> Result<()> {
    let mut after: Option<K> = None;
    loop {
        let (items, more) = page(after.clone())?;
        let last = items.last().map(key);
        each(items)?;
        if !more {
            return Ok(());
        }
        if last <= after {
            return Err(Failure::new(
                Code::Failed,
                "podyd sends the same page again and again; see: journalctl -u podyd",
            ));
        }
        after = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pody_home_moves_the_socket() {
        assert_eq!(socket(None), Path::new("/run/pody/varlink"));
        assert_eq!(socket(Some("".into())), Path::new("/run/pody/varlink"));
        assert_eq!(socket(Some("/tmp/x".into())), Path::new("/tmp/x/run/varlink"));
    }

    /// As one that is stopped, or held by a debugger: the kernel takes the call, and nobody reads it.
    #[test]
    fn a_podyd_that_never_answers_is_away() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut daemon = Daemon(Client::new(ours, Duration::from_millis(100)));
        let failure = daemon.call(&protocol::node::Status {}).unwrap_err();
        assert_eq!(failure.code, Code::Away);
        for words in ["did not answer", "not known", "journalctl -u podyd", "systemctl restart podyd"] {
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }

    #[test]
    fn a_listing_ends_even_if_podyd_never_says_so() {
        let walk = |replies: &[(&[&'static str], bool)]| {
            let (mut asked, mut seen) = (Vec::new(), Vec::new());
            let result = pages(
                |after| {
                    asked.push(after);
                    let (items, more) = replies[asked.len() - 1];
                    Ok((items.to_vec(), more))
                },
                |item| *item,
                |items| {
                    seen.extend(items);
                    Ok(())
                },
            );
            (result.is_ok(), asked.len(), seen.join(" "))
        };
        assert_eq!(walk(&[(&["a", "b"], true), (&["c"], false)]), (true, 2, "a b c".into()));
        assert_eq!(walk(&[(&[], false)]), (true, 1, String::new()));
        assert_eq!(walk(&[(&[], true)]), (false, 1, String::new()));
        assert_eq!(walk(&[(&["a"], true), (&["a"], true)]), (false, 2, "a a".into()));
    }
}
