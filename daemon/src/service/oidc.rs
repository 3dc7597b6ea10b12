//! The OpenID provider of this node, for whoever sets it up.

use super::{Caller, Operation, Service};
use crate::config::Oidc;
use crate::directory::{Directory, Error, Result};
use crate::verifiers::oidc::check;

pub use crate::verifiers::oidc::Check as OidcCheck;

impl<D: Directory> Service<D> {
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
