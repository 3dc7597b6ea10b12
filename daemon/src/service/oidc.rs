//! The OpenID provider of this node: the one that the settings name now, for whoever sets it up and for whoever comes with
//! its word.

use std::sync::{Arc, Mutex, PoisonError};

use identity::Name;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::arrivals::arrival;
use super::recheck::Rechecks;
use super::{Caller, Operation, PUBLISH_DEADLINE, Service};
use crate::clock::Clock;
use crate::config::{Oidc, Settings};
use crate::directory::{Arrival, Arrived, Directory, Error, Position, Result, Rules};
use crate::publish::Published;
use crate::store::NodeStore;
use crate::verifiers::oidc::{self, Claims, Provider, Trouble, check};

pub use crate::verifiers::oidc::Check as OidcCheck;

/// The provider of the settings, made when it is first wanted, and anew when they have changed: what it said lately is kept
/// in it.
#[derive(Debug, Default)]
pub struct CurrentProvider(Mutex<Option<(Oidc, Arc<Provider>)>>);

impl CurrentProvider {
    fn of(&self, settings: &Oidc, clock: &Clock) -> oidc::Result<Arc<Provider>> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, provider)) = current.as_ref().filter(|(made_of, _)| made_of == settings) {
            return Ok(Arc::clone(provider));
        }
        let provider = Arc::new(Provider::new(settings, clock.clone())?);
        *current = Some((settings.clone(), Arc::clone(&provider)));
        Ok(provider)
    }
}

/// What it takes to let somebody in for whom the provider vouches; it outlives the call that made it.
pub struct Reception<D> {
    pub(super) directory: Arc<D>,
    pub(super) published: Published,
    rules: watch::Receiver<Arc<Rules>>,
    settings: watch::Receiver<Arc<Settings>>,
    pub(super) node: NodeStore,
    pub(super) clock: Clock,
    pub(super) rechecks: Arc<Rechecks>,
}

impl<D: Directory> Reception<D> {
    /// What the configuration says now.
    pub(super) fn current_settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Lets somebody in as `asked`, or says why not, for the person to read. Whoever is created is who is `reserved`, if
    /// programs have been shown that.
    pub async fn receive(
        &self,
        claims: &Claims,
        id_token: Zeroizing<String>,
        asked: Name,
        reserved: Option<String>,
    ) -> Result<(Arrived, Position)> {
        let (settings, rules) = (self.current_settings(), Arc::clone(&self.rules.borrow()));
        let arrival = Arrival { reserved, ..arrival(claims, id_token, asked, &settings.oidc_users)? };
        let (arrived, position) = self.directory.arrive(arrival, &rules).await?;
        for why in &arrived.left_out {
            tracing::info!(user = %arrived.name, "{why}");
        }
        Ok((arrived, position))
    }

    /// The same, once lookups show whoever is new. Those who are there already need not wait for their groups to be seen
    /// where that takes long.
    pub async fn show_in(
        &self,
        claims: &Claims,
        id_token: Zeroizing<String>,
        asked: Name,
        reserved: Option<String>,
    ) -> Result<Arrived> {
        let (arrived, position) = self.receive(claims, id_token, asked, reserved).await?;
        match self.published.reaches(&position, PUBLISH_DEADLINE).await {
            Err(error) if arrived.created => return Err(error),
            Err(error) => tracing::warn!(user = %arrived.name, %error, "a login that is not shown yet"),
            Ok(()) => {}
        }
        Ok(arrived)
    }
}

impl<D: Directory> Service<D> {
    /// The provider of the settings; none: there is none.
    pub(super) fn provider(&self) -> Option<oidc::Result<Arc<Provider>>> {
        let settings = self.current_settings();
        settings.oidc.is_configured().then(|| self.provider.of(&settings.oidc, &self.clock))
    }

    /// The same for whoever needs one.
    pub(super) fn known_provider(&self) -> Result<Arc<Provider>> {
        let provider = self.provider().ok_or_else(|| {
            Error::Refused(
                "this service has no OpenID provider by which it could tell who somebody is: set issuer and client_id in \
                 [oidc] of its config.toml"
                    .into(),
            )
        })?;
        provider.map_err(refusal)
    }

    pub(super) fn reception(&self) -> Reception<D> {
        Reception {
            node: self.node.clone(),
            clock: self.clock.clone(),
            directory: Arc::clone(&self.directory),
            published: self.published.clone(),
            rules: self.rules.clone(),
            settings: self.settings.clone(),
            rechecks: Arc::clone(&self.rechecks),
        }
    }

    /// What keeps people from logging in at the provider, as far as it can be known without asking it.
    pub(super) fn provider_warning(&self) -> Option<String> {
        let why = self.provider()?.err()?;
        Some(format!("nobody can log in at the OpenID provider: {why}"))
    }

    /// Lets somebody in on another node, which shows the provider's word for it: it is checked here, by the settings of
    /// this one. `reserved` is what programs there have been shown.
    pub async fn arrive_by_token(
        &self,
        caller: &Caller,
        asked: Name,
        reserved: Option<String>,
        id_token: Zeroizing<String>,
    ) -> Result<(Arrived, Position)> {
        caller.may(Operation::Provision)?;
        let claims = self.known_provider()?.verify(&id_token).await.map_err(refusal)?;
        let (arrived, position) = self.reception().receive(&claims, id_token, asked, reserved).await?;
        self.reception().vouched_again(&arrived, claims.issued_at).await;
        Ok((arrived, position))
    }

    /// Tries the provider, and logs nobody in; with the settings that were tried.
    pub async fn check_oidc(&self, caller: &Caller) -> Result<(Oidc, Vec<OidcCheck>)> {
        caller.may(Operation::CheckProvider)?;
        let oidc = self.current_settings().oidc.clone();
        if !oidc.is_configured() {
            return Err(Error::NotFound(
                "there is no OpenID provider to try: set issuer and client_id in [oidc] of config.toml, or OIDC_ISSUER and \
                 OIDC_CLIENT_ID, and let podyd have them (systemctl reload podyd)"
                    .into(),
            ));
        }
        let checks = check(&oidc, self.clock.clone()).await;
        Ok((oidc, checks))
    }
}

/// What a provider's trouble is to whoever wanted its word.
pub(super) fn refusal(error: oidc::Error) -> Error {
    match error.trouble {
        Trouble::Away => Error::Away(error.to_string()),
        Trouble::Misconfigured => Error::Failed(error.to_string()),
        Trouble::Denied | Trouble::Expired | Trouble::InvalidToken => Error::Refused(error.to_string()),
    }
}
