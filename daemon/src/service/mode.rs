//! What `auth.mode = "oidc-only"` takes away: passwords, through whatever door. Whoever makes, takes or checks one asks here
//! first.

use super::Service;
use crate::config::AuthMode;
use crate::directory::{Directory, Error, Result};

impl<D: Directory> Service<D> {
    /// Refuses a password where none counts.
    pub(super) fn takes_passwords(&self) -> Result<()> {
        let settings = self.current_settings();
        match settings.auth.mode {
            AuthMode::Standalone => Ok(()),
            AuthMode::OidcOnly => Err(Error::Refused(format!(
                "no password counts on this node (auth.mode is \"oidc-only\"): people log in at {}",
                settings.oidc.issuer
            ))),
        }
    }
}
