//! Keeps this node's snapshot at the directory's revision: follows the change feed, publishes a delta for
//! every change and a new base when the delta has grown.
//!
//! One task owns the files. Everybody else holds a [`Published`]: what lookups show now, and a way to wait
//! until they show a revision.

mod base;
mod delays;
mod model;
mod overlay;
mod published;
mod refused;

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use snapshot::{DeltaEncoder, Encoded, Info, Loaded, Places, PublishError, View, WrittenBase};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::{Instant, interval, sleep_until};

pub use delays::Delays;
pub use published::Published;
pub use refused::Refused;

use base::{BaseBuilder, encoding};
use model::Model;
use overlay::{Overlay, Reserved};
use published::State;

use crate::clock::{Clock, unix_milliseconds};
use crate::config::Settings;
use crate::directory::{
    Change, Directory, Error, Feed, LocalAccounts, Position, Present, Result, Rules, named,
};

/// Deltas live in memory: within this time after a change they are on disk, too, so that a crash brings no
/// deleted user back.
const PERSIST_WITHIN: Duration = Duration::from_millis(500);

/// How often the directory is asked for changes that nobody told of: an import in the middle, or
/// another program's.
const POLL: Duration = Duration::from_secs(2);

/// How long to wait before trying again what failed; twice as long each time, up to [`RETRY_AT_LEAST_EVERY`]: making a
/// base of a million users again and again for a full disk helps nobody.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest wait: what an admin has mended works again before they wonder.
const RETRY_AT_LEAST_EVERY: Duration = Duration::from_secs(15);

/// Hidden accounts that are named in the status; the journal has them all.
const MAX_HIDDEN_SHOWN: usize = 100;

/// The task that publishes.
pub struct Publisher<D> {
    directory: Arc<D>,
    files: snapshot::Publisher,
    places: [CString; 2],
    rules: watch::Receiver<Arc<Rules>>,
    settings: watch::Receiver<Arc<Settings>>,
    state: watch::Sender<State>,
    reserved: watch::Receiver<Reserved>,
    refused: watch::Receiver<Refused>,
    wake: Arc<Notify>,
    /// The base that deltas are made against, once there is one of this run.
    base: Option<Following>,
    merge: Option<JoinHandle<Result<NewBase>>>,
    /// A new base was asked for and is not current yet.
    wants_base: bool,
    persist_at: Option<Instant>,
    retry_at: Option<Instant>,
    retry_after: Duration,
}

/// A base of this run and what has changed since.
struct Following {
    loaded: Loaded,
    model: Model,
    position: Position,
    /// Which reservations lookups show, and whether they take somebody who is not shown for nobody.
    shown: (u64, bool),
    /// Who is shown as locked, whatever the directory says.
    refused: Refused,
}

/// A base that is written and not current yet.
struct NewBase {
    written: WrittenBase,
    encoded: Encoded,
    complete: bool,
    position: Position,
    hidden: Vec<String>,
    rules: Arc<Rules>,
    refused: Refused,
}

impl<D: Directory> Publisher<D> {
    /// Takes over what the last run published, so that lookups go on, and prepares to follow the directory.
    pub fn start(
        directory: Arc<D>,
        cache: &Path,
        run: &Path,
        clock: &Clock,
        rules: watch::Receiver<Arc<Rules>>,
        settings: watch::Receiver<Arc<Settings>>,
    ) -> Result<(Self, Published)> {
        let files = snapshot::Publisher::start(cache, run, clock.unix_seconds().unsigned_abs())
            .map_err(publishing)?;
        let wake = Arc::new(Notify::new());
        let adopted = files.adopted().map_or(0, |info| info.revision);
        let (state, receiver) = watch::channel(State { adopted, ..State::default() });
        let (showing, reserved) = watch::channel(Reserved::default());
        let (refusing, refused) = watch::channel(Refused::default());
        let published = Published::new(receiver, showing, refusing, Arc::clone(&wake));
        let c_path =
            |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("a path that exists has no NUL");
        let places = [c_path(cache), c_path(run)];
        let publisher = Self {
            directory,
            files,
            places,
            rules,
            settings,
            state,
            reserved,
            refused,
            wake,
            base: None,
            merge: None,
            wants_base: false,
            persist_at: None,
            retry_at: None,
            retry_after: RETRY_AFTER,
        };
        Ok((publisher, published))
    }

    /// The revision that lookups have shown since an earlier run; 0 if there was none.
    pub fn adopted_revision(&self) -> u64 {
        self.state.borrow().adopted
    }

    /// Publishes until `stop` is told to.
    pub async fn run(mut self, stop: Arc<Notify>) {
        self.begin_merge();
        let mut poll = interval(POLL);
        let directory = Arc::clone(&self.directory);
        loop {
            tokio::select! {
                _ = poll.tick() => self.follow().await,
                () = self.wake.notified() => self.follow().await,
                () = directory.changed() => self.retry().await,
                Ok(()) = self.rules.changed() => self.rules_changed().await,
                Ok(()) = self.settings.changed() => self.follow().await,
                Ok(()) = self.reserved.changed() => self.follow().await,
                Ok(()) = self.refused.changed() => self.follow().await,
                outcome = finished(&mut self.merge) => self.merged(outcome).await,
                () = due(self.persist_at) => self.persist(),
                () = due(self.retry_at) => self.retry().await,
                () = stop.notified() => break,
            }
        }
        self.persist();
    }

    /// Brings the snapshot up to the directory's revision.
    async fn follow(&mut self) {
        if self.base.is_some() {
            let outcome = self.publish_changes().await;
            self.report(outcome);
        } else if self.retry_at.is_none() {
            self.begin_merge();
        }
    }

    async fn publish_changes(&mut self) -> Result<()> {
        let Some(mut following) = self.base.take() else { return Ok(()) };
        let outcome = self.advance(&mut following).await;
        self.base = Some(following);
        outcome
    }

    async fn advance(&mut self, following: &mut Following) -> Result<()> {
        let rules = Arc::clone(&self.rules.borrow());
        let refused = self.refused.borrow_and_update().clone();
        if !refused.is(&following.refused) {
            self.refuse(following, refused, &rules).await?;
        }
        match self.directory.changes(&following.position).await? {
            Feed::StartOver => {
                // What is shown is of another history: nothing that was committed in this one.
                self.state.send_modify(|state| {
                    state.adopted =
                        state.published.take().map_or(state.adopted, |position| position.revision);
                });
                self.begin_merge();
                Ok(())
            }
            Feed::Changes { position, .. } if position == following.position => {
                if self.overlay().is_shown_by(following.shown) {
                    return Ok(());
                }
                self.publish_delta(following, position.revision, &rules)
            }
            Feed::Changes { changes, present, position } => {
                touch(&mut following.model, &changes, present, &rules, &following.refused);
                self.publish_delta(following, position.revision, &rules)?;
                self.show(&position);
                let now = unix_milliseconds();
                self.state.send_modify(|state| state.delays.add(position.committed_at, now));
                following.position = position;
                if following.model.len() > self.settings.borrow().nss.merge_after as usize {
                    self.begin_merge();
                }
                Ok(())
            }
        }
    }

    /// Shows users as locked who are refused from now on, and others as they are.
    async fn refuse(&mut self, following: &mut Following, refused: Refused, rules: &Rules) -> Result<()> {
        let changes = refused.difference(&following.refused);
        let (users, groups) = named(&changes);
        let present = self.directory.present(&users, &groups).await?;
        touch(&mut following.model, &changes, present, rules, &refused);
        let revision = following.position.revision;
        self.publish_delta(following, revision, rules)?;
        self.state.send_modify(|state| state.refused = refused.clone());
        following.refused = refused;
        Ok(())
    }

    /// What there is beside the directory now.
    fn overlay(&self) -> Overlay {
        let complete = !self.settings.borrow().users_may_arrive();
        Overlay { reserved: self.reserved.borrow().clone(), complete }
    }

    fn publish_delta(&mut self, following: &mut Following, revision: u64, rules: &Rules) -> Result<()> {
        let overlay = self.overlay();
        let delta = delta(&following.model, &following.loaded.base_view(), &overlay, revision, rules)?;
        block_in_place(|| self.files.publish_delta(&delta)).map_err(publishing)?;
        self.persist_at.get_or_insert(Instant::now() + PERSIST_WITHIN);
        following.shown = self.show_overlay(&overlay);
        Ok(())
    }

    fn show_overlay(&self, overlay: &Overlay) -> (u64, bool) {
        self.state.send_modify(|state| state.reserved = overlay.reserved.number);
        (overlay.reserved.number, overlay.complete)
    }

    /// Another set of local accounts: whom they collide with leaves the snapshot now; whoever may come back
    /// comes with a new base.
    async fn rules_changed(&mut self) {
        let outcome = self.hide_collisions().await;
        self.begin_merge();
        self.report(outcome);
    }

    async fn hide_collisions(&mut self) -> Result<()> {
        let rules = Arc::clone(&self.rules.borrow_and_update());
        let Some(mut following) = self.base.take() else { return Ok(()) };
        let outcome = self.hide(&mut following, &rules).await;
        self.base = Some(following);
        outcome
    }

    async fn hide(&mut self, following: &mut Following, rules: &Rules) -> Result<()> {
        let (names, ids) = everything_local(&rules.local);
        let holders = self.directory.holders(&names, &ids).await?;
        if holders.is_empty() {
            return Ok(());
        }
        let (users, groups) = named(&holders);
        let present = self.directory.present(&users, &groups).await?;
        touch(&mut following.model, &holders, present, rules, &following.refused);
        let revision = following.position.revision;
        self.publish_delta(following, revision, rules)
    }

    /// Begins to make a new base in the background, unless one is in the making.
    fn begin_merge(&mut self) {
        self.wants_base = true;
        if self.merge.is_some() {
            return;
        }
        let directory = Arc::clone(&self.directory);
        let rules = Arc::clone(&self.rules.borrow());
        let settings = Arc::clone(&self.settings.borrow());
        let reserved = self.files.reserve_base();
        let refused = self.refused.borrow().clone();
        self.merge = Some(tokio::spawn(async move {
            let mut builder = BaseBuilder::new(&rules, &settings, &refused, random_seed()?);
            let position = directory.dump(&mut builder).await?;
            block_in_place(|| {
                let (encoded, hidden) = builder.finish()?;
                let written = reserved.and_then(|base| base.write(&encoded)).map_err(publishing)?;
                let complete = !settings.users_may_arrive();
                let (rules, refused) = (Arc::clone(&rules), refused.clone());
                Ok(NewBase { written, encoded, complete, position, hidden, rules, refused })
            })
        }));
    }

    async fn merged(&mut self, outcome: Result<NewBase>) {
        self.merge = None;
        let outcome = match outcome {
            Ok(new) if !self.is_current(&new) => {
                self.begin_merge();
                Ok(())
            }
            Ok(new) => self.adopt(new).await,
            Err(error) => Err(error),
        };
        self.report(outcome);
    }

    /// Whether a base was made of what holds now.
    fn is_current(&self, new: &NewBase) -> bool {
        Arc::ptr_eq(&new.rules, &self.rules.borrow()) && new.refused.is(&self.refused.borrow())
    }

    /// Publishes a new base, with what has changed while it was made.
    async fn adopt(&mut self, new: NewBase) -> Result<()> {
        let Feed::Changes { changes, present, position } = self.directory.changes(&new.position).await?
        else {
            self.begin_merge();
            return Ok(());
        };
        let mut model = Model::default();
        touch(&mut model, &changes, present, &new.rules, &new.refused);
        let overlay = self.overlay();
        let delta = (!model.is_empty() || !overlay.is_shown_by_base(new.complete))
            .then(|| new.encoded.look(|view| delta(&model, &view, &overlay, position.revision, &new.rules)))
            .flatten()
            .transpose()?;
        block_in_place(|| self.files.switch_base(new.written, delta.as_ref())).map_err(publishing)?;
        // No delta is made against the old base any more, whatever comes next.
        self.base = None;
        let [cache, run] = &self.places;
        let loaded = Loaded::open(Places { cache, run }, None).map_err(|trouble| {
            Error::Failed(format!("a base that was just published cannot be used: {trouble}"))
        })?;
        for hidden in &new.hidden {
            tracing::warn!("not served on this node: {hidden}");
        }
        let mut shown = new.hidden;
        shown.truncate(MAX_HIDDEN_SHOWN);
        self.state.send_modify(|state| state.hidden = Arc::new(shown));
        self.show(&position);
        self.persist_at = None;
        self.wants_base = false;
        let shown = self.show_overlay(&overlay);
        let refused = new.refused;
        self.state.send_modify(|state| state.refused = refused.clone());
        self.base = Some(Following { loaded, model, position, shown, refused });
        Ok(())
    }

    fn show(&self, position: &Position) {
        self.state.send_modify(|state| state.published = Some(position.clone()));
    }

    fn persist(&mut self) {
        self.persist_at = None;
        let outcome = block_in_place(|| self.files.persist()).map_err(publishing);
        if outcome.is_err() {
            self.persist_at = Some(Instant::now() + self.retry_after);
        }
        self.report(outcome);
    }

    async fn retry(&mut self) {
        self.retry_at = None;
        if self.wants_base {
            self.begin_merge();
        }
        self.follow().await;
    }

    /// Says what went wrong, to the journal and to whoever waits, and has it tried again. What went wrong
    /// before is over when nothing is left to do.
    fn report(&mut self, outcome: Result<()>) {
        let Err(error) = outcome else {
            if !self.wants_base && self.files.is_durable() {
                self.retry_after = RETRY_AFTER;
                self.state.send_if_modified(|state| state.trouble.take().is_some());
            }
            return;
        };
        // Whoever makes the first copy tells of that there is nothing yet.
        if !matches!(error, Error::Away(_)) {
            tracing::error!(%error, "the snapshot is behind the directory; lookups go on with the last one");
        }
        self.state.send_modify(|state| state.trouble = Some(error.to_string()));
        self.retry_at = Some(Instant::now() + self.retry_after);
        self.retry_after = (2 * self.retry_after).min(RETRY_AT_LEAST_EVERY);
    }
}

/// Everything that is not as the base says.
fn delta(model: &Model, base: &View<'_>, overlay: &Overlay, revision: u64, rules: &Rules) -> Result<Encoded> {
    let info =
        Info { revision, seed: random_seed()?, complete: overlay.complete, enumerable: base.is_enumerable() };
    let mut encoder = DeltaEncoder::new(info);
    model.encode(base, &mut encoder, rules).map_err(encoding)?;
    overlay.encode(model, base, &mut encoder, rules).map_err(encoding)?;
    encoder.finish().map_err(encoding)
}

/// Whether what programs see now has a user in it.
pub fn shows_accounts(cache: &Path, run: &Path) -> bool {
    let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
    let (cache, run) = (c_path(cache), c_path(run));
    let loaded = Loaded::open(Places { cache: &cache, run: &run }, None);
    loaded.is_ok_and(|loaded| loaded.base_view().user_count() > 0)
}

/// Brings the present state of what changed into the model.
fn touch(model: &mut Model, changes: &BTreeSet<Change>, present: Present, rules: &Rules, refused: &Refused) {
    let (uids, gids) = ids(&present);
    for change in changes {
        if let Change::Member { group, user } = change
            && let (Some(gid), Some(uid)) = (gids.get(group), uids.get(user))
        {
            model.membership(*gid, *uid);
        }
    }
    for team in present.groups {
        // A group that only got or lost members is there already.
        if changes.contains(&Change::Group { uuid: team.group.uuid }) {
            model.group(team.group.name, team.group.gid, rules);
        }
    }
    present.gone_groups.iter().for_each(|gone| model.group_gone(identity::Gid(gone.id)));
    present.gone_users.iter().for_each(|gone| model.user_gone(identity::Uid(gone.id)));
    present.users.into_iter().for_each(|member| model.user(refused.shown(member), rules));
}

type Ids<T> = std::collections::HashMap<String, T>;

/// The ids behind identities, of the living and the dead.
fn ids(present: &Present) -> (Ids<identity::Uid>, Ids<identity::Gid>) {
    use identity::{Gid, Uid};
    let users = present.users.iter().map(|member| (member.user.uuid.clone(), member.user.uid));
    let gone_users = present.gone_users.iter().map(|gone| (gone.uuid.clone(), Uid(gone.id)));
    let groups = present.groups.iter().map(|team| (team.group.uuid.clone(), team.group.gid));
    let gone_groups = present.gone_groups.iter().map(|gone| (gone.uuid.clone(), Gid(gone.id)));
    (users.chain(gone_users).collect(), groups.chain(gone_groups).collect())
}

fn everything_local(local: &LocalAccounts) -> (Vec<String>, Vec<u32>) {
    let names = local.users.union(&local.groups).cloned().collect();
    (names, local.uids.union(&local.gids).copied().collect())
}

fn publishing(error: PublishError) -> Error {
    Error::Failed(error.to_string())
}

fn random_seed() -> Result<u64> {
    getrandom::u64().map_err(|error| Error::Failed(format!("the kernel gives no random numbers: {error}")))
}

/// Waits for a time, or for ever without one.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits for the new base, or for ever when none is in the making.
async fn finished(merge: &mut Option<JoinHandle<Result<NewBase>>>) -> Result<NewBase> {
    match merge {
        Some(merge) => merge.await.unwrap_or_else(|error| Err(Error::Failed(error.to_string()))),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
