//! Codes by which people come back to this node who were approved at the OpenID provider a while ago, so that ten connections
//! are not ten approvals, and the provider may be away meanwhile.
//!
//! A code is good for its user and this node alone, until the window ends or anything about the user is changed: whoever was
//! locked, unlinked or renamed meanwhile goes to the provider again, also where that was undone or done on another node.

use std::time::Duration;

use identity::Name;
use subtle::ConstantTimeEq;

use super::codes::{LoginCode, digest_for};
use super::login::judge_account;
use super::oidc::Reception;
use super::{Caller, Operation, Service, Verdict};
use crate::config::{Oidc, Settings};
use crate::directory::{Arrived, Directory, Error, Key, Member, Result};
use crate::store::{NodeStore, ReloginCode};

/// Forgets the codes that the settings let nobody come back by: for good, whatever the settings are later.
pub async fn forget_ended_codes(node: &NodeStore, settings: &Settings, now: i64) {
    let ended = now.saturating_sub_unsigned(settings.oidc_login.relogin_window.as_secs());
    if let Err(error) = node.forget_old_relogin_codes(ended, &provider_of(&settings.oidc)).await {
        tracing::warn!(%error, "re-login codes that are good no more stay in node.sqlite");
    }
}

/// Whose word a code stands for.
fn provider_of(oidc: &Oidc) -> String {
    format!("{} {}", oidc.issuer.as_str(), oidc.client_id.as_str())
}

impl<D: Directory> Reception<D> {
    /// A code for whoever has just been let in through a PAM service, and how long it is good; none where the settings want
    /// none, or none can be kept.
    pub async fn relogin_code(&self, arrived: &Arrived, service: &str) -> Option<(LoginCode, Duration)> {
        let settings = self.current_settings();
        if !settings.oidc_login.lets_return(service) {
            return None;
        }
        match self.new_code(arrived).await {
            Ok(code) => {
                let window = settings.oidc_login.relogin_window;
                tracing::info!(user = %arrived.name, seconds = window.as_secs(), "a re-login code was given");
                Some((code, window))
            }
            Err(error) => {
                tracing::warn!(user = %arrived.name, %error, "no re-login code was given");
                None
            }
        }
    }

    async fn new_code(&self, Arrived { uuid, name, .. }: &Arrived) -> Result<LoginCode> {
        let found = self.directory.user(Key::Name(*name)).await?;
        let member = found.filter(|member| member.user.uuid == *uuid).ok_or_else(|| Error::no_user(name))?;
        let code = LoginCode::random();
        let digest = digest_for(uuid, code.expose()).expect("a code reads as one");
        let (user_revision, issued_at) = (member.user.revision, self.clock.unix_seconds());
        let provider = provider_of(&self.current_settings().oidc);
        let kept = ReloginCode { digest, user_uuid: uuid.clone(), user_revision, issued_at, provider };
        self.node.keep_relogin_code(&kept).await?;
        Ok(code)
    }
}

impl<D: Directory> Service<D> {
    /// Whether somebody could come back by a code now, through this PAM service.
    pub(super) async fn may_return(&self, member: &Member, service: &str) -> bool {
        !self.good_codes(member, service).await.is_empty()
    }

    /// Whether what was typed is a code by which this user may come back through this PAM service.
    pub(super) async fn is_relogin_code(&self, name: Name, service: &str, text: &str) -> Result<bool> {
        let Some(member) = self.served(name).await? else { return Ok(false) };
        let Some(digest) = digest_for(&member.user.uuid, text) else { return Ok(false) };
        let codes = self.good_codes(&member, service).await;
        Ok(codes.iter().any(|code| bool::from(code.digest.ct_eq(&digest))))
    }

    /// Where nobody can say what the codes are, people go to the provider.
    async fn good_codes(&self, member: &Member, service: &str) -> Vec<ReloginCode> {
        let settings = self.current_settings();
        let is_let_in = judge_account(&member.user, self.clock.today()).verdict == Verdict::Granted
            && !self.is_refused(&member.user.uuid);
        if !is_let_in || !settings.oidc.is_configured() || !settings.oidc_login.lets_return(service) {
            return Vec::new();
        }
        let codes = self.node.relogin_codes(&member.user.uuid).await.unwrap_or_else(|error| {
            tracing::warn!(user = %member.user.name, %error, "re-login codes cannot be read");
            Vec::new()
        });
        let provider = provider_of(&settings.oidc);
        let (now, window) = (self.clock.unix_seconds(), settings.oidc_login.relogin_window.as_secs());
        let is_good = |code: &ReloginCode| {
            let age = u64::try_from(now.saturating_sub(code.issued_at));
            let is_of_now = code.user_revision == member.user.revision && code.provider == provider;
            is_of_now && age.is_ok_and(|age| age < window)
        };
        codes.into_iter().filter(is_good).collect()
    }

    /// Ends the codes of one user on this node; says how many there were.
    pub async fn forget_relogin_codes(&self, caller: &Caller, name: Name) -> Result<u64> {
        caller.may(Operation::ForgetCodes(name))?;
        let member = self.directory.user(Key::Name(name)).await?.ok_or_else(|| Error::no_user(name))?;
        let count = self.node.forget_relogin_codes(&member.user.uuid).await?;
        tracing::info!(user = %name, by = %caller, count, "re-login codes were forgotten");
        Ok(count)
    }
}
