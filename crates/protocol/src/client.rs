//! A blocking client: one connection, one call at a time, one deadline over the whole of a call.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Error;
use crate::frame::{MAX_FRAME_BYTES, Method, Reply};

/// A connection to podyd. Whoever makes the stream decides how to connect and whom to trust.
pub struct Client {
    stream: UnixStream,
    deadline: Duration,
    silence: Option<(Duration, fn())>,
}

/// A call on its way out: written straight from the method, so that a password in it is copied once.
#[derive(Serialize)]
struct Outgoing<'a, M> {
    method: &'static str,
    parameters: &'a M,
}

/// Holds every call of `org.pody.Login`, with two passwords of 512 bytes in JSON's longest escapes: a frame
/// that never grows leaves no half of itself behind.
const LOGIN_BYTES: usize = 8 * 1024;

/// Why a call brought no reply.
#[derive(Debug)]
pub enum ClientError {
    /// podyd is not there, or went away in the middle: what became of the call is not known.
    Away(io::Error),
    /// podyd did not answer before the deadline.
    Deadline,
    /// What came back is not what this version understands, or what was to be sent is too large.
    Malformed(String),
    /// podyd answered, with an error.
    Refused(Error),
}

impl Client {
    /// Speaks over `stream`; no call takes longer than `deadline`.
    pub fn new(stream: UnixStream, deadline: Duration) -> Self {
        Self { stream, deadline, silence: None }
    }

    /// Calls `say` once when podyd has left a call unanswered for so long; the call goes on waiting.
    pub fn on_silence(self, after: Duration, say: fn()) -> Self {
        Self { silence: Some((after, say)), ..self }
    }

    /// Calls a method and waits for its reply.
    pub fn call<M: Method>(&mut self, method: &M) -> Result<M::Reply, ClientError> {
        let until = Instant::now() + self.deadline;
        self.send(method, until)?;
        let frame = self.receive(until)?;
        let reply: Reply = serde_json::from_slice(&frame).map_err(malformed)?;
        match reply.error {
            Some(name) => Err(ClientError::Refused(Error::from_reply(&name, &reply.parameters))),
            None => serde_json::from_value(reply.parameters).map_err(malformed),
        }
    }

    fn send<M: Method>(&mut self, method: &M, until: Instant) -> Result<(), ClientError> {
        let mut frame = Vec::with_capacity(LOGIN_BYTES);
        serde_json::to_writer(&mut frame, &Outgoing { method: M::NAME, parameters: method })
            .map_err(malformed)?;
        if frame.len() > MAX_FRAME_BYTES {
            return Err(ClientError::Malformed(format!("a call of {} bytes is too large", frame.len())));
        }
        frame.push(0);
        let sent = self.send_all(&frame, until);
        // It may hold a password, and the program that called may live on for long.
        frame.fill(0);
        std::hint::black_box(&frame);
        sent
    }

    fn send_all(&mut self, mut rest: &[u8], until: Instant) -> Result<(), ClientError> {
        while !rest.is_empty() {
            let time = self.time_to_wait(until)?;
            self.stream.set_write_timeout(Some(time)).map_err(ClientError::Away)?;
            match self.stream.write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) => retry(error)?,
            }
        }
        Ok(())
    }

    fn receive(&mut self, until: Instant) -> Result<Vec<u8>, ClientError> {
        let mut frame = Vec::new();
        let mut chunk = [0; 16 * 1024];
        loop {
            let time = self.time_to_wait(until)?;
            self.stream.set_read_timeout(Some(time)).map_err(ClientError::Away)?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ClientError::Away(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => {
                    let end = chunk[..read].iter().position(|&byte| byte == 0);
                    frame.extend_from_slice(&chunk[..end.unwrap_or(read)]);
                    // One call, one reply: whatever stands behind the NUL was not asked for.
                    if end.is_some() {
                        return Ok(frame);
                    }
                }
                Err(error) => retry(error)?,
            }
            if frame.len() > MAX_FRAME_BYTES {
                return Err(ClientError::Malformed("the reply is too large".into()));
            }
        }
    }

    /// How long the socket may wait now: until the deadline, or until there is something to say about the silence.
    fn time_to_wait(&mut self, until: Instant) -> Result<Duration, ClientError> {
        let left = remaining(until)?;
        let Some((after, say)) = self.silence else { return Ok(left) };
        match after.saturating_sub(self.deadline.saturating_sub(left)) {
            Duration::ZERO => {
                self.silence = None;
                say();
                Ok(left)
            }
            still_patient => Ok(still_patient.min(left)),
        }
    }
}

fn remaining(until: Instant) -> Result<Duration, ClientError> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ClientError::Deadline),
        left => Ok(left),
    }
}

/// A signal is no failure and a socket time-out is the deadline; anything else means podyd is gone.
fn retry(error: io::Error) -> Result<(), ClientError> {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => Ok(()),
        _ => Err(ClientError::Away(error)),
    }
}

fn malformed(error: serde_json::Error) -> ClientError {
    ClientError::Malformed(error.to_string())
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(error) => write!(f, "podyd is away: {error}"),
            Self::Deadline => f.write_str("podyd did not answer in time"),
            Self::Malformed(what) => write!(f, "podyd and this program do not understand each other: {what}"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;
    use crate::node::{NodeStatus, Status};

    /// Calls Status on a peer that reads the call and then writes `answer`.
    fn call_with(answer: &'static [u8]) -> Result<NodeStatus, ClientError> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let peer = thread::spawn(move || {
            let mut call = Vec::new();
            BufReader::new(&theirs).read_until(0, &mut call).unwrap();
            (&theirs).write_all(answer).unwrap();
            if answer.is_empty() {
                // Stay silent until the client has given up.
                let _ = (&theirs).read(&mut [0]);
            }
            call
        });
        let mut client = Client::new(ours, Duration::from_millis(200));
        let result = client.call(&Status {});
        drop(client);
        assert_eq!(peer.join().unwrap(), b"{\"method\":\"org.pody.Node.Status\",\"parameters\":{}}\0");
        result
    }

    #[test]
    fn a_reply_and_an_error_are_told_apart() {
        let full = serde_json::to_string(&NodeStatus { users: 3, ..Default::default() }).unwrap();
        let reply: &'static str = format!("{{\"parameters\":{full}}}\0").leak();
        assert_eq!(call_with(reply.as_bytes()).unwrap().users, 3);
        let refused = b"{\"error\":\"org.pody.Busy\",\"parameters\":{\"message\":\"later\"}}\0";
        assert!(matches!(call_with(refused), Err(ClientError::Refused(Error::Busy { .. }))));
    }

    #[test]
    fn silence_hits_the_deadline_and_nonsense_is_named() {
        assert!(matches!(call_with(b""), Err(ClientError::Deadline)));
        assert!(matches!(call_with(b"{]\0"), Err(ClientError::Malformed(_))));
    }

    /// The peer answers when it has heard of the silence: were nothing said, the call would miss its deadline.
    #[test]
    fn silence_is_told_once_and_the_call_goes_on() {
        static TOLD: AtomicU32 = AtomicU32::new(0);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let reply = serde_json::json!({"parameters": NodeStatus::default()}).to_string() + "\0";
        let peer = thread::spawn(move || {
            let begun = Instant::now();
            while TOLD.load(Ordering::SeqCst) == 0 && begun.elapsed() < Duration::from_secs(10) {
                thread::yield_now();
            }
            (&theirs).write_all(reply.as_bytes()).unwrap();
            theirs
        });
        let count = || {
            TOLD.fetch_add(1, Ordering::SeqCst);
        };
        let mut client =
            Client::new(ours, Duration::from_secs(10)).on_silence(Duration::from_millis(50), count);
        client.call(&Status {}).unwrap();
        let _theirs = peer.join().unwrap();
        client.deadline = Duration::from_millis(200);
        assert!(matches!(client.call(&Status {}), Err(ClientError::Deadline)));
        assert_eq!(TOLD.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_peer_that_hangs_up_is_away_and_raises_no_signal() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let result = Client::new(ours, Duration::from_secs(1)).call(&Status {});
        assert!(matches!(result, Err(ClientError::Away(_))));
    }
}
