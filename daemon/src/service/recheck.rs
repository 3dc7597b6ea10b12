//! Asking the OpenID provider again, now and then, about people who logged in at it: whoever it has ended is refused on this node
//! until it vouches for them again, and what it says anew of the others is taken to the directory as at a login.
//!
//! It asks by refresh tokens, which are kept sealed. While the provider is away, nothing changes.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use identity::Name;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::login::judge_account;
use super::oidc::Reception;
use super::{PUBLISH_DEADLINE, Service, Verdict};
use crate::config::Secret;
use crate::directory::{Arrived, Directory, Error, Identity, Key, Member, Result};
use crate::limits::{
    MAX_CLOCK_SKEW_SECONDS, MAX_IDENTITIES_PER_USER, MAX_NAMED_REFUSED, MAX_RECHECKS, MAX_WITHOUT_TOKEN,
    RECHECK_AGAIN_AFTER, RECHECK_AGAIN_AT_LEAST_EVERY, RECHECK_TICK, RECHECKS_AT_ONCE,
};
use crate::store::{RefreshToken, Vault};
use crate::verifiers::oidc::{self, Claims, Provider, Refreshed, Trouble};

/// What a person is told whom the provider has ended.
pub const REFUSED: &str =
    "Your account was ended at the OpenID provider. If that is not so any more, log in there again.";

/// How the provider took a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contact {
    Answers,
    /// It vouches on, and does not tell now what else has changed. Who has ended is still to be had of it.
    Half,
    /// It says nothing of this person; of others it may.
    Unknown,
    /// It is away, or does not take this client: everybody else's question would end like this one.
    Away,
}

/// What rechecks and logins have in common.
#[derive(Default)]
pub struct Rechecks {
    /// Held from what the disk is told of a refusal until lookups are told, so that both hear of all in one order.
    refusals: AsyncMutex<()>,
    /// Who was approved without a refresh token, and told of.
    without_token: Mutex<BTreeSet<String>>,
}

impl Rechecks {
    pub(super) fn is_first_without_token(&self, uuid: &str) -> bool {
        let mut told = self.without_token.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MAX_WITHOUT_TOKEN && told.insert(uuid.to_owned())
    }
}

impl<D: Directory> Service<D> {
    /// Asks about whoever it is time to ask about, until podyd stops.
    pub async fn recheck_users(&self, mut stop: watch::Receiver<bool>) {
        let mut pause = RECHECK_TICK;
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                _ = stop.changed() => return,
            }
            pause = match self.recheck_those_due().await {
                Ok(true) => RECHECK_TICK,
                Ok(false) => (2 * pause).clamp(RECHECK_AGAIN_AFTER, RECHECK_AGAIN_AT_LEAST_EVERY),
                Err(error) => {
                    tracing::warn!(%error, "nobody is asked about at the OpenID provider");
                    RECHECK_AGAIN_AT_LEAST_EVERY
                }
            };
        }
    }

    /// Asks about all who are due, a few at a time; says whether the provider answers.
    pub(super) async fn recheck_those_due(&self) -> Result<bool> {
        let settings = self.current_settings();
        if settings.oidc.recheck_interval.is_zero() || !settings.oidc.is_configured() {
            let count = self.node.forget_refresh_tokens().await?;
            if count > 0 {
                tracing::info!(count, "refresh tokens are deleted: oidc.recheck_interval is off");
            }
            return Ok(true);
        }
        let Some(Ok(provider)) = self.provider() else { return Ok(false) };
        let reception = self.reception();
        let mut tells_all = true;
        // Whoever is asked about in this round is not due in it again.
        let now = self.clock.unix_seconds();
        loop {
            let due = self.node.due_refresh_tokens(now, MAX_RECHECKS).await?;
            for some in due.chunks(RECHECKS_AT_ONCE) {
                let asked =
                    join_all(some.iter().map(|token| reception.recheck(&provider, token, tells_all))).await;
                let contacts = asked.into_iter().collect::<Result<Vec<_>>>()?;
                if contacts.iter().all(|contact| *contact == Contact::Unknown)
                    || contacts.contains(&Contact::Away)
                {
                    return Ok(false);
                }
                tells_all &= !contacts.contains(&Contact::Half);
            }
            if due.is_empty() {
                return Ok(tells_all);
            }
        }
    }

    /// Whether the provider has ended somebody, who therefore does not come in here until it vouches for them again.
    pub fn is_refused(&self, uuid: &str) -> bool {
        self.published.refused().contains(uuid)
    }

    /// The same of whoever has this name now.
    pub(super) async fn is_refused_by_name(&self, name: Name) -> Result<bool> {
        if self.published.refused().is_empty() {
            return Ok(false);
        }
        let member = self.directory.user(Key::Name(name)).await?;
        Ok(member.is_some_and(|member| self.is_refused(&member.user.uuid)))
    }

    /// Those whom it has ended, and who are still there.
    pub(super) async fn refused_users(&self) -> Vec<Name> {
        let uuids: Vec<String> = self.published.refused().iter().cloned().collect();
        if uuids.is_empty() {
            return Vec::new();
        }
        let users =
            self.directory.present(&uuids, &[]).await.map(|present| present.users).unwrap_or_default();
        users.into_iter().map(|member| member.user.name).collect()
    }
}

/// What an admin should know of them.
pub fn warning(refused: &[Name]) -> Option<String> {
    let named: Vec<&str> = refused.iter().take(MAX_NAMED_REFUSED).map(Name::as_str).collect();
    let others = if refused.len() > named.len() { ", …" } else { "" };
    (!named.is_empty()).then(|| {
        format!(
            "{} refused on this node, since the OpenID provider has ended their logins: {}{others}. Lock or delete those who \
             are gone; podyctl user unlock NAME lets somebody in again",
            refused.len(),
            named.join(", ")
        )
    })
}

impl<D: Directory> Reception<D> {
    /// Somebody was approved just now: they come in again, and are asked about from now on.
    pub async fn approved(&self, arrived: &Arrived, claims: &Claims, token: Option<Secret>) {
        // The token comes first: once another is in its place, the one before ends nobody any more.
        match token.filter(|_| !self.recheck_interval().is_zero()) {
            None => self.has_no_token(arrived).await,
            Some(token) => {
                if let Err(error) = self.keep_token(arrived, claims, &token).await {
                    tracing::warn!(user = %arrived.name, %error, "the provider will not be asked again about this login");
                }
            }
        }
        if let Err(error) = self.readmit(&arrived.uuid).await {
            tracing::warn!(user = %arrived.name, %error, "approved, and still refused");
        }
    }

    /// Some providers give one at the first login alone.
    async fn has_no_token(&self, arrived: &Arrived) {
        let is_asked_about = async || {
            let kept = self.node.users_with_refresh_tokens().await;
            kept.is_ok_and(|users| users.contains(&arrived.uuid))
        };
        if self.recheck_interval().is_zero()
            || is_asked_about().await
            || !self.rechecks.is_first_without_token(&arrived.uuid)
        {
            return;
        }
        tracing::warn!(
            user = %arrived.name,
            "approved without a refresh token, so that the provider is not asked again about this user: let it give this \
             client offline access, or set oidc.recheck_interval to \"0s\""
        );
    }

    /// Somebody came with a token that was issued then: if the provider has ended them before that, by whatever clock, it has
    /// changed its mind.
    pub async fn vouched_again(&self, arrived: &Arrived, issued_at: i64) {
        if !self.published.refused().contains(&arrived.uuid) {
            return;
        }
        let refused = self.node.refused().await.unwrap_or_default();
        let is_newer = |(uuid, since): &(String, i64)| {
            *uuid == arrived.uuid && since.saturating_add(MAX_CLOCK_SKEW_SECONDS) < issued_at
        };
        if refused.iter().any(is_newer)
            && let Err(error) = self.readmit(&arrived.uuid).await
        {
            tracing::warn!(user = %arrived.name, %error, "vouched for, and still refused");
        }
    }

    /// Ends somebody's refusal, and waits until it is seen to have ended.
    pub async fn readmit(&self, uuid: &str) -> Result<()> {
        let in_order = self.rechecks.refusals.lock().await;
        if !self.published.refused().contains(uuid) {
            return Ok(());
        }
        self.node.readmit(uuid).await?;
        self.published.refuse(uuid, false);
        drop(in_order);
        tracing::info!(uuid, "refused no more");
        let late = |_| Error::Busy("lookups on this node do not show it yet".into());
        timeout(PUBLISH_DEADLINE, self.published.shows_refused()).await.map_err(late)
    }

    async fn keep_token(&self, arrived: &Arrived, claims: &Claims, token: &Secret) -> Result<()> {
        let token = RefreshToken {
            user_uuid: arrived.uuid.clone(),
            identity: Identity::new(&claims.issuer, &claims.subject)?,
            sealed: self.vault()?.seal(&arrived.uuid, token),
            next_check: self.next_check(),
            answer_is_lost: false,
        };
        self.node.keep_refresh_token(&token).await
    }

    /// Asks about one user, and of what else has changed where the provider tells that. The error is this node's own trouble.
    async fn recheck(&self, provider: &Provider, token: &RefreshToken, tells_all: bool) -> Result<Contact> {
        let present = self.directory.present(std::slice::from_ref(&token.user_uuid), &[]).await?;
        let may_come = |member: &Member| {
            judge_account(&member.user, self.clock.today()).verdict == Verdict::Granted
                && token.identity.issuer() == self.current_settings().oidc.issuer.as_str()
        };
        let Some(member) = present.users.into_iter().find(may_come) else {
            self.forget(token).await?;
            return Ok(Contact::Answers);
        };
        let user = member.user.name;
        let Some(secret) = self.vault()?.unseal(&token.user_uuid, &token.sealed) else {
            tracing::warn!(%user, "the key of this refresh token is lost: the provider is not asked again before the next login");
            self.node.forget_refresh_token(token).await?;
            return Ok(Contact::Answers);
        };
        // Until there is an answer, it is not known whether there was one.
        let asked = RefreshToken { answer_is_lost: true, ..token.clone() };
        self.node.renew_refresh_token(token, &asked).await?;
        match provider.refresh(&secret).await {
            Refreshed::Vouched { id_token, access_token, refresh_token } => {
                let sealed = match refresh_token {
                    Some(new) => self.vault()?.seal(&token.user_uuid, &new),
                    None => token.sealed.clone(),
                };
                let next_check = self.next_check();
                let renewed = RefreshToken { sealed, next_check, answer_is_lost: false, ..token.clone() };
                if !self.node.renew_refresh_token(token, &renewed).await? {
                    return Ok(Contact::Answers);
                }
                match id_token {
                    Some(_) if !tells_all => self.ask_soon(&renewed).await,
                    Some(id_token) => {
                        let said = provider.verify_and_ask(id_token.expose(), access_token.as_ref()).await;
                        self.bring_up_to_date(&member, &renewed, id_token, said).await
                    }
                    None => {
                        self.is_vouched_for(&member).await;
                        Ok(Contact::Answers)
                    }
                }
            }
            // What was used up by an answer that nobody has heard says nothing of its owner.
            Refreshed::Ended(why) if token.answer_is_lost => {
                tracing::warn!(%user, %why, "an answer of the provider was lost: it is not asked again before the next login");
                self.forget(token).await?;
                Ok(Contact::Answers)
            }
            Refreshed::Ended(why) => {
                // The answer is here. Should this node stop before it has taken it in, it is to ask again, and to believe it.
                self.node.renew_refresh_token(token, token).await?;
                self.refuse(&member, token, &why.to_string()).await?;
                Ok(Contact::Answers)
            }
            Refreshed::Unknown { why, answer_is_lost, is_away } => {
                tracing::warn!(%user, %why, "the provider does not tell whether somebody is still welcome");
                let answer_is_lost = answer_is_lost || token.answer_is_lost;
                let later =
                    RefreshToken { next_check: self.another_check(), answer_is_lost, ..token.clone() };
                self.node.renew_refresh_token(token, &later).await?;
                Ok(if is_away { Contact::Away } else { Contact::Unknown })
            }
        }
    }

    /// It vouches on, and the rest is to be had of it later.
    async fn ask_soon(&self, token: &RefreshToken) -> Result<Contact> {
        let soon = RefreshToken { next_check: self.another_check(), ..token.clone() };
        self.node.renew_refresh_token(token, &soon).await?;
        Ok(Contact::Half)
    }

    /// Whoever has a token that is good is not refused.
    async fn is_vouched_for(&self, member: &Member) {
        if let Err(error) = self.readmit(&member.user.uuid).await {
            tracing::warn!(user = %member.user.name, %error, "vouched for, and still refused");
        }
    }

    /// Takes what the provider says now to the directory, as at a login.
    async fn bring_up_to_date(
        &self,
        member: &Member,
        token: &RefreshToken,
        id_token: Secret,
        said: oidc::Result<Claims>,
    ) -> Result<Contact> {
        let user = member.user.name;
        let claims = match said {
            Ok(claims) if claims.subject == token.identity.subject() => claims,
            Ok(_) => {
                tracing::warn!(%user, "the provider's new ID token is about somebody else: nothing changes");
                return Ok(Contact::Answers);
            }
            Err(why) if why.trouble == Trouble::Away => {
                tracing::warn!(%user, %why, "the provider vouches on, and does not tell what else has changed: it is asked again");
                return self.ask_soon(token).await;
            }
            Err(why) => {
                tracing::warn!(%user, %why, "what the provider says now proves nothing: nothing changes");
                return Ok(Contact::Answers);
            }
        };
        let id_token: Zeroizing<String> = id_token.into();
        match self.show_in(&claims, id_token, user, None).await {
            Ok(_) => {
                self.is_vouched_for(member).await;
                self.keep_codes(member).await?;
            }
            Err(Error::Unwelcome(why)) => self.refuse(member, token, &why).await?,
            // Somebody else's by now, or nobody's.
            Err(Error::Conflict(_)) if !self.is_linked(member, &token.identity).await => {
                self.forget(token).await?;
            }
            // This node's own trouble with the directory, as when its token has ended there, says nothing of the person.
            Err(why) => {
                tracing::warn!(%user, %why, "what the provider says now is not in the directory yet");
            }
        }
        Ok(Contact::Answers)
    }

    /// What the provider has changed about a user ends no code.
    async fn keep_codes(&self, before: &Member) -> Result<()> {
        let uuid = &before.user.uuid;
        let present = self.directory.present(std::slice::from_ref(uuid), &[]).await?;
        let Some(now) = present.users.first() else { return Ok(()) };
        self.node.follow_relogin_codes(uuid, before.user.revision, now.user.revision).await
    }

    /// Lets somebody in no more whom the provider, or the directory by its word, has ended. Whoever is not linked to it any more
    /// is none of its business.
    async fn refuse(&self, member: &Member, token: &RefreshToken, why: &str) -> Result<()> {
        let (user, uuid) = (member.user.name, &member.user.uuid);
        if !self.is_linked(member, &token.identity).await {
            return self.forget(token).await;
        }
        let in_order = self.rechecks.refusals.lock().await;
        // Another login may have been approved meanwhile.
        if !self.node.refuse(token, self.clock.unix_seconds()).await? {
            return Ok(());
        }
        self.published.refuse(uuid, true);
        drop(in_order);
        tracing::warn!(%user, subject = token.identity.subject(), why, "the provider has ended this user, who is refused here now");
        Ok(())
    }

    /// Forgets a token, if it is still the user's, and the codes that were given for the same login.
    async fn forget(&self, token: &RefreshToken) -> Result<()> {
        if self.node.forget_refresh_token(token).await? {
            self.node.forget_relogin_codes(&token.user_uuid).await?;
        }
        Ok(())
    }

    async fn is_linked(&self, member: &Member, identity: &Identity) -> bool {
        let most = u32::try_from(MAX_IDENTITIES_PER_USER).unwrap_or(u32::MAX);
        let identities = self.directory.identities(Some(member.user.name), None, most).await;
        // A directory that does not say has not unlinked anybody.
        identities.map_or(true, |page| page.items.iter().any(|linked| linked.identity == *identity))
    }

    fn vault(&self) -> Result<Vault> {
        let settings = self.current_settings();
        Vault::open(&settings.paths.state, &settings.oidc.recheck_key)
            .map_err(|error| Error::Failed(format!("the key of refresh tokens cannot be had: {error}")))
    }

    fn recheck_interval(&self) -> Duration {
        self.current_settings().oidc.recheck_interval
    }

    /// When it is asked again of whom it says nothing: not first, so that whoever it is in trouble with holds up nobody else.
    fn another_check(&self) -> i64 {
        let pause = self.recheck_interval().min(RECHECK_AGAIN_AFTER);
        self.clock.unix_seconds().saturating_add_unsigned(pause.as_secs().max(1))
    }

    /// Within the interval, and up to a quarter of it earlier, so that not everybody who came at nine is asked about at once.
    fn next_check(&self) -> i64 {
        let interval = self.recheck_interval().as_secs();
        let earlier = getrandom::u64().map_or(0, |chance| chance % (interval / 4 + 1));
        self.clock.unix_seconds().saturating_add_unsigned(interval - earlier)
    }
}
