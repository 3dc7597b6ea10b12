//! Brings the directory into step with what the file says.

use std::collections::{BTreeMap, BTreeSet};

use identity::{Gecos, Name, State};

use super::Htpasswd;
use super::lines::{Lines, digest};
use super::plan::{Known, Plan};
use crate::directory::{
    Batch, Directory, Error, Key, Member, NewUser, Origin, Position, Primary, Result, UserChange,
};
use crate::limits::{MAX_BATCH, MAX_PAGE};
use crate::service::{Service, new_uuid};
use crate::store::Taken;
use crate::verifiers::PasswordHash;

/// A look at the file, and what follows from it.
pub struct Step<'a, D> {
    /// Where it is done.
    pub service: &'a Service<D>,
    /// The file.
    pub htpasswd: &'a Htpasswd,
}

impl<D: Directory> Step<'_, D> {
    /// Everybody who came from the file. What was noted of others, who are gone, is forgotten.
    pub async fn users(&self) -> Result<BTreeMap<Name, Known>> {
        let (mut known, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.service.directory.users(after, MAX_PAGE).await?;
            after = page.items.last().map(|last| last.user.name);
            let ours = page.items.into_iter().filter(|member| member.origin == Origin::Htpasswd);
            known.extend(ours.map(|Member { user, password_revision, .. }| {
                let taken = self.htpasswd.taken(&user.uuid);
                let is_locked = user.state == State::Locked;
                (user.name, Known { uuid: user.uuid, is_locked, password_revision, taken })
            }));
            if !page.more {
                break;
            }
        }
        self.htpasswd.forget_all_but(known.values().map(|user| user.uuid.as_str()).collect()).await;
        Ok(known)
    }

    /// Does what is to be done, what takes away first; returns the lines that cannot be taken, and why.
    pub async fn take(&self, lines: &Lines, known: &BTreeMap<Name, Known>) -> Result<BTreeMap<u64, String>> {
        let Plan { create, passwords, lock, unlock } = Plan::new(lines, known);
        let before = self.service.directory.position().await?;
        for name in &lock {
            self.set_state(*name, State::Locked).await?;
        }
        for (name, hash) in &passwords {
            self.set_password(*name, hash).await?;
        }
        for name in &unlock {
            self.set_state(*name, State::Active).await?;
        }
        let mut refused = lines.refused.clone();
        for new in create.chunks(MAX_BATCH) {
            refused.extend(self.create(new).await?);
        }
        let after = self.service.directory.position().await?;
        if after != before {
            let created = create.len() + lines.refused.len() - refused.len();
            let (passwords, locked, unlocked) = (passwords.len(), lock.len(), unlock.len());
            let file = self.htpasswd.path.display();
            tracing::info!(created, passwords, locked, unlocked, "the directory is in step with {file}");
            self.show(&after).await;
        }
        Ok(refused)
    }

    /// Locks a user, or unlocks one, unless that is so already. That it is the file that locks is noted first: nobody would
    /// know afterwards, if podyd died in between.
    async fn set_state(&self, name: Name, state: State) -> Result<()> {
        let Some(Member { user, .. }) = self.service.user_of_the_file(name).await? else { return Ok(()) };
        if user.state == state {
            self.htpasswd.note_lock(&user.uuid, false).await;
            return Ok(());
        }
        if state == State::Locked {
            self.htpasswd.note_lock(&user.uuid, true).await;
        }
        let change =
            UserChange { state: Some(state), if_revision: Some(user.revision), ..UserChange::default() };
        let rules = self.service.current_rules();
        let changed = unless_overtaken(self.service.directory.update_user(name, change, &rules).await)?;
        if state == State::Active || changed.is_none() {
            self.htpasswd.note_lock(&user.uuid, false).await;
        }
        Ok(())
    }

    async fn set_password(&self, name: Name, hash: &PasswordHash) -> Result<()> {
        let Some(Member { user, .. }) = self.service.user_of_the_file(name).await? else { return Ok(()) };
        let set = self.service.directory.set_password(name, Some(hash.as_str().to_owned())).await;
        if let Some(Position { revision, .. }) = unless_overtaken(set)? {
            let earlier = self.htpasswd.taken(&user.uuid);
            let taken = Taken { digest: digest(hash), password_revision: revision, ..earlier };
            self.htpasswd.note(vec![(user.uuid, Some(taken))]).await;
        }
        Ok(())
    }

    async fn create(&self, new: &[(Name, u64, &PasswordHash)]) -> Result<Vec<(u64, String)>> {
        let users: Vec<NewUser> =
            new.iter().map(|(name, line, hash)| self.user(*name, *line, hash)).collect();
        let uuids: Vec<String> = users.iter().map(|user| user.uuid.clone()).collect();
        let batch = Batch { users, ..Batch::default() };
        let rules = self.service.current_rules();
        let (refused, position) = self.service.directory.create(batch, &rules, false).await?;
        let lines: BTreeSet<u64> = refused.iter().map(|refusal| refusal.line).collect();
        let created = uuids.into_iter().zip(new).filter(|(_, (_, line, _))| !lines.contains(line));
        let notes = created.map(|(uuid, (_, _, hash))| {
            let password_revision = position.revision;
            (uuid, Some(Taken { digest: digest(hash), password_revision, locked: false }))
        });
        self.htpasswd.note(notes.collect()).await;
        Ok(refused.into_iter().map(|refusal| (refusal.line, refusal.error.to_string())).collect())
    }

    fn user(&self, name: Name, line: u64, hash: &PasswordHash) -> NewUser {
        NewUser {
            line,
            uuid: new_uuid(),
            name,
            uid: None,
            primary: Primary::Private { uuid: new_uuid(), gid: None },
            gecos: Gecos::EMPTY,
            email: None,
            home: None,
            shell: self.service.default_shell(),
            state: State::Active,
            expires_at: None,
            is_admin: false,
            password: Some(hash.as_str().to_owned()),
            reuse_name: false,
            origin: Origin::Htpasswd,
        }
    }

    /// Has lookups show it.
    async fn show(&self, position: &Position) {
        if let Err(error) = self.service.visible(position).await {
            tracing::warn!("{}: {error}", self.htpasswd.path.display());
        }
    }
}

impl<D: Directory> Service<D> {
    /// A user who came from the file.
    pub(super) async fn user_of_the_file(&self, name: Name) -> Result<Option<Member>> {
        let found = self.directory.user(Key::Name(name)).await?;
        Ok(found.filter(|member| member.origin == Origin::Htpasswd))
    }
}

/// An admin who changes or deletes a user at the same moment is right; the next look sees what there is then.
fn unless_overtaken<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Err(Error::Changed(_) | Error::Conflict(_) | Error::NotFound(_)) => Ok(None),
        outcome => outcome.map(Some),
    }
}
