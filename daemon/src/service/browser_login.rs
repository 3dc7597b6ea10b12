//! Logging in with a browser on this machine: podyctl listens where the browser comes back to, and what it brings is checked
//! here, where the client's secret is. It ends with a one-time code.

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::Name;
use tokio::time::Instant;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::codes::LoginCode;
use super::oidc::refusal;
use super::{Caller, Service, new_uuid};
use crate::directory::{Directory, Error, Result};
use crate::limits::{BROWSER_LOGIN_LIFETIME, MAX_BROWSER_LOGINS, MAX_BROWSER_LOGINS_PER_CALLER};
use crate::verifiers::oidc::{CodeLogin, Provider, SignedIn};

/// Logins whose browsers are on their way.
#[derive(Debug, Default)]
pub struct BrowserLogins(Mutex<HashMap<String, Pending>>);

#[derive(Debug)]
struct Pending {
    caller: Caller,
    began: Instant,
    /// Whom the browser was sent to: the settings may name another by now.
    provider: Arc<Provider>,
    login: CodeLogin,
}

impl BrowserLogins {
    /// Keeps a login under a name that nobody can guess. Whoever begins too many has given the oldest up.
    fn keep(&self, pending: Pending) -> Result<String> {
        let mut logins = self.waiting();
        let own = logins.iter().filter(|(_, login)| login.caller == pending.caller);
        if own.clone().count() >= MAX_BROWSER_LOGINS_PER_CALLER {
            let oldest = own.min_by_key(|(_, login)| login.began).map(|(id, _)| id.clone());
            oldest.and_then(|id| logins.remove(&id));
        }
        if logins.len() >= MAX_BROWSER_LOGINS {
            return Err(Error::Busy(format!(
                "{MAX_BROWSER_LOGINS} logins are waiting for a browser already"
            )));
        }
        let id = new_uuid();
        logins.insert(id.clone(), pending);
        Ok(id)
    }

    /// Takes a login out: it ends once, and for whoever began it.
    fn take(&self, id: &str, caller: &Caller) -> Option<Pending> {
        let mut logins = self.waiting();
        logins.get(id).filter(|login| login.caller == *caller)?;
        logins.remove(id)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Pending>> {
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, login| login.began.elapsed() < BROWSER_LOGIN_LIFETIME);
        logins
    }
}

impl<D: Directory> Service<D> {
    /// Begins a login of anybody on this machine; says what it is called, and where the browser goes.
    pub async fn begin_browser_login(&self, caller: &Caller, redirect: &str) -> Result<(String, Url)> {
        let redirect = loopback(redirect)?;
        let provider = self.known_provider()?;
        let login = provider.begin_code(redirect).await.map_err(refusal)?;
        let (url, began) = (login.url.clone(), Instant::now());
        let id = self.browser_logins.keep(Pending { caller: caller.clone(), began, provider, login })?;
        Ok((id, url))
    }

    /// Ends a login with the query that the browser came back with, as `asked` or under the name that the claims come to.
    pub async fn finish_browser_login(
        &self,
        caller: &Caller,
        id: &str,
        query: &str,
        asked: Option<Name>,
    ) -> Result<(Name, LoginCode)> {
        let Some(Pending { provider, login, .. }) = self.browser_logins.take(id, caller) else {
            return Err(Error::NotFound("this login has ended; begin a new one".into()));
        };
        let SignedIn { claims, id_token, refresh_token } =
            provider.finish_code(login, query).await.map_err(refusal)?;
        let id_token = Zeroizing::from(id_token);
        let arrived = self.arrive_for_code(&claims, &id_token, asked).await?;
        self.reception().approved(&arrived, &claims, refresh_token).await;
        self.code_for(&format!("{caller:?}"), &arrived, &claims, &id_token).await
    }
}

/// Only this machine hears what is sent there (RFC 8252, section 7.3).
fn loopback(redirect: &str) -> Result<Url> {
    let url = Url::parse(redirect).ok().filter(|url| {
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.octets() == [127, 0, 0, 1],
            Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
            _ => false,
        };
        let canonical =
            format!("http://{}:{}/", url.host_str().unwrap_or_default(), url.port().unwrap_or_default());
        is_loopback && url.port().is_some() && url.as_str() == canonical
    });
    url.ok_or_else(|| Error::invalid("redirect", "it is http://127.0.0.1:PORT/ or http://[::1]:PORT/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_comes_back_to_this_machine_alone() {
        for right in ["http://127.0.0.1:49152/", "http://[::1]:49152/", "http://127.0.0.1:49152"] {
            assert!(loopback(right).is_ok(), "{right}");
        }
        let wrong = [
            "",
            "http://127.0.0.1/",
            "https://127.0.0.1:49152/",
            "http://localhost:49152/",
            "http://127.0.0.2:49152/",
            "http://127.0.0.1:49152/path",
            "http://127.0.0.1:49152/?query",
            "http://127.0.0.1:49152/#part",
            "http://ada@127.0.0.1:49152/",
            "http://127.0.0.1.example.com:49152/",
            "http://[::ffff:127.0.0.1]:49152/",
            "http://0.0.0.0:49152/",
            "file:///etc/passwd",
        ];
        for wrong in wrong {
            assert!(loopback(wrong).is_err(), "{wrong}");
        }
    }
}
