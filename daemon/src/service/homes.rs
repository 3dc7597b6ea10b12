//! Homes of this node: made as the first session of somebody begins, and put away once the directory says that they were
//! deleted. podyd-helper does both, and asks nobody whether it should: what it may touch, it looks up itself.
//!
//! Which homes somebody had here is written down, since a tombstone does not say where they were. Nothing but the
//! tombstone of that very user counts: a directory that is away, new, or another one than before has none.

mod elsewhere;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::helper::{ArchiveHome, MakeHome, RemoveHome};
use tokio::time::{Instant, interval};

use super::Service;
use crate::config::OnDelete;
use crate::directory::{Directory, Error, Member, Result, Tombstone};
use crate::limits::{
    DELETIONS_EVERY, HELPER_REMOVES_WITHIN, MAX_PAGE, MAX_REMOVALS_IN_A_ROW, PUT_AWAY_AGAIN_WITHIN,
};
use crate::store::Home;
pub use elsewhere::Elsewhere;

/// Homes of deleted users that are still there, by the identities of those and their paths.
#[derive(Default)]
pub struct Waiting(Mutex<BTreeMap<Key, Left>>);

type Key = (String, String);

struct Left {
    why: String,
    pause: Duration,
    again: Instant,
}

impl Waiting {
    /// Each home, and why it is still there.
    pub(super) fn findings(&self) -> Vec<String> {
        let told = |((_, home), left): (&Key, &Left)| {
            format!("{home}, the home of a deleted user, is still there: {}", left.why)
        };
        self.all().iter().map(told).collect()
    }

    fn is_to_wait(&self, key: &Key) -> bool {
        self.all().get(key).is_some_and(|left| left.again > Instant::now())
    }

    /// Tries again later, and each time later still. Whether that is news.
    fn put_off(&self, key: Key, why: String) -> bool {
        let mut all = self.all();
        let before = all.get(&key);
        let is_new = before.is_none_or(|left| left.why != why);
        let pause = before.map_or(DELETIONS_EVERY, |left| PUT_AWAY_AGAIN_WITHIN.min(left.pause * 2));
        let left = Left { why, pause, again: Instant::now() + pause };
        all.insert(key, left);
        is_new
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Left>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Directory> Service<D> {
    /// Sees to it that somebody whose session begins has a home. What comes back is for them to read: why there is none, if
    /// that is known; it keeps nobody out.
    pub async fn home_is_made(&self, member: &Member) -> Option<String> {
        let user = &member.user;
        let settings = self.current_settings();
        if settings.homes.place_of(&user.home).is_none() {
            if settings.homes.are_looked_after() {
                self.elsewhere.note(user);
            }
            return None;
        }
        let home = Home { name: user.name.to_string(), uid: user.uid.0, home: user.home.to_string() };
        if let Err(error) = self.node.note_home(&user.uuid, &home).await {
            tracing::warn!(user = %user.name, %error, "nobody will know where this home was once its owner is deleted");
        }
        if !settings.homes.create {
            return None;
        }
        let Home { name, uid, home } = home;
        match self.helper.call_about(uid, &MakeHome { name, uid, gid: user.gid.0, home }).await {
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(user = %user.name, home = %user.home, %error, "a home is not made");
                // Whether there is one is not known while the helper is away, and mostly there is.
                let is_known = !matches!(error, Error::Away(_) | Error::Busy(_));
                is_known.then(|| format!("Your home directory {} could not be made: {error}", user.home))
            }
        }
    }

    /// Puts away the homes of deleted users, for as long as podyd runs: also of those who were deleted while it did not.
    pub async fn put_away_homes(&self) {
        let mut turns = interval(DELETIONS_EVERY);
        let (mut seen, mut left) = (None, true);
        loop {
            turns.tick().await;
            let shown = self.shown();
            if !left && shown == seen {
                continue;
            }
            match self.put_away_once().await {
                Ok(some_left) => (seen, left) = (shown, some_left),
                Err(error) => tracing::debug!(%error, "homes of deleted users wait"),
            }
        }
    }

    /// Goes once through all homes that are known. Whether some are left to put away.
    pub(super) async fn put_away_once(&self) -> Result<bool> {
        let mut left = false;
        let mut after = Key::default();
        loop {
            let homes = self.node.homes((&after.0, &after.1), MAX_PAGE).await?;
            let Some((uuid, last)) = homes.last() else { return Ok(left) };
            after = (uuid.clone(), last.home.clone());
            let mut uuids: Vec<String> = homes.iter().map(|(uuid, _)| uuid.clone()).collect();
            uuids.dedup();
            let gone = self.directory.present(&uuids, &[]).await?.gone_users;
            for (uuid, home) in
                homes.into_iter().filter(|(uuid, home)| gone.iter().any(|one| is_of(one, uuid, home)))
            {
                left |= !self.is_put_away(uuid, &home).await?;
            }
        }
    }

    /// Whether a home is forgotten. Else it is there, and another time may be better.
    async fn is_put_away(&self, uuid: String, home: &Home) -> Result<bool> {
        let key = (uuid, home.home.clone());
        if self.waiting.is_to_wait(&key) {
            return Ok(false);
        }
        match self.put_away(home).await {
            Ok(true) => {
                self.node.forget_home(&key.0, &key.1).await?;
                self.waiting.all().remove(&key);
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => {
                let Home { name, home, .. } = home;
                if self.waiting.put_off(key, error.to_string()) {
                    tracing::warn!(user = name, home, %error, "the home of a deleted user is still there");
                }
                Ok(false)
            }
        }
    }

    /// Whether there is no more to do about this home.
    async fn put_away(&self, Home { name, uid, home }: &Home) -> Result<bool> {
        let (name, uid, home) = (name.clone(), *uid, home.clone());
        let homes = &self.current_settings().homes;
        let is_elsewhere = home.parse().is_ok_and(|home| homes.place_of(&home).is_none());
        if is_elsewhere && homes.on_delete != OnDelete::Keep {
            tracing::warn!(
                user = name,
                home,
                "the home of a deleted user is below none of [homes] roots any more: it is left alone and forgotten"
            );
            return Ok(true);
        }
        let done = match homes.on_delete {
            OnDelete::Keep => Ok(true),
            OnDelete::Archive => self.helper.call(&ArchiveHome { name, uid, home }).await.map(|_| true),
            OnDelete::Remove => self.remove_home(&RemoveHome { name, uid, home }).await,
        };
        match done {
            // It is somebody else's, and nothing will ever be done about it.
            Err(Error::Conflict(why)) => {
                tracing::warn!("{why}");
                Ok(true)
            }
            done => done,
        }
    }

    /// Asks as often as it takes, within reason: others are waiting for the next one.
    async fn remove_home(&self, home: &RemoveHome) -> Result<bool> {
        for _ in 0..MAX_REMOVALS_IN_A_ROW {
            if self.helper.call_within(HELPER_REMOVES_WITHIN, home).await?.done {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a tombstone is that of the very user whose home is known.
fn is_of(tombstone: &Tombstone, uuid: &str, home: &Home) -> bool {
    tombstone.uuid == uuid && tombstone.id == home.uid
}
