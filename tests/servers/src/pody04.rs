//! The original Pody's service for other nodes, version 0.4, written from a description of how it answers: a list of users,
//! a check of credentials, one shared token. It can also misbehave on demand.
//!
//! Of the original it leaves out changes over the network: whoever tests makes them here.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::chance;
use crate::serving::Serving;

/// The token that a service wants to be shown.
pub const TOKEN: &str = "a-token-of-a-test-that-is-long-enough";

/// How a service misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Requests are read, and no answer comes.
    Frozen,
    /// The answer is good, and makes no sense.
    Garbage,
    /// The answer is this status, whatever was asked.
    Status(u16),
}

/// A running service; it ends with this value.
pub struct Pody04 {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    running: Option<Serving>,
}

#[derive(Default)]
struct Shared {
    users: BTreeMap<u64, User>,
    trouble: Option<Trouble>,
    /// What was asked so far, as it stands in a server's log: method, path and query.
    log: Vec<String>,
}

struct User {
    name: String,
    credential: String,
    is_admin: bool,
}

/// A user as the service tells of it.
#[derive(Default, Serialize)]
struct UserRecord {
    userid: u64,
    name: String,
    is_admin: bool,
}

impl Pody04 {
    /// Starts a service without users.
    pub fn start() -> Self {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let running = run((Ipv4Addr::LOCALHOST, chance::port()).into(), Arc::clone(&shared));
        Self { address: running.address(), shared, running: Some(running) }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a user, and says which id it has: one more than the highest, so that the last one's is given again.
    pub fn add(&self, name: &str, password: &str) -> u64 {
        let mut shared = locked(&self.shared);
        let userid = shared.users.keys().next_back().map_or(1, |last| last + 1);
        let credential = credential(name, password);
        shared.users.insert(userid, User { name: name.to_owned(), credential, is_admin: false });
        userid
    }

    /// Deletes a user.
    pub fn delete(&self, name: &str) {
        locked(&self.shared).users.retain(|_, user| user.name != name);
    }

    /// Gives a user another password.
    pub fn set_password(&self, name: &str, password: &str) {
        self.change(name, |user| user.credential = credential(name, password));
    }

    /// Makes a user an admin.
    pub fn make_admin(&self, name: &str) {
        self.change(name, |user| user.is_admin = true);
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut User)) {
        let mut shared = locked(&self.shared);
        change(shared.users.values_mut().find(|user| user.name == name).expect("there is such a user"));
    }

    /// From now on, whoever asks meets with trouble.
    pub fn trouble(&self, trouble: Trouble) {
        locked(&self.shared).trouble = Some(trouble);
    }

    /// From now on, the service behaves.
    pub fn no_trouble(&self) {
        locked(&self.shared).trouble = None;
    }

    /// What was asked so far, as it stands in the service's own log.
    pub fn log(&self) -> Vec<String> {
        locked(&self.shared).log.clone()
    }

    /// Ends the service as a crash does; the users stay.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// Starts a stopped service again, at the same address.
    pub fn start_again(&mut self) {
        self.running = Some(run(self.address, Arc::clone(&self.shared)));
    }
}

impl Drop for Pody04 {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What stands for a name and a password there.
pub fn credential(name: &str, password: &str) -> String {
    let digest = Sha256::digest(format!("{name}:{password}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run(address: SocketAddr, shared: Arc<Mutex<Shared>>) -> Serving {
    Serving::start(address, async |listener| {
        axum::serve(listener, router(shared)).await.expect("serving has no end");
    })
}

fn router(shared: Arc<Mutex<Shared>>) -> Router {
    let look = axum::middleware::from_fn_with_state(Arc::clone(&shared), admit);
    Router::new()
        .route("/user_api/list_users", get(list_users))
        .route("/user_api/get_user", get(get_user))
        .route("/user_api/check_user", get(check_user))
        .route("/user_api/{change}", post(change))
        .layer(look)
        .with_state(shared)
}

/// Notes what is asked, as the original does, and lets only those ask who show the token.
async fn admit(
    State(shared): State<Arc<Mutex<Shared>>>,
    headers: HeaderMap,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    locked(&shared).log.push(format!("{} {}", request.method(), request.uri()));
    let trouble = locked(&shared).trouble;
    match trouble {
        Some(Trouble::Frozen) => return pending().await,
        Some(Trouble::Garbage) => return Json(json!({"hello": ["world"]})).into_response(),
        Some(Trouble::Status(status)) => return refusal(status, "as the test wants it"),
        None => {}
    }
    let shown = headers.get(header::AUTHORIZATION).and_then(|shown| shown.to_str().ok());
    match shown.and_then(|shown| shown.strip_prefix("Bearer ")) {
        Some(TOKEN) => next.run(request).await,
        Some(_) => refusal(403, "Invalid access token"),
        None => refusal(401, "Missing access token"),
    }
}

fn refusal(status: u16, detail: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("the test names a status of HTTP");
    (status, Json(json!({"detail": detail}))).into_response()
}

#[derive(Deserialize)]
struct Names {
    usernames: Option<String>,
}

async fn list_users(State(shared): State<Arc<Mutex<Shared>>>, Query(names): Query<Names>) -> Response {
    let wanted: Option<Vec<&str>> = names.usernames.as_deref().map(|names| names.split(',').collect());
    let shared = locked(&shared);
    let users = shared.users.iter();
    let users =
        users.filter(|(_, user)| wanted.as_ref().is_none_or(|wanted| wanted.contains(&user.name.as_str())));
    Json(users.map(|(userid, user)| record(*userid, user)).collect::<Vec<_>>()).into_response()
}

#[derive(Deserialize)]
struct Which {
    user_id: Option<u64>,
    username: Option<String>,
}

async fn get_user(State(shared): State<Arc<Mutex<Shared>>>, Query(which): Query<Which>) -> Response {
    let shared = locked(&shared);
    let found = match which {
        Which { user_id: Some(userid), username: None } => shared.users.get_key_value(&userid),
        Which { user_id: None, username: Some(name) } => {
            shared.users.iter().find(|(_, user)| user.name == name)
        }
        _ => return refusal(400, "Exactly one of user_id and username is needed"),
    };
    told(found)
}

#[derive(Deserialize)]
struct Check {
    credential: String,
}

async fn check_user(State(shared): State<Arc<Mutex<Shared>>>, Query(check): Query<Check>) -> Response {
    let shared = locked(&shared);
    told(shared.users.iter().find(|(_, user)| user.credential == check.credential))
}

/// Changes over the network are not for whoever takes users from here.
async fn change() -> Response {
    refusal(423, "This service is read-only")
}

/// Whom nobody knows is told of as nobody, with a good status.
fn told(found: Option<(&u64, &User)>) -> Response {
    Json(found.map(|(userid, user)| record(*userid, user)).unwrap_or_default()).into_response()
}

fn record(userid: u64, User { name, is_admin, .. }: &User) -> UserRecord {
    UserRecord { userid, name: name.clone(), is_admin: *is_admin }
}

fn locked(mutex: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
