//! Codes that are typed where a login asks: for once, or for coming back.

use identity::Name;
use zeroize::Zeroizing;

use super::{Decision, Verdict, locked_out};
use crate::directory::{Directory, Error, Key, Result};
use crate::service::Service;
use crate::service::codes::{Grounds, Redeemed};
use crate::verifiers::lockout::Subject;

impl<D: Directory> Service<D> {
    /// What typing something comes to where it may be a code or a password.
    pub(super) async fn code_or_password(
        &self,
        name: Name,
        source: Subject,
        typed: Zeroizing<String>,
    ) -> Result<Decision> {
        let subjects = [Subject::User(name), source.clone()];
        if let Some(decision) = self.spend_code(&subjects, name, &typed).await? {
            return Ok(decision);
        }
        match self.check_password(name, source, typed).await {
            Err(Error::Away(why)) => self.undecided(name, why),
            decided => decided,
        }
    }

    /// What typing a code comes to where nothing else could be typed: a wrong one counts like a wrong password.
    pub async fn redeem_code(
        &self,
        name: Name,
        service: &str,
        source: Subject,
        text: &str,
    ) -> Result<Decision> {
        let subjects = [Subject::User(name), source];
        // Like every code, it is beyond guessing: others who guess do not keep its holder out.
        if self.is_relogin_code(name, service, text).await? {
            tracing::info!(user = %name, source = %subjects[1], "a re-login code was used");
            self.settle(&subjects, true).await;
            return Ok(Verdict::Granted.into());
        }
        if let Some(decision) = self.spend_code(&subjects, name, text).await? {
            return Ok(decision);
        }
        Ok(match self.settle(&subjects, false).await {
            Some(until) => locked_out(self.seconds_until(until)),
            None => Decision {
                verdict: Verdict::Denied,
                message: Some("This code is not good, or not any more.".into()),
            },
        })
    }

    /// Lets somebody in who typed a code. None: it was no code that is good, and may have been a password.
    async fn spend_code(&self, subjects: &[Subject; 2], name: Name, text: &str) -> Result<Option<Decision>> {
        // Nobody guesses a code; so others, who guess at the password, do not keep its holder out.
        let Some(Redeemed { uuid, grounds }) = self.codes.redeem(name, text) else {
            let locked = self.locked_until(&self.failures(subjects));
            return Ok(locked.map(|until| locked_out(self.seconds_until(until))));
        };
        let user = self.directory.user(Key::Name(name)).await?;
        if user.is_none_or(|member| member.user.uuid != uuid) || self.is_refused(&uuid) {
            return Ok(None);
        }
        let source = &subjects[1];
        match grounds {
            Grounds::Provider => tracing::info!(user = %name, %source, "a one-time code was used"),
            Grounds::BreakGlass(reason) => {
                tracing::warn!(user = %name, %source, reason, "break-glass: the one-time code was used");
            }
        }
        // Failures that were counted meanwhile speak against whoever guesses, and not against this code.
        self.settle(subjects, true).await;
        Ok(Some(Verdict::Granted.into()))
    }
}
