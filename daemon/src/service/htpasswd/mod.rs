//! An htpasswd file that somebody else writes, and the users that came from it: who is there and what their passwords are
//! stands in the file, everything else about them is an admin's. The file is never written, and users who did not come
//! from it are never touched.

mod file;
mod lines;
mod plan;
mod step;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use identity::{Name, State};
use tokio::sync::Notify;
use tokio::time::interval;

use file::{Stamp, read_settled};
use lines::Lines;
use step::Step;

use super::Service;
use crate::directory::{Directory, Error, Member, Position, Result, Rules, UserChange};
use crate::limits::MAX_HTPASSWD_COMPLAINTS;
use crate::store::{NodeStore, Taken};
use crate::watch;

/// How often the file and the directory are looked at in case a change went unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Lines that the status shows; the journal has more.
const SHOWN_LINES: usize = 20;

/// The file that this node follows, and what it has come to.
#[derive(Debug)]
pub struct Htpasswd {
    path: PathBuf,
    node: NodeStore,
    state: Mutex<Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    /// What was taken, by user.
    taken: HashMap<String, Taken>,
    /// What there was at the last look.
    seen: Option<Seen>,
    /// Why the file, or some of its lines, cannot be taken.
    complaints: Vec<String>,
}

/// Whatever the outcome of a look depends on.
#[derive(Debug)]
struct Seen {
    file: Option<Stamp>,
    position: Position,
    rules: Arc<Rules>,
}

impl Seen {
    fn is_same(&self, other: &Self) -> bool {
        self.file == other.file && self.position == other.position && Arc::ptr_eq(&self.rules, &other.rules)
    }
}

impl Htpasswd {
    /// A file to follow, which need not be there yet; the node knows what was taken from it earlier.
    pub async fn new(path: PathBuf, node: NodeStore) -> Result<Self> {
        let state = Followed { taken: node.taken().await?, ..Followed::default() };
        Ok(Self { path, node, state: Mutex::new(state) })
    }

    /// What an admin should know.
    pub fn warnings(&self) -> Vec<String> {
        let complaints = &self.state().complaints;
        let more = complaints.len().saturating_sub(SHOWN_LINES);
        let more =
            (more > 0).then(|| format!("{}: {more} more; see: journalctl -u podyd", self.path.display()));
        complaints.iter().take(SHOWN_LINES).cloned().chain(more).collect()
    }

    fn state(&self) -> MutexGuard<'_, Followed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wrong, once.
    fn complain(&self, complaints: Vec<String>) {
        let mut state = self.state();
        let known: BTreeSet<&String> = state.complaints.iter().collect();
        let new = complaints.iter().filter(|complaint| !known.contains(complaint));
        new.take(MAX_HTPASSWD_COMPLAINTS).for_each(|complaint| tracing::warn!("{complaint}"));
        state.complaints = complaints;
    }

    /// Says that nothing could be done, which is tried again at the next look.
    fn give_up(&self, what: &str, why: impl std::fmt::Display) {
        self.state().seen = None;
        self.complain(vec![format!("{} {what}: {why}", self.path.display())]);
    }

    fn taken(&self, uuid: &str) -> Taken {
        self.state().taken.get(uuid).cloned().unwrap_or_default()
    }

    /// Notes what was taken. Where that cannot be written it is known until podyd ends, and taken once more then.
    async fn note(&self, notes: Vec<(String, Option<Taken>)>) {
        if notes.is_empty() {
            return;
        }
        if let Err(error) = self.node.note_taken(&notes).await {
            tracing::warn!(%error, "what was taken from the htpasswd file is known until podyd ends");
        }
        let mut state = self.state();
        for (uuid, taken) in notes {
            match taken {
                Some(taken) => state.taken.insert(uuid, taken),
                None => state.taken.remove(&uuid),
            };
        }
    }

    async fn note_lock(&self, uuid: &str, locked: bool) {
        let taken = self.taken(uuid);
        if taken.locked != locked {
            self.note(vec![(uuid.to_owned(), Some(Taken { locked, ..taken }))]).await;
        }
    }

    async fn forget_all_but(&self, living: BTreeSet<&str>) {
        let gone: Vec<_> = (self.state().taken.keys())
            .filter(|uuid| !living.contains(uuid.as_str()))
            .map(|uuid| (uuid.clone(), None))
            .collect();
        self.note(gone).await;
    }
}

impl<D: Directory> Service<D> {
    /// Keeps the users of the htpasswd file in step, if there is one, until it is dropped.
    pub async fn follow_htpasswd(&self) {
        let Some(htpasswd) = &self.htpasswd else { return };
        let changed = Arc::new(Notify::new());
        if let Err(error) = watch_file(&htpasswd.path, &changed) {
            let file = htpasswd.path.display();
            tracing::warn!(%error, "{file} cannot be watched; it is looked at once a minute");
        }
        let mut rules = self.rules.clone();
        let mut looks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = changed.notified() => {}
                Ok(()) = rules.changed() => {}
            }
            self.look_at_htpasswd().await;
        }
    }

    /// Looks at the htpasswd file and does what it says.
    pub async fn look_at_htpasswd(&self) {
        let Some(htpasswd) = &self.htpasswd else { return };
        if let Err(error) = self.look(htpasswd).await {
            htpasswd.give_up("could not be followed to its end", error);
        }
    }

    async fn look(&self, htpasswd: &Htpasswd) -> Result<()> {
        let path = &htpasswd.path;
        let position = self.directory.position().await?;
        let seen = Seen { file: Stamp::now(path), position, rules: self.current_rules() };
        if htpasswd.state().seen.as_ref().is_some_and(|before| before.is_same(&seen)) {
            return Ok(());
        }
        let (text, file) = read_settled(path).await;
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                htpasswd.give_up("cannot be read; its users stay as they are", error);
                return Ok(());
            }
        };
        let step = Step { service: self, htpasswd };
        let known = step.users().await?;
        let mut lines = Lines::parse(&text, |hash| self.pool.has_room_for(hash));
        known.keys().for_each(|name| lines.tell_that_nothing_changes_for(name));
        let refused = step.take(&lines, &known).await?;
        let doubt = lines.doubt.filter(|_| !known.is_empty());
        let doubt =
            doubt.map(|why| format!("{}: {why}; nobody is disabled for not being in it", path.display()));
        let refused = refused.into_iter().map(|(line, why)| format!("{}:{line}: {why}", path.display()));
        htpasswd.complain(doubt.into_iter().chain(refused).collect());
        htpasswd.state().seen = Some(Seen { file, ..seen });
        Ok(())
    }

    /// Refuses to set a password that stands in the htpasswd file: what is set here would not be what the file says.
    pub(super) async fn check_password_is_ours(&self, name: Name) -> Result<()> {
        let Some(htpasswd) = &self.htpasswd else { return Ok(()) };
        if self.user_of_the_file(name).await?.is_none() {
            return Ok(());
        }
        let file = htpasswd.path.display();
        Err(Error::Refused(format!(
            "{name}'s password stands in {file}, where an administrator changes it: htpasswd -B {file} {name}"
        )))
    }

    /// Refuses what the htpasswd file decides.
    pub(super) async fn check_change_is_ours(&self, name: Name, change: &UserChange) -> Result<()> {
        let Some(htpasswd) = &self.htpasswd else { return Ok(()) };
        let Some(Member { user, .. }) = self.user_of_the_file(name).await? else { return Ok(()) };
        let file = htpasswd.path.display();
        if change.name.is_some_and(|new| new != name) {
            return Err(Error::Refused(format!(
                "{name} comes from {file}, which knows this user by this name; it cannot be changed"
            )));
        }
        if change.state == Some(State::Active) && htpasswd.taken(&user.uuid).locked {
            return Err(Error::Refused(format!(
                "{name} is locked since there is no line in {file} that lets this user in; put one there"
            )));
        }
        Ok(())
    }

    /// An admin has locked a user: from now on no line unlocks it.
    pub(super) async fn locked_by_admin(&self, uuid: &str) {
        if let Some(htpasswd) = &self.htpasswd {
            htpasswd.note_lock(uuid, false).await;
        }
    }
}

fn watch_file(path: &Path, changed: &Arc<Notify>) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    watch::files(path.parent().unwrap_or(path), &[name.to_owned()], Arc::clone(changed))
}
