//! People on this node whom the OpenID provider knows and about whom it is not asked again, though it is to be: nobody can see
//! that by the settings.

use identity::Name;
use tokio::time::timeout;

use super::Severity::Note;
use super::{Finding, PATIENCE};
use crate::directory::{Directory, Result};
use crate::limits::{MAX_IDENTITIES_PER_USER, MAX_NAMED_REFUSED};
use crate::service::Service;

impl<D: Directory> Service<D> {
    /// What is to be said of those who have sessions now.
    pub(super) async fn nobody_asks_about(&self) -> Option<Finding> {
        let oidc = &self.current_settings().oidc;
        if oidc.recheck_interval.is_zero() || !oidc.is_configured() {
            return None;
        }
        // A directory that does not answer is told of by itself.
        finding(&timeout(PATIENCE, self.not_asked_about(oidc.issuer.as_str())).await.ok()?.ok()?)
    }

    async fn not_asked_about(&self, issuer: &str) -> Result<Vec<Name>> {
        let asked_about = self.node.users_with_refresh_tokens().await?;
        let most = u32::try_from(MAX_IDENTITIES_PER_USER).unwrap_or(u32::MAX);
        let mut names = Vec::new();
        for (uuid, name) in self.users_with_sessions().await {
            if asked_about.contains(&uuid) || self.is_refused(&uuid) {
                continue;
            }
            let linked = self.directory.identities(Some(name), None, most).await?.items;
            if linked.iter().any(|linked| linked.identity.issuer() == issuer) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn finding(names: &[Name]) -> Option<Finding> {
    let named: Vec<&str> = names.iter().take(MAX_NAMED_REFUSED).map(Name::as_str).collect();
    let others = if names.len() > named.len() { ", …" } else { "" };
    (!named.is_empty()).then(|| {
        Note.of(
            "oidc.recheck_interval",
            format!(
                "{} on this node without the OpenID provider being asked about them again: {}{others}",
                names.len(),
                named.join(", ")
            ),
            "they came by an SSH key, a password, or a code for an ID token (podyctl login --code), and have not been approved \
             here since the setting is on: podyctl login, or the device flow, has the provider asked from then on. If they \
             have been, the provider gave no refresh token (let it give this client offline access), or it cannot be used any \
             more: journalctl -u podyd says which",
        )
    })
}
