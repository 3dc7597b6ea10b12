//! What podyd asks of podyd-helper, which is root. That it is away, or refuses, is never the end of a login: whoever asks
//! gets an error in time, and goes on.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use protocol::helper::{MAX_FRAME_BYTES, still_at_home_of};
use protocol::{Method, Reply};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::metrics::HelperCall;
use crate::directory::{Error, Result};
use crate::limits::{HELPER_DEADLINE, HELPER_UNANSWERED_FOR, MAX_HELPER_CALLS};

/// How it is said that a deadline of ours is over.
const UNANSWERED: &str = "podyd-helper has not answered";

/// Where podyd-helper is, and how it does.
pub struct Helper {
    socket: PathBuf,
    calls: Family<HelperCall, Counter>,
    trouble: Mutex<Option<String>>,
    /// A room full of people who log in at once waits here, and not at the helper, which would hang up on some.
    places: Semaphore,
    /// About whom it has not answered, and is not asked again for a while.
    unanswered: Mutex<HashMap<u32, Unanswered>>,
}

struct Unanswered {
    until: Instant,
    why: String,
}

#[derive(Serialize)]
struct Outgoing<'a, M> {
    method: &'static str,
    parameters: &'a M,
}

impl Helper {
    /// The one that listens there.
    pub(super) fn at(socket: PathBuf, calls: Family<HelperCall, Counter>) -> Self {
        Self {
            socket,
            calls,
            trouble: Mutex::default(),
            places: Semaphore::new(MAX_HELPER_CALLS),
            unanswered: Mutex::default(),
        }
    }

    /// Why the last call did not reach it, or was not answered, if so.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whoever only asked whether it is there has missed nothing.
    pub(super) fn was_not_needed(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Calls a verb, and waits for its reply no longer than for [`HELPER_DEADLINE`].
    pub async fn call<M: Method>(&self, method: &M) -> Result<M::Reply> {
        self.call_within(HELPER_DEADLINE, method).await
    }

    /// The same about one user, who is left out for [`HELPER_UNANSWERED_FOR`] once such a call was not answered. Whoever was only
    /// told that it is busy because of others is not.
    pub async fn call_about<M: Method>(&self, uid: u32, method: &M) -> Result<M::Reply> {
        if self.unanswered().contains_key(&uid) {
            return Err(Error::Busy(format!(
                "podyd-helper has not answered about uid {uid} a moment ago, and is not asked again yet"
            )));
        }
        let outcome = self.call(method).await;
        if let Err(Error::Busy(why)) = &outcome
            && (why.starts_with(UNANSWERED) || why.starts_with(&still_at_home_of(uid)))
        {
            let until = Instant::now() + HELPER_UNANSWERED_FOR;
            self.unanswered().insert(uid, Unanswered { until, why: why.clone() });
        }
        outcome
    }

    /// About how many users it has not answered lately, and why one of them, if there are such.
    pub(super) fn silence(&self) -> Option<(usize, String)> {
        let unanswered = self.unanswered();
        unanswered.values().next().map(|one| (unanswered.len(), one.why.clone()))
    }

    fn unanswered(&self) -> MutexGuard<'_, HashMap<u32, Unanswered>> {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        unanswered.retain(|_, one| one.until > Instant::now());
        unanswered
    }

    /// The same for a verb that may take longer.
    pub async fn call_within<M: Method>(&self, deadline: Duration, method: &M) -> Result<M::Reply> {
        let outcome = self.call_once(deadline, method).await;
        let trouble = match &outcome {
            Err(error @ (Error::Away(_) | Error::Busy(_))) => Some(error.to_string()),
            _ => None,
        };
        let word = match (&outcome, &trouble) {
            (Ok(_), _) => "done",
            (_, Some(_)) => "away",
            _ => "refused",
        };
        self.calls.get_or_create(&HelperCall { outcome: word }).inc();
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        outcome
    }

    async fn call_once<M: Method>(&self, deadline: Duration, method: &M) -> Result<M::Reply> {
        let outgoing = Outgoing { method: M::NAME, parameters: method };
        let mut frame = serde_json::to_vec(&outgoing).map_err(|error| Error::Failed(error.to_string()))?;
        if frame.len() > MAX_FRAME_BYTES {
            let name = M::NAME;
            return Err(Error::Failed(format!("a call of {name} with {} bytes is too large", frame.len())));
        }
        frame.push(0);
        let until = Instant::now() + deadline;
        let Ok(_place) = timeout_at(until, self.places.acquire()).await else {
            let why = format!("{MAX_HELPER_CALLS} calls are under way, and podyd-helper answers none");
            return Err(Error::Away(format!("{why}: systemctl restart podyd-helper")));
        };
        match timeout_at(until, self.exchange(&frame)).await {
            Ok(Ok(reply)) => read(&reply),
            Ok(Err(error)) => Err(self.away(&error)),
            Err(_) => {
                let seconds = deadline.as_secs_f32();
                Err(Error::Busy(format!("{UNANSWERED} within {seconds} s")))
            }
        }
    }

    async fn exchange(&self, frame: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(frame).await?;
        let mut reply = Vec::new();
        while reply.last() != Some(&0) {
            if reply.len() > MAX_FRAME_BYTES {
                return Err(io::Error::other("its answer is too large"));
            }
            if stream.read_buf(&mut reply).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        reply.pop();
        Ok(reply)
    }

    fn away(&self, error: &io::Error) -> Error {
        let socket = self.socket.display();
        Error::Away(format!(
            "podyd-helper cannot be reached at {socket} ({error}): systemctl status podyd-helper.socket"
        ))
    }
}

fn read<R: serde::de::DeserializeOwned>(frame: &[u8]) -> Result<R> {
    let strange =
        |error: serde_json::Error| Error::Failed(format!("podyd-helper is of another version: {error}"));
    let Reply { error, parameters } = serde_json::from_slice(frame).map_err(strange)?;
    match error {
        None => serde_json::from_value(parameters).map_err(strange),
        Some(name) => Err(refusal(protocol::Error::from_reply(&name, &parameters))),
    }
}

fn refusal(error: protocol::Error) -> Error {
    match error {
        protocol::Error::InvalidInput { field, message } => Error::Refused(format!("{field}: {message}")),
        protocol::Error::Refused { message } => Error::Refused(message),
        protocol::Error::NotFound { message } => Error::NotFound(message),
        protocol::Error::Conflict { message } => Error::Conflict(message),
        protocol::Error::Away { message } => Error::Away(message),
        protocol::Error::Busy { message } => Error::Busy(message),
        protocol::Error::Failed { message } | protocol::Error::MethodNotFound { message } => {
            Error::Failed(message)
        }
    }
}
