//! Copying the whole directory: what must not come of it, how far it is, and what is said when it shows somebody else than
//! before. It is believed all the same: whoever restores a backup means it.

use identity::{Name, Uid};
use tokio::sync::watch;

use super::Replicated;
use crate::directory::{Contact, Counts, Directory, Error, Member, Position, Result, Sink, Team};
use crate::limits::MAX_NAMED_CHANGED_HANDS;
use crate::store::sql::{Loader, copy_secrets};

/// A copy of the whole directory is told of in the journal after so many users.
const TELL_EVERY: u64 = 20_000;

/// With so many users, one that has lost half of them at once is likely to be another directory than was meant.
const MANY_USERS: u64 = 20;

impl<S: Directory> Replicated<S> {
    /// Copies the whole directory.
    pub(super) async fn start_over(&self) -> Result<()> {
        let before = (self.replica.position().await?.epoch, self.replica.counts().await?.users);
        let offered = self.source.counts().await?;
        if offered.users == 0 && (before.1 > 0 || self.shows_accounts) {
            return Err(Error::Failed(
                "the shared directory is empty, but this node shows accounts, which stay: bring the database back, or \
                 remove replica.sqlite and the snapshot of this node to begin with nobody"
                    .into(),
            ));
        }
        tracing::info!(users = offered.users, "copying the whole directory");
        let mut loader = self.replica.reload().await?;
        let progress = Watched { sink: &mut loader, contact: &self.contact, users: 0, of: 0 };
        let mut dumped = self.source.dump(&mut { progress }).await;
        self.contact.send_modify(|contact| contact.copying = None);
        if self.stand_in.is_some() && dumped.is_ok() {
            dumped = copy_secrets(&*self.source, &mut loader).await.and(dumped);
        }
        // What was remembered of passwords was of another history, in which the same revisions meant something else.
        if let Some(node) = &self.node
            && dumped.is_ok()
        {
            node.forget_remembered(i64::MAX).await?;
        }
        let changed_hands = match dumped {
            Ok(_) => changed_hands(&mut loader).await?,
            Err(_) => Vec::new(),
        };
        let position = loader.finish(dumped).await?;
        tracing::info!(revision = position.revision, "this node has the whole directory");
        let shrunk = self.compared_with(before, (&position.epoch, self.replica.counts().await?.users));
        self.contact.send_modify(|contact| contact.warnings = [shrunk, changed_hands].concat());
        self.moved.notify_one();
        Ok(())
    }

    /// Says when this is another directory than before, and what an admin should look at as long as podyd runs.
    fn compared_with(&self, before: (String, u64), now: (&str, u64)) -> Vec<String> {
        let ((epoch_before, users_before), (epoch, users)) = (before, now);
        if users_before == 0 || users == users_before && epoch == epoch_before {
            return Vec::new();
        }
        let (_, place) = self.source.describe();
        if epoch != epoch_before {
            tracing::warn!(%place, users_before, users, "this is another directory than this node had, and takes its place");
        }
        if users_before < MANY_USERS || users >= users_before / 2 {
            return Vec::new();
        }
        let shrunk = format!(
            "the directory at {place} has {users} users, and the one that this node had before had {users_before}: if that \
             is not what you meant, look at the address in the configuration, and at that directory"
        );
        tracing::warn!("{shrunk}");
        vec![shrunk]
    }
}

/// Names users whose uids were others' before: the files of those are theirs now.
async fn changed_hands(loader: &mut Loader) -> Result<Vec<String>> {
    let found = loader.changed_hands(MAX_NAMED_CHANGED_HANDS as u32).await?;
    let sentence = |(uid, before, now): &(Uid, String, String)| {
        format!(
            "uid {uid} was {before}'s on this node and is another user's now, {now}'s, who owns the files that {before} left \
             here: find / -uid {uid}"
        )
    };
    let sentences: Vec<_> = found.iter().map(sentence).collect();
    sentences.iter().for_each(|sentence| tracing::error!("{sentence}"));
    Ok(sentences)
}

/// A sink that has told how far a copy is.
struct Watched<'a, S> {
    sink: &'a mut S,
    contact: &'a watch::Sender<Contact>,
    users: u64,
    of: u64,
}

impl<S: Sink> Sink for Watched<'_, S> {
    async fn begin(&mut self, position: &Position, counts: Counts) -> Result<()> {
        self.of = counts.users;
        self.sink.begin(position, counts).await
    }

    async fn users(&mut self, page: Vec<Member>) -> Result<()> {
        let (before, now) = (self.users, self.users + page.len() as u64);
        self.sink.users(page).await?;
        self.users = now;
        self.contact.send_modify(|contact| contact.copying = Some((now, self.of)));
        if now / TELL_EVERY > before / TELL_EVERY {
            tracing::info!(users = now, of = self.of, "copying the whole directory");
        }
        Ok(())
    }

    async fn groups(&mut self, page: Vec<(Team, Vec<(Name, Uid)>)>) -> Result<()> {
        self.sink.groups(page).await
    }
}
