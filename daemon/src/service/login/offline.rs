//! Logins while the shared directory is away: what was right here before is right for a while, unless this node knows that
//! it has changed since.

use identity::{Name, State};
use url::Url;
use zeroize::Zeroizing;

use super::super::Service;
use super::{Decision, Verdict};
use crate::directory::{
    Attempted, Contact, Credential, Directory, Error, Judged, Key, Result, UNKNOWN_REVISION,
};
use crate::store::Remembered;
use crate::verifiers::PasswordHash;
use crate::verifiers::lockout::Subject;

/// A password that is right again is noted at most so often.
const NOTE_AGAIN_AFTER: i64 = 60 * 60;

/// What a password is checked against.
pub(super) enum Known {
    /// What the directory says now; none: no such user.
    Now(Option<Credential>),
    /// What this node remembers, while the directory does not answer.
    Earlier(Credential),
    /// The directory has judged it: verifiers never leave it.
    Judged(Judged),
}

impl<D: Directory> Service<D> {
    /// What is known of a user's password.
    pub(super) async fn known_password(&self, name: Name, source: &Subject, password: &str) -> Result<Known> {
        let attempted = Attempted { name, password, rhost: Some(source.host()) };
        let known = match self.directory.authenticate(attempted).await {
            Ok(Some(judged)) => Ok(Known::Judged(judged)),
            Ok(None) => self.directory.credential(name).await.map(Known::Now),
            Err(error) => Err(error),
        };
        match known {
            // A directory that does not say is, for this login, away: because it is too busy, broken, or does not take our
            // token, which is nobody's mistake who wants to log in.
            Err(Error::Away(why) | Error::Busy(why) | Error::Refused(why) | Error::Failed(why))
                if self.directory.contact().is_some() =>
            {
                let remembered = self.remembered_password(name).await?;
                tracing::info!(user = %name, remembered = remembered.is_some(), %why, "a login without the directory");
                remembered.map(Known::Earlier).ok_or(Error::Away(why))
            }
            known => known,
        }
    }

    /// What a person is told whose password nobody can judge now: why, in words, and nothing that is an admin's business.
    pub(super) fn undecided(&self, name: Name, why: String) -> Result<Decision> {
        let Some(contact) = self.directory.contact() else { return Err(Error::Away(why)) };
        tracing::warn!("{name} cannot be authenticated: {why}");
        let (_, place) = self.directory.describe();
        let host = Url::parse(&place).ok().and_then(|url| Some(format!(" at {}", url.host_str()?)));
        let (is, then) = match contact {
            Contact { is_away: true, .. } => ("cannot be reached", "Please try again later."),
            Contact { trouble: Some(_), .. } => {
                ("cannot be used by this machine", "Please tell an administrator of this system.")
            }
            _ => ("does not answer", "Please try again in a moment."),
        };
        let host = host.unwrap_or_default();
        let message = format!("Your password could not be checked: the account service{host} {is}. {then}");
        Ok(Decision { verdict: Verdict::Unavailable, message: Some(message) })
    }

    /// Counts what the directory found out, and remembers what was right.
    pub(super) async fn judged_elsewhere(
        &self,
        subjects: &[Subject; 2],
        name: Name,
        judged: Judged,
        password: Zeroizing<String>,
    ) -> Result<Judged> {
        if matches!(judged, Judged::LockedOut { .. }) {
            return Ok(judged);
        }
        let is_right = matches!(judged, Judged::Right { .. });
        if !is_right {
            self.reconsider(name, password.clone()).await;
        }
        if let Some(until) = self.settle(subjects, is_right).await {
            return Ok(Judged::LockedOut { seconds: self.seconds_until(until) });
        }
        let Judged::Right { uuid, revision, is_current } = &judged else { return Ok(judged) };
        let known = self.directory.user(Key::Name(name)).await?;
        if known.is_none_or(|known| known.user.uuid != *uuid) {
            return Err(Error::Busy(format!("{name} has just become another user; try again in a moment")));
        }
        // What another node only remembers does not get any younger here.
        if *is_current {
            let credential = Credential { uuid: uuid.clone(), hash: None, revision: *revision };
            self.remember(&credential, password).await;
        }
        Ok(judged)
    }

    /// Forgets what is remembered of somebody if it is this password, which is wrong now. Other directories say when a password
    /// was set; of one that does not, this is all that tells. Nobody waits for it.
    async fn reconsider(&self, name: Name, password: Zeroizing<String>) {
        let Ok(Some(remembered)) = self.remembered_password(name).await else { return };
        if remembered.revision != UNKNOWN_REVISION {
            return;
        }
        let (node, pool) = (self.node.clone(), self.pool.clone());
        tokio::spawn(async move {
            let hash = remembered.hash.and_then(|hash| PasswordHash::parse(&hash).ok());
            let is_another = match pool.check(&name, hash, password).await {
                Ok((verified, _)) => !verified.ok,
                // Whether it is has to be found out another time; until then it is not to be relied on.
                Err(_) => false,
            };
            if !is_another && let Err(error) = node.forget_password(&remembered.uuid).await {
                tracing::warn!(user = %name, %error, "a password that was changed stays remembered");
            }
        });
    }

    async fn remembered_password(&self, name: Name) -> Result<Option<Credential>> {
        let Some(member) = self.directory.user(Key::Name(name)).await? else {
            return Ok(None);
        };
        // Whoever is unlocked later has to show again that the password is theirs.
        if member.user.state == State::Locked {
            self.node.forget_password(&member.user.uuid).await?;
            return Ok(None);
        }
        let uuid = member.user.uuid;
        let Some(remembered) = self.node.remembered(&uuid).await? else {
            return Ok(None);
        };
        let Remembered { hash, password_revision: revision, proven_at } = remembered;
        let is_young = self.clock.unix_seconds().saturating_sub(proven_at) < self.max_age();
        let is_the_same = member.password_revision == Some(revision);
        Ok((is_young && is_the_same).then_some(Credential { uuid, hash: Some(hash), revision }))
    }

    /// Remembers a password that the directory has just found right. The hash is made while nobody waits, once for each
    /// password; it has a salt of its own, so that two nodes' memories have nothing in common.
    pub(super) async fn remember(&self, credential: &Credential, password: Zeroizing<String>) {
        if self.directory.contact().is_none() || self.max_age() == 0 {
            return;
        }
        let (uuid, password_revision) = (credential.uuid.clone(), credential.revision);
        let proven_at = self.clock.unix_seconds();
        let earlier = self.node.remembered(&uuid).await.ok().flatten();
        let is_known = password_revision != UNKNOWN_REVISION;
        let earlier = earlier.filter(|earlier| is_known && earlier.password_revision == password_revision);
        if earlier.as_ref().is_some_and(|earlier| proven_at - earlier.proven_at < NOTE_AGAIN_AFTER) {
            return;
        }
        let (node, pool) = (self.node.clone(), self.pool.clone());
        tokio::spawn(async move {
            let hash = match earlier {
                Some(earlier) => earlier.hash,
                None => match pool.hash_again(password).await {
                    Ok(hash) => hash.as_str().to_owned(),
                    // Whoever keeps podyd that busy logs in again.
                    Err(_) => return,
                },
            };
            if let Err(error) = node.remember(&uuid, &Remembered { hash, password_revision, proven_at }).await
            {
                tracing::warn!(%error, "a password is not remembered for when the directory is away");
            }
        });
    }

    /// How long a password is remembered, in seconds.
    fn max_age(&self) -> i64 {
        i64::try_from(self.current_settings().offline.max_age.as_secs()).unwrap_or(i64::MAX)
    }
}
