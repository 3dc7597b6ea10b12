//! The Varlink socket: every `org.pody.*` interface, for everybody on this machine.
//!
//! SO_PEERCRED says who calls, at each call. Calls of different connections run side by side, so that a
//! password that is being checked holds nobody else up; every connection has limits (`limits.rs`).

mod database;
mod directory;
mod identity;
mod import;
mod login;
mod node;
mod oidc;
mod quota;
mod session;
mod setup;
mod token;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::login::BreakGlass;
use protocol::session::{Close, Open};
use protocol::{Call, MAX_FRAME_BYTES, Method, Reply};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::complaints::Complaints;
use super::unreadable::without_value;
use crate::directory::{Directory, Error, Result};
use crate::limits::{
    CALL_DEADLINE, CONNECTION_IDLE, DRAIN_DEADLINE, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_UID,
    MAX_READS_OF_OTHERS,
};
use crate::service::{Caller, Peer, Service};

/// How much is read at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// A method of the protocol, carried out by the service.
trait Handle<D: Directory>: Method {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Self::Reply>;
}

/// Listens at `path`, in place of whatever socket an earlier run left there.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(path, everybody)?;
    Ok(listener)
}

/// Serves until `stop` turns true, then lets calls that are under way finish.
pub async fn serve<D: Directory>(
    listener: UnixListener,
    service: Arc<Service<D>>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Places::default();
    let turned_away = Complaints::default();
    let reads_of_others = Arc::new(Semaphore::new(MAX_READS_OF_OTHERS));
    let mut connections = JoinSet::new();
    let for_connections = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Some((peer, place)) = admit(&stream, &places, &turned_away) {
                        let (service, stop) = (Arc::clone(&service), for_connections.clone());
                        let turns = Turns { own: Arc::clone(&place.turn), of_others: Arc::clone(&reads_of_others) };
                        connections.spawn(async move {
                            let _place = place;
                            converse(stream, peer, &turns, &service, stop).await;
                        });
                    }
                }
                Err(error) => {
                    // Out of descriptors, most likely: connections that end give some back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = told(&mut stop) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN_DEADLINE, drained).await.is_err() {
        tracing::warn!("calls that were still under way are cut off");
    }
}

/// Waits until it is time to stop; whoever would say so is gone when the process is.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Finds a place for a connection; without one it is closed.
fn admit(stream: &UnixStream, places: &Places, turned_away: &Complaints) -> Option<(Peer, Place)> {
    let credentials = stream.peer_cred().ok()?;
    let peer = Peer { uid: credentials.uid(), pid: credentials.pid().unwrap_or_default() };
    let place = places.take(peer.uid);
    if place.is_none()
        && let Some(closed) = turned_away.one_more()
    {
        let Peer { uid, pid } = peer;
        tracing::warn!(uid, pid, closed, "too many connections: the last that was closed is this one's");
    }
    Some((peer, place?))
}

/// Calls that read or change the directory are taken in turns: one at a time for each uid but root's, and a few of them
/// all together, so that nobody's keep a login waiting for the database.
struct Turns {
    own: Arc<Semaphore>,
    of_others: Arc<Semaphore>,
}

impl Turns {
    /// Waits for the turn of a call; it ends when what is returned is dropped.
    async fn wait(
        &self,
        peer: Peer,
        method: &str,
    ) -> Option<(SemaphorePermit<'_>, Option<SemaphorePermit<'_>>)> {
        if peer.uid == 0 || method.starts_with("org.pody.Login.") {
            return None;
        }
        let own = self.own.acquire().await.ok()?;
        // These wait for a provider, and meanwhile for nothing that others need.
        if method.starts_with("org.pody.Oidc.") {
            return Some((own, None));
        }
        Some((own, Some(self.of_others.acquire().await.ok()?)))
    }
}

/// How many connections each uid has.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<HashMap<u32, Seats>>>);

/// Those of one uid.
struct Seats {
    taken: usize,
    turn: Arc<Semaphore>,
}

/// One connection's place, given back when dropped.
struct Place {
    places: Places,
    uid: u32,
    turn: Arc<Semaphore>,
}

impl Places {
    fn take(&self, uid: u32) -> Option<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = places.get(&uid).map_or(0, |seats| seats.taken);
        let others =
            || places.iter().filter(|(uid, _)| **uid != 0).map(|(_, seats)| seats.taken).sum::<usize>();
        let full = match uid {
            0 => own >= MAX_CONNECTIONS,
            _ => own >= MAX_CONNECTIONS_PER_UID || others() >= MAX_CONNECTIONS,
        };
        if full {
            return None;
        }
        let new = || Seats { taken: 0, turn: Arc::new(Semaphore::new(1)) };
        let seats = places.entry(uid).or_insert_with(new);
        seats.taken += 1;
        Some(Place { places: self.clone(), uid, turn: Arc::clone(&seats.turn) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = places.get_mut(&self.uid) {
            own.taken -= 1;
            if own.taken == 0 {
                places.remove(&self.uid);
            }
        }
    }
}

/// Answers one connection's calls, one after the other.
async fn converse<D: Directory>(
    mut stream: UnixStream,
    peer: Peer,
    turns: &Turns,
    service: &Service<D>,
    mut stop: watch::Receiver<bool>,
) {
    let mut buffer = Vec::new();
    loop {
        let frame = tokio::select! {
            frame = timeout(CONNECTION_IDLE, receive(&mut stream, &mut buffer)) => frame,
            () = told(&mut stop) => return,
        };
        let Ok(Ok(Some(frame))) = frame else { return };
        let reply = match timeout(CALL_DEADLINE, answer(service, peer, turns, &frame)).await {
            Ok(reply) => reply,
            Err(_) => failure(&Error::Busy("the call took too long and was given up".into())),
        };
        let Some(frame) = frame_of(&reply) else { return };
        if !matches!(timeout(CONNECTION_IDLE, stream.write_all(&frame)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// A reply as it is sent; one that no peer would take is told in words instead.
fn frame_of(reply: &Reply) -> Option<Vec<u8>> {
    let mut frame = serde_json::to_vec(reply).ok()?;
    if frame.len() > MAX_FRAME_BYTES {
        let too_large = Error::Failed(format!(
            "the answer has {} bytes and a message {MAX_FRAME_BYTES} at the most; ask for fewer records at a time",
            frame.len()
        ));
        frame = serde_json::to_vec(&failure(&too_large)).ok()?;
    }
    frame.push(0);
    Some(frame)
}

/// The next whole frame, or none when the peer has gone or sends more than a frame may hold.
async fn receive(stream: &mut UnixStream, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut searched = 0;
    loop {
        if let Some(end) = buffer[searched..].iter().position(|&byte| byte == 0) {
            if searched + end > MAX_FRAME_BYTES {
                return Ok(None);
            }
            let rest = buffer.split_off(searched + end + 1);
            let mut frame = std::mem::replace(buffer, rest);
            frame.pop();
            return Ok(Some(frame));
        }
        searched = buffer.len();
        if searched > MAX_FRAME_BYTES {
            return Ok(None);
        }
        buffer.reserve(CHUNK_BYTES);
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

async fn answer<D: Directory>(service: &Service<D>, peer: Peer, turns: &Turns, frame: &[u8]) -> Reply {
    let call: Call<'_> = match serde_json::from_slice(frame) {
        Ok(call) => call,
        Err(error) => return failure(&Error::invalid("call", without_value(&error.to_string()))),
    };
    let _turn = turns.wait(peer, &call.method).await;
    let caller = match service.caller(peer).await {
        Ok(caller) => caller,
        Err(error) => return failure(&error),
    };
    dispatch(service, &caller, peer, &call.method, call.parameters).await
}

/// Every method there is, matched by its name.
macro_rules! methods {
    ($($method:ty),* $(,)?) => {
        async fn dispatch<D: Directory>(
            service: &Service<D>,
            caller: &Caller,
            peer: Peer,
            name: &str,
            parameters: Value,
        ) -> Reply {
            match name {
                $(<$method as Method>::NAME => {
                    carry_out(parameters, |call: $method| call.handle(service, caller)).await
                })*
                BreakGlass::NAME => {
                    carry_out(parameters, |call| login::break_glass(call, service, caller, peer)).await
                }
                Open::NAME => carry_out(parameters, |call| session::open(call, service, caller, peer)).await,
                Close::NAME => carry_out(parameters, |call| session::close(call, service, caller, peer)).await,
                other => {
                    let message = format!("podyd {} has no method {other}", env!("CARGO_PKG_VERSION"));
                    encode(&protocol::Error::MethodNotFound { message })
                }
            }
        }
    };
}

methods! {
    protocol::directory::CreateUser,
    protocol::directory::GetUser,
    protocol::directory::ListUsers,
    protocol::directory::UpdateUser,
    protocol::directory::DeleteUser,
    protocol::directory::SetPassword,
    protocol::directory::CreateGroup,
    protocol::directory::GetGroup,
    protocol::directory::ListGroups,
    protocol::directory::DeleteGroup,
    protocol::directory::AddMembers,
    protocol::directory::RemoveMembers,
    protocol::directory::Import,
    protocol::directory::Export,
    protocol::directory::ReadPodyDatabase,
    protocol::login::Begin,
    protocol::login::Answer,
    protocol::login::CheckAccount,
    protocol::login::ChangePassword,
    protocol::login::ForgetCodes,
    protocol::node::Status,
    protocol::node::Doctor,
    protocol::node::Metrics,
    protocol::node::Reservations,
    protocol::identity::Link,
    protocol::identity::List,
    protocol::identity::Unlink,
    protocol::oidc::Check,
    protocol::oidc::ExchangeToken,
    protocol::oidc::BeginLogin,
    protocol::oidc::FinishLogin,
    protocol::session::End,
    protocol::session::List,
    protocol::setup::Look,
    protocol::setup::TryDirectory,
    protocol::setup::TryProvider,
    protocol::setup::Compare,
    protocol::setup::Reload,
    protocol::token::Create,
    protocol::token::List,
    protocol::token::Revoke,
    protocol::token::Check,
    protocol::quota::Set,
    protocol::quota::Show,
    protocol::quota::Report,
    protocol::quota::Apply,
    protocol::database::Status,
    protocol::database::Migrate,
    protocol::database::Copy,
    protocol::database::Job,
}

async fn carry_out<M: Method, F: Future<Output = Result<M::Reply>>>(
    parameters: Value,
    handle: impl FnOnce(M) -> F,
) -> Reply {
    // A call without parameters is one with an empty object.
    let parameters = if parameters.is_null() { Value::Object(Default::default()) } else { parameters };
    let outcome = match serde_json::from_value::<M>(parameters) {
        Ok(method) => handle(method).await,
        Err(error) => Err(Error::invalid("parameters", without_value(&error.to_string()))),
    };
    match outcome.map(serde_json::to_value) {
        Ok(Ok(parameters)) => Reply { error: None, parameters },
        Ok(Err(error)) => failure(&Error::Failed(error.to_string())),
        Err(error) => failure(&error),
    }
}

fn failure(error: &Error) -> Reply {
    encode(&wire_error(error.clone()))
}

fn encode(error: &protocol::Error) -> Reply {
    Reply { error: Some(error.name().to_owned()), parameters: error.parameters() }
}

fn wire_error(error: Error) -> protocol::Error {
    match error {
        Error::InvalidInput { field, message } => {
            protocol::Error::InvalidInput { field: field.to_owned(), message }
        }
        Error::NotFound(message) => protocol::Error::NotFound { message },
        Error::Conflict(message) | Error::Changed(message) => protocol::Error::Conflict { message },
        Error::Refused(message) | Error::Unwelcome(message) | Error::ReadOnly(message) => {
            protocol::Error::Refused { message }
        }
        Error::Away(message) => protocol::Error::Away { message },
        Error::Busy(message) => protocol::Error::Busy { message },
        Error::Failed(message) => protocol::Error::Failed { message },
    }
}

#[cfg(test)]
mod tests;
