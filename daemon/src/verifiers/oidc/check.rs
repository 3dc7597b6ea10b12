//! Whether people could log in: everything that a login needs of the provider is tried, and nobody is logged in.

use super::error::Error;
use super::metadata::Metadata;
use super::token::ALGORITHMS;
use super::transport::Transport;
use super::{Cached, Keys, Provider};
use crate::clock::Clock;
use crate::config::Oidc;
use crate::limits::MAX_CLOCK_SKEW_SECONDS;

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is called.
    pub name: &'static str,
    /// What was found, or what is wrong with it.
    pub outcome: Result<String, Error>,
}

/// Tries a provider, step by step; a step that others need is the last one where it fails. With each call's deadline it takes
/// three times `oidc.timeout` at the most.
pub async fn check(settings: &Oidc, clock: Clock) -> Vec<Check> {
    let mut checks = Checks(Vec::new());
    // What fails is told of in there.
    let _ = checks.run(settings, clock).await;
    checks.0
}

struct Checks(Vec<Check>);

impl Checks {
    async fn run(&mut self, settings: &Oidc, clock: Clock) -> Result<(), Error> {
        let transport = Transport::new(settings);
        let transport = self.note("settings", transport, |_| said_by(settings))?;
        let found = Metadata::fetch(&transport, settings).await;
        let (metadata, date) = self.note("discovery", found, |_| format!("{} answers", settings.issuer))?;
        let _ = self.note("clock", skew(date, clock.unix_seconds()), String::clone);
        let _ = self.note("signatures", signatures(&metadata), String::clone);

        let provider = Provider {
            settings: settings.clone(),
            clock,
            transport,
            metadata: Cached::of(metadata),
            keys: Cached::default(),
        };
        let keys = provider.fetch_keys().await.and_then(usable);
        let _ = self.note("keys", keys, |count| format!("{count} to check signatures with"));
        if settings.userinfo {
            let _ = self.note("userinfo", provider.userinfo_endpoint().await, |place| {
                format!("people are told of at {place}")
            });
        }
        // A login that nobody is told of ends by itself.
        let begun = provider.begin_device().await;
        self.note("device flow", begun, |login| {
            format!("offered, and this client may use it: people would go to {}", login.verification_uri)
        })?;
        Ok(())
    }

    fn note<T>(
        &mut self,
        name: &'static str,
        result: Result<T, Error>,
        tell: impl FnOnce(&T) -> String,
    ) -> Result<T, Error> {
        self.0.push(Check { name, outcome: result.as_ref().map(tell).map_err(Error::clone) });
        result
    }
}

fn said_by(settings: &Oidc) -> String {
    let place = if settings.from_environment { "the environment (OIDC_…)" } else { "the configuration" };
    let kind = if settings.client_secret.is_empty() { "without a secret" } else { "with a secret" };
    format!("from {place}: client {}, {kind}", settings.client_id)
}

fn skew(date: Option<i64>, now: i64) -> Result<String, Error> {
    let Some(date) = date else { return Ok("the provider does not say what time it is".into()) };
    let skew = now.saturating_sub(date);
    if skew.abs() <= MAX_CLOCK_SKEW_SECONDS {
        return Ok(format!("{} s apart", skew.abs()));
    }
    let direction = if skew > 0 { "ahead of" } else { "behind" };
    Err(Error::misconfigured(format!(
        "this machine's clock is {} s {direction} the provider's: more than {MAX_CLOCK_SKEW_SECONDS} s, and tokens are \
         refused; set it right (timedatectl set-ntp true)",
        skew.abs()
    )))
}

fn signatures(metadata: &Metadata) -> Result<String, Error> {
    let offered = &metadata.id_token_signing_alg_values_supported;
    let known = ALGORITHMS.iter().map(|(_, name)| *name);
    let usable: Vec<&str> = known.clone().filter(|name| offered.iter().any(|one| one == name)).collect();
    if !usable.is_empty() {
        return Ok(usable.join(", "));
    }
    let known: Vec<&str> = known.collect();
    Err(Error::misconfigured(format!("the provider signs ID tokens by none of {}", known.join(", "))))
}

fn usable(keys: Keys) -> Result<usize, Error> {
    match keys.keys().len() {
        0 => Err(Error::misconfigured(
            "the provider shows no key that is understood here: no token can be checked",
        )),
        count => Ok(count),
    }
}
