//! Logins at the OpenID provider, for people who have no password here or no account yet: a code is shown, somebody approves
//! it elsewhere, and what the provider then says of them is taken to the directory.
//!
//! No call is long, however slow the provider is. What has been approved goes on by itself, and the next call asks how far it
//! is: a person who hangs up leaves nothing half done behind, least of all in the directory, where others wait for it.

use std::fs;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use identity::Name;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;
use zeroize::Zeroizing;

use super::pending::{Pending, Stage};
use super::words::{self, Invitation, PROMPT};
use super::{Decision, Login, Step, Verdict};
use crate::directory::{self, Arrived, Directory, Error};
use crate::limits::{CONSOLE_LOGIN_GRACE, DEVICE_LOGIN_CALL, LOGIN_GRACE, LOGIN_LIFETIME};
use crate::service::oidc::Reception;
use crate::service::{Caller, Service};
use crate::verifiers::lockout::Subject;
use crate::verifiers::oidc::{self, DeviceLogin, Provider, SignedIn, Trouble};

/// A login at the provider, and how far it is.
pub struct Device {
    attempt: Attempt,
    progress: Progress,
}

/// Somebody who logs in.
#[derive(Clone)]
struct Attempt {
    name: Name,
    service: String,
    rhost: Option<String>,
    /// What programs on this node were shown of somebody who does not exist yet.
    reserved: Option<String>,
    provider: Arc<Provider>,
    /// What the provider is called in sentences.
    host: String,
    ends: Instant,
}

enum Progress {
    /// The provider is asked for a code.
    Begins(Question),
    /// Somebody reads it.
    Shown(DeviceLogin),
    /// They say that they have approved it.
    Ends(Ending),
}

/// Is asked for as long as somebody waits for it: the provider hears of nobody else.
type Question = Pin<Box<dyn Future<Output = oidc::Result<DeviceLogin>> + Send>>;

/// A login that goes on by itself. Once nobody can come back for it, the provider is asked no more; but what has come to the
/// directory by then is ended there.
struct Ending {
    work: JoinHandle<Decision>,
    _somebody_may_come_back: oneshot::Sender<()>,
}

impl Ending {
    /// What comes of it.
    async fn decision(&mut self) -> Decision {
        match (&mut self.work).await.map_err(JoinError::try_into_panic) {
            Ok(decision) => decision,
            Err(Ok(panic)) => resume_unwind(panic),
            // podyd ends, and everybody who waits with it.
            Err(Err(_)) => pending().await,
        }
    }
}

impl<D: Directory> Service<D> {
    /// Begins a login, and asks nobody yet: how long the provider takes is not for this call to wait.
    pub(super) fn begin_device_login(
        &self,
        caller: &Caller,
        name: Name,
        login: Login,
    ) -> directory::Result<Step> {
        let Login { service, rhost, .. } = login;
        let (now, source) = (Instant::now(), Subject::source(rhost.as_deref()));
        let device = match self.device(name, &service, rhost, now) {
            Ok(device) => device,
            Err(decision) => return Ok(Step::Done(decision)),
        };
        let stage = Stage::Device(Box::new(device));
        // Whoever comes too late is told so.
        let ends = now + LOGIN_LIFETIME;
        let pending = Pending { name, service, source, ends, caller: caller.clone(), stage };
        Ok(Step::Wait { login: self.logins.keep(pending)? })
    }

    /// A login that has not asked the provider yet, of somebody for whom a program waits since `began`. The error is why there is
    /// none.
    pub(super) fn device(
        &self,
        name: Name,
        service: &str,
        rhost: Option<String>,
        began: Instant,
    ) -> Result<Device, Decision> {
        let settings = self.current_settings();
        let host = host_of(settings.oidc.issuer.as_str());
        if !settings.oidc_login.serves(service) {
            return Err(words::not_here(name, &host, service));
        }
        let provider = match self.provider() {
            Some(Ok(provider)) => provider,
            Some(Err(error)) => return Err(not_vouched_for(name, &host, &error)),
            None => return Err(Verdict::Unknown.into()),
        };
        let source = Subject::source(rhost.as_deref());
        self.begun.count(name, &source, Instant::now()).map_err(words::too_often)?;
        let reserved = self.reservations.get(name).map(|reservation| reservation.uuid);
        let (ends, service) = (began + grace_of(service), service.to_owned());
        let attempt = Attempt { name, service, rhost, reserved, provider: Arc::clone(&provider), host, ends };
        Ok(Device {
            attempt,
            progress: Progress::Begins(Box::pin(async move { provider.begin_device().await })),
        })
    }

    /// Goes on with a login until there is something to tell, or for as long as a call may take. The error is how it ended.
    pub(super) async fn go_on(&self, device: Device, id: &str) -> Result<(Device, Step), Decision> {
        let Device { attempt, progress } = device;
        let login = id.to_owned();
        let mut ends = match progress {
            Progress::Begins(mut begins) => {
                let (progress, step) = match timeout(DEVICE_LOGIN_CALL, &mut begins).await {
                    Err(_) => (Progress::Begins(begins), Step::Wait { login }),
                    Ok(begun) => {
                        let begun = begun.map_err(|error| attempt.not_vouched_for(&error))?;
                        let message = attempt.invitation(&begun, self.current_settings().oidc_login.qr);
                        (Progress::Shown(begun), Step::AskEnter { login, message, prompt: PROMPT.into() })
                    }
                };
                return Ok((Device { attempt, progress }, step));
            }
            Progress::Shown(begun) => attempt.clone().end(begun, self.reception()),
            Progress::Ends(ends) => ends,
        };
        match timeout(DEVICE_LOGIN_CALL, ends.decision()).await {
            Ok(decision) => Err(decision),
            Err(_) => Ok((Device { attempt, progress: Progress::Ends(ends) }, Step::Wait { login })),
        }
    }
}

impl Attempt {
    fn invitation(&self, login: &DeviceLogin, qr: bool) -> String {
        let Self { name, rhost, .. } = self;
        Invitation { name: name.as_str(), node: &node_name(), from: rhost.as_deref(), login, qr }.message()
    }

    /// Waits for the provider's word and takes it to the directory. A provider that is away is asked again until the end.
    fn end<D: Directory>(self, mut login: DeviceLogin, reception: Reception<D>) -> Ending {
        let (somebody, nobody) = oneshot::channel();
        let work = tokio::spawn(async move {
            let signed_in = tokio::select! {
                signed_in = self.signed_in(&mut login) => signed_in,
                _ = nobody => Err(words::too_late(&self.host)),
            };
            let arrived = match signed_in {
                Ok(signed_in) => self.arrive(signed_in, &reception).await,
                Err(decision) => Err(decision),
            };
            match arrived {
                Ok(arrived) => self.granted(&arrived, &reception).await,
                Err(decision) => decision,
            }
        });
        Ending { work, _somebody_may_come_back: somebody }
    }

    async fn signed_in(&self, login: &mut DeviceLogin) -> Result<SignedIn, Decision> {
        if Instant::now() >= self.ends {
            return Err(words::too_late(&self.host));
        }
        match timeout_at(self.ends, self.provider.finish_device(login, self.ends)).await {
            Ok(signed_in) => signed_in.map_err(|error| self.not_vouched_for(&error)),
            Err(_) => Err(words::took_too_long(&self.host)),
        }
    }

    /// Takes the provider's word to the directory. What is begun there is ended.
    async fn arrive<D: Directory>(
        &self,
        signed_in: SignedIn,
        reception: &Reception<D>,
    ) -> Result<Arrived, Decision> {
        let SignedIn { claims, id_token, refresh_token } = signed_in;
        let token = Zeroizing::from(id_token);
        let arrived = reception.show_in(&claims, token, self.name, self.reserved.clone()).await;
        let arrived = arrived.map_err(|error| self.not_let_in(&claims.subject, &error))?;
        // The program that asked keeps the user whom it began with.
        if arrived.name != self.name {
            let other = Error::Failed(format!("the directory let {} in instead", arrived.name));
            return Err(self.not_let_in(&claims.subject, &other));
        }
        tracing::info!(user = %self.name, subject = %claims.subject, created = arrived.created, "approved at {}", self.host);
        reception.approved(&arrived, &claims, refresh_token).await;
        Ok(arrived)
    }

    /// The end, with a code for coming back where there may be one.
    async fn granted<D: Directory>(&self, arrived: &Arrived, reception: &Reception<D>) -> Decision {
        match reception.relogin_code(arrived, &self.service).await {
            Some((code, window)) => words::may_return(&node_name(), &code, window),
            None => Verdict::Granted.into(),
        }
    }

    fn not_vouched_for(&self, error: &oidc::Error) -> Decision {
        not_vouched_for(self.name, &self.host, error)
    }

    fn not_let_in(&self, subject: &str, error: &Error) -> Decision {
        tracing::warn!(user = %self.name, subject, %error, "approved at {}, and not let in", self.host);
        words::of_directory(error)
    }
}

/// What the person is told; an admin reads more.
fn not_vouched_for(name: Name, host: &str, error: &oidc::Error) -> Decision {
    match error.trouble {
        Trouble::Denied | Trouble::Expired => tracing::info!(user = %name, %error, "not approved at {host}"),
        Trouble::Away | Trouble::Misconfigured | Trouble::InvalidToken => {
            tracing::warn!(user = %name, %error, "{host} does not tell who it is");
        }
    }
    words::of_provider(host, error)
}

fn node_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "this machine".into(), |name| name.trim_end().to_owned())
}

fn host_of(issuer: &str) -> String {
    Url::parse(issuer)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| issuer.to_owned())
}

/// What waits for an answer ends some time itself, and says nothing then.
fn grace_of(service: &str) -> Duration {
    if service == "login" { CONSOLE_LOGIN_GRACE } else { LOGIN_GRACE }
}
