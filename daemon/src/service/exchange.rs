//! The provider's word for a one-time code: ID tokens are longer than what PAM and sshd carry, so that programs and people with a
//! browser elsewhere bring one here and type the code. The token is all the proof there is, and it proves something once.
//!
//! Who comes of it, and whether, is decided where people arrive.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use identity::Name;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::arrivals::login_name;
use super::codes::{Grounds, LoginCode};
use super::oidc::refusal;
use super::{Service, recheck};
use crate::directory::{Arrived, Directory, Error, Key, Result};
use crate::limits::{
    EXCHANGES_A_MINUTE, EXCHANGES_COUNTED_FOR, LOGIN_CODE_LIFETIME, MAX_EXCHANGED_TOKENS, MAX_EXCHANGERS,
    MAX_ID_TOKEN_AGE_SECONDS,
};
use crate::verifiers::oidc::Claims;

/// Who brought tokens lately, and which tokens have had their code.
#[derive(Debug, Default)]
pub struct Exchanges {
    /// Since when somebody is counted, and how often they came.
    counted: Mutex<HashMap<String, (Instant, u32)>>,
    /// Digests of tokens, and until when they would prove something.
    spent: Mutex<HashMap<[u8; 32], i64>>,
}

impl Exchanges {
    /// One more token of somebody, or too many.
    fn count(&self, from: &str) -> Result<()> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |began: &Instant| began.elapsed() < EXCHANGES_COUNTED_FOR;
        if counted.len() >= MAX_EXCHANGERS {
            counted.retain(|_, (began, _)| is_recent(began));
        }
        if counted.len() >= MAX_EXCHANGERS && !counted.contains_key(from) {
            return Err(Error::Busy("too many bring ID tokens at once: come back in a minute".into()));
        }
        let (began, times) = counted.entry(from.to_owned()).or_insert((Instant::now(), 0));
        if !is_recent(began) {
            (*began, *times) = (Instant::now(), 0);
        }
        if *times >= EXCHANGES_A_MINUTE {
            return Err(Error::Busy("too many ID tokens came from here: come back in a minute".into()));
        }
        *times += 1;
        Ok(())
    }

    /// Spends a token, or says that it is spent.
    fn spend(&self, id_token: &str, claims: &Claims, now: i64) -> Result<()> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= MAX_EXCHANGED_TOKENS {
            spent.retain(|_, until| now <= *until);
        }
        if spent.len() >= MAX_EXCHANGED_TOKENS {
            return Err(Error::Busy(
                "too many ID tokens were exchanged lately: come back in a minute".into(),
            ));
        }
        let until = claims.issued_at.saturating_add(MAX_ID_TOKEN_AGE_SECONDS);
        match spent.insert(digest(id_token), until) {
            None => Ok(()),
            Some(_) => Err(Error::Refused(
                "this ID token was exchanged for a code already: get a new one from the provider".into(),
            )),
        }
    }
}

/// Of what is signed, and not of the signature: some kinds of those can be written in more than one way.
fn digest(id_token: &str) -> [u8; 32] {
    let signed = id_token.rsplit_once('.').map_or(id_token, |(signed, _)| signed);
    Sha256::digest(signed).into()
}

impl<D: Directory> Service<D> {
    /// Gives whoever brings a fresh ID token a one-time code, as `asked` or under the name that the claims come to. `from` is who
    /// brings it: for the journal, and so that nobody tries without end.
    pub async fn exchange_token(
        &self,
        from: &str,
        asked: Option<Name>,
        id_token: Zeroizing<String>,
    ) -> Result<(Name, LoginCode)> {
        self.exchanges.count(from)?;
        let claims = self.known_provider()?.verify(&id_token).await.map_err(refusal)?;
        let now = self.clock.unix_seconds();
        if now.saturating_sub(claims.issued_at) > MAX_ID_TOKEN_AGE_SECONDS {
            return Err(Error::Refused(format!(
                "this ID token is older than {} minutes: get a new one from the provider",
                MAX_ID_TOKEN_AGE_SECONDS / 60
            )));
        }
        let arrived = self.arrive_for_code(&claims, &id_token, asked).await?;
        self.reception().vouched_again(&arrived, claims.issued_at).await;
        self.code_for(from, &arrived, &claims, &id_token).await
    }

    /// Lets somebody in whom a token vouches for that was checked in every way.
    pub(super) async fn arrive_for_code(
        &self,
        claims: &Claims,
        id_token: &Zeroizing<String>,
        asked: Option<Name>,
    ) -> Result<Arrived> {
        let asked = match asked {
            Some(asked) => asked,
            None => login_name(claims, &self.current_settings().oidc_users).map_err(Error::Refused)?,
        };
        let reserved = self.reservations.get(asked).map(|reservation| reservation.uuid);
        self.reception().show_in(claims, id_token.clone(), asked, reserved).await
    }

    /// The code of whoever was let in by a token.
    pub(super) async fn code_for(
        &self,
        from: &str,
        arrived: &Arrived,
        claims: &Claims,
        id_token: &str,
    ) -> Result<(Name, LoginCode)> {
        let found = self.directory.user(Key::Name(arrived.name)).await?;
        let member = found.filter(|member| member.user.uuid == arrived.uuid);
        let member = member.ok_or_else(|| Error::no_user(arrived.name))?;
        if let Some(objection) = self.objection(&member) {
            return Err(Error::Refused(format!("{} cannot log in on this node: {objection}", arrived.name)));
        }
        if self.is_refused(&arrived.uuid) {
            return Err(Error::Refused(recheck::REFUSED.into()));
        }
        // Only now: whoever was refused, or lost an answer to trouble, may come again with the same token.
        self.exchanges.spend(id_token, claims, self.clock.unix_seconds())?;
        let code = self.codes.issue(&member.user, LOGIN_CODE_LIFETIME, Grounds::Provider)?;
        tracing::info!(user = %arrived.name, from, is_new = arrived.created, "a one-time code was given for the provider's word");
        Ok((arrived.name, code))
    }
}

#[cfg(test)]
mod tests;
