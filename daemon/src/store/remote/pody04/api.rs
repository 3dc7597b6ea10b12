//! What an original Pody 0.4 is asked, over HTTP: who its users are, and whose a name and password are.
//!
//! It wants what stands for a password in the address of a request. Nothing here puts an address into an error or a log.

use std::sync::{Mutex, PoisonError};

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::super::client::{Clients, clock_skew};
use crate::config::Provider;
use crate::directory::{Error, Result};
use crate::limits::MAX_PODY04_ANSWER_BYTES;

/// A user, as that server tells of one. Nobody is told of as the user 0.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Its id there, which it gives again after a deletion.
    pub userid: u64,
    /// The name.
    pub name: String,
    /// Whether the user may administer that server.
    pub is_admin: bool,
}

/// The way to one server. `Debug` shows the address, never the token.
pub struct Api {
    clients: Clients,
    clock_skew: Mutex<Option<i64>>,
}

impl Api {
    /// Prepares the client; nothing is sent.
    pub fn new(provider: &Provider) -> Result<Self> {
        Ok(Self { clients: Clients::new(provider)?, clock_skew: Mutex::default() })
    }

    /// Goes on with another token, other certificates and another deadline.
    pub fn renew(&self, provider: &Provider) -> Result<()> {
        self.clients.renew(provider)
    }

    /// By how many seconds the clock here is ahead of the server's.
    pub fn clock_skew(&self) -> Option<i64> {
        *self.clock_skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All users.
    pub async fn users(&self) -> Result<Vec<Record>> {
        self.get("list_users", &[]).await
    }

    /// Whose a name and password are; none: nobody's.
    pub async fn check(&self, name: &str, password: &str) -> Result<Option<Record>> {
        let credential = credential(name, password);
        let record: Record = self.get("check_user", &[("credential", &credential)]).await?;
        Ok(Some(record).filter(|record| record.userid != 0))
    }

    async fn get<T: DeserializeOwned>(&self, what: &str, query: &[(&str, &str)]) -> Result<T> {
        let asked = timeout(self.clients.timeout(), self.fetch(what, query)).await;
        let body = asked.unwrap_or_else(|_| Err(self.late()))?;
        serde_json::from_slice(&body).map_err(|error| {
            Error::Failed(format!(
                "{} answered what no original Pody answers (line {}, column {}): are \
                 remote_user_profile.provider.endpoint and compat right?",
                self.clients.base,
                error.line(),
                error.column()
            ))
        })
    }

    async fn fetch(&self, what: &str, query: &[(&str, &str)]) -> Result<Zeroizing<Vec<u8>>> {
        let mut url = self.clients.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["user_api", what]);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let response = self.clients.calls().get(url).send().await.map_err(|error| self.broken(error))?;
        self.hear(response.headers());
        if !response.status().is_success() {
            return Err(self.refused(response.status()));
        }
        self.body(response).await
    }

    async fn body(&self, mut response: Response) -> Result<Zeroizing<Vec<u8>>> {
        let mut body = Zeroizing::new(Vec::new());
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + piece.len() > MAX_PODY04_ANSWER_BYTES {
                let limit = MAX_PODY04_ANSWER_BYTES;
                return Err(Error::Failed(format!("{} sent more than {limit} bytes", self.clients.base)));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn hear(&self, headers: &HeaderMap) {
        self.clients.answered();
        *self.clock_skew.lock().unwrap_or_else(PoisonError::into_inner) = clock_skew(headers);
    }

    /// What a bad status means: who is told to stay away is, and whatever else does not work may work later.
    fn refused(&self, status: StatusCode) -> Error {
        let (base, number) = (&self.clients.base, status.as_u16());
        match number {
            401 | 403 => Error::Refused(format!(
                "{base} does not accept this node's token (status {number}): set remote_user_profile.provider.access_token \
                 to the one in its config.toml"
            )),
            501 => Error::Away(format!(
                "{base} gives its users to nobody (status 501): [remote_user_profile.service] enabled is false there"
            )),
            500 | 502..=504 | 429 => Error::Away(format!("{base} answered with status {number}")),
            _ => Error::Failed(format!(
                "{base} answered with status {number}, and not as an original Pody does: are \
                 remote_user_profile.provider.endpoint and compat right?"
            )),
        }
    }

    fn broken(&self, error: reqwest::Error) -> Error {
        Error::Away(self.clients.broken(error).1)
    }

    fn late(&self) -> Error {
        Error::Away(format!(
            "{} does not answer within {} s",
            self.clients.base,
            self.clients.timeout().as_secs_f32()
        ))
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Api({})", self.clients.base)
    }
}

/// What stands for a name and a password there, in hexadecimal.
fn credential(name: &str, password: &str) -> Zeroizing<String> {
    let text = Zeroizing::new(format!("{name}:{password}"));
    let digest = Sha256::digest(text.as_bytes());
    Zeroizing::new(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
