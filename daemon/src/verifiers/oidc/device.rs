//! Logging in on a machine without a browser (RFC 8628): a code is shown here, typed in elsewhere, and the provider is asked
//! now and then what became of it.

use std::fmt;
use std::time::Duration;

use openidconnect::Nonce;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::error::{Error, Result, Trouble};
use super::exchange::{Exchanged, SignedIn, Tokens};
use super::token::ExpectedNonce;
use super::{Provider, exchange};
use crate::config::{Secret, is_private};
use crate::limits::{MAX_DEVICE_LOGIN, MAX_POLL_INTERVAL, MAX_USER_CODE_CHARS, MAX_VERIFICATION_URL_CHARS};

/// Where none is said (RFC 8628, section 3.2).
const INTERVAL: Duration = Duration::from_secs(5);

/// A provider that says less would be asked without a pause.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// How much longer the pauses get where the provider asks for that (RFC 8628, section 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A login that waits for somebody to say yes.
pub struct DeviceLogin {
    /// What to type in: visible ASCII, at most 64 characters.
    pub user_code: String,
    /// Where to: visible ASCII.
    pub verification_uri: String,
    /// The same with the code in it, for a QR code.
    pub verification_uri_complete: Option<String>,
    /// When it is over.
    pub ends: Instant,
    pub(super) device_code: Secret,
    pub(super) nonce: Nonce,
    pub(super) interval: Duration,
    pub(super) next_poll: Instant,
}

#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

impl Provider {
    /// Begins a login.
    pub async fn begin_device(&self) -> Result<DeviceLogin> {
        let metadata = self.metadata().await?;
        let place = metadata.device_authorization_endpoint.as_ref().ok_or_else(|| {
            Error::misconfigured(format!(
                "the provider {} offers no device flow, which logins without a browser need: switch it on there",
                self.settings.issuer
            ))
        })?;
        let nonce = Nonce::new_random();
        let scopes = self.login_scopes();
        let fields = [("scope", scopes.as_str()), ("nonce", nonce.secret())];
        let answer = self.transport.post(place, &fields, &self.proof(&metadata)).await?;
        if !answer.status.is_success() {
            return Err(exchange::refusal(&answer));
        }
        DeviceLogin::new(answer.json()?, nonce)
    }

    /// Asks what became of a login; `None`: nothing yet. Not to be called more often than [`DeviceLogin::next_poll`] says.
    pub async fn poll_device(&self, login: &mut DeviceLogin) -> Result<Option<SignedIn>> {
        match self.ask_for_tokens(login).await? {
            Some(tokens) => self.signed_in_by(login, tokens).await.map(Some),
            None => Ok(None),
        }
    }

    async fn signed_in_by(&self, login: &DeviceLogin, tokens: Tokens) -> Result<SignedIn> {
        self.signed_in(tokens, ExpectedNonce::EqualIfThere(&login.nonce)).await
    }

    /// Once it has given tokens, a code is used up.
    async fn ask_for_tokens(&self, login: &mut DeviceLogin) -> Result<Option<Tokens>> {
        if Instant::now() >= login.ends {
            return Err(Error::expired("nobody has approved this login in time: begin again"));
        }
        let fields = [("grant_type", GRANT), ("device_code", login.device_code.expose())];
        let exchanged = self.exchange(&fields).await;
        login.next_poll = Instant::now() + login.interval;
        match exchanged {
            Ok(Exchanged::Tokens(tokens)) => Ok(Some(tokens)),
            Ok(Exchanged::Pending) => Ok(None),
            Ok(Exchanged::TooFast) => {
                login.slow_down(SLOWER_BY);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until somebody has said yes or no, but not beyond `deadline`. A provider that is away for a while is asked again,
    /// ever more slowly.
    pub async fn finish_device(&self, login: &mut DeviceLogin, deadline: Instant) -> Result<SignedIn> {
        loop {
            let away = match self.ask_for_tokens(login).await {
                Ok(Some(tokens)) => return self.signed_in_by(login, tokens).await,
                Ok(None) => None,
                Err(error) if error.trouble == Trouble::Away => {
                    login.slow_down(login.interval);
                    Some(error)
                }
                Err(error) => return Err(error),
            };
            if login.next_poll >= deadline.min(login.ends) {
                let expired = || Error::expired("nobody has approved this login in time: begin again");
                return Err(away.unwrap_or_else(expired));
            }
            sleep_until(login.next_poll).await;
        }
    }
}

impl DeviceLogin {
    fn new(begun: Begun, nonce: Nonce) -> Result<Self> {
        let user_code = shown("user_code", begun.user_code, MAX_USER_CODE_CHARS)?;
        let verification_uri = address(begun.verification_uri)?;
        let verification_uri_complete = begun.verification_uri_complete.map(address).transpose()?;
        let interval =
            begun.interval.map_or(INTERVAL, Duration::from_secs).clamp(MIN_INTERVAL, MAX_POLL_INTERVAL);
        let now = Instant::now();
        Ok(Self {
            user_code,
            verification_uri,
            verification_uri_complete,
            ends: now + Duration::from_secs(begun.expires_in).min(MAX_DEVICE_LOGIN),
            device_code: begun.device_code.into(),
            nonce,
            interval,
            next_poll: now + interval,
        })
    }

    /// Before when the provider is not to be asked.
    pub fn next_poll(&self) -> Instant {
        self.next_poll
    }

    fn slow_down(&mut self, by: Duration) {
        self.interval = (self.interval + by).min(MAX_POLL_INTERVAL);
        self.next_poll = Instant::now() + self.interval;
    }
}

impl fmt::Debug for DeviceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLogin")
            .field("verification_uri", &self.verification_uri)
            .finish_non_exhaustive()
    }
}

/// It stands on terminals, which take some characters for commands.
fn shown(name: &str, text: String, max: usize) -> Result<String> {
    if !text.is_empty() && text.len() <= max && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(text);
    }
    Err(Error::misconfigured(format!(
        "the provider's {name} cannot be shown: it is not 1 to {max} visible characters"
    )))
}

fn address(text: String) -> Result<String> {
    let text = shown("verification_uri", text, MAX_VERIFICATION_URL_CHARS)?;
    match Url::parse(&text) {
        Ok(url) if is_private(&url) => Ok(text),
        _ => Err(Error::misconfigured("the provider's verification_uri is no https:// address")),
    }
}
