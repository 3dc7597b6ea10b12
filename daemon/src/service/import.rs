//! Many records at once, in and out.

use std::time::Duration;

use base64::Engine as _;
use identity::Name;

use super::{Caller, Operation, Service};
use crate::directory::{Batch, Directory, Error, Member, Page, Position, Refusal, Result};
use crate::store::pody_database::{self, PodyUser};
use crate::verifiers::PasswordHash;

/// How long the end of an import waits for lookups to show it: a base of a million users takes a while, and a
/// call may take 30 s.
const IMPORT_DEADLINE: Duration = Duration::from_secs(25);

impl<D: Directory> Service<D> {
    /// Takes a batch over; each record is taken or refused by itself. With `wait`, returns when lookups show
    /// it and all before it: an import waits once, at its end, since publishing costs more than a batch.
    pub async fn import(
        &self,
        caller: &Caller,
        batch: Batch,
        dry_run: bool,
        wait: bool,
    ) -> Result<Vec<Refusal>> {
        caller.may(Operation::Change)?;
        let (refused, position) = self.directory.create(batch, &self.current_rules(), dry_run).await?;
        if wait && !dry_run {
            self.published.reaches(&position, IMPORT_DEADLINE).await?;
        }
        Ok(refused)
    }

    /// Takes a batch over for another node, which has looked at nothing but names and waits for its own lookups. Hashes that
    /// logins cannot be checked against are refused like anything else.
    pub async fn create_batch(
        &self,
        caller: &Caller,
        mut batch: Batch,
        dry_run: bool,
    ) -> Result<(Vec<Refusal>, Position)> {
        caller.may(Operation::Change)?;
        let mut refused = Vec::new();
        batch.users.retain_mut(|user| match user.password.take().map(|hash| self.keepable_hash(hash)) {
            Some(Err(error)) => {
                refused.push(Refusal { line: user.line, name: user.name.to_string(), error });
                false
            }
            kept => {
                user.password = kept.and_then(Result::ok);
                true
            }
        });
        if batch.all_or_nothing && !refused.is_empty() {
            return Err(refused.swap_remove(0).error);
        }
        let (others, position) = self.directory.create(batch, &self.current_rules(), dry_run).await?;
        refused.extend(others);
        if !dry_run {
            self.published.look();
        }
        Ok((refused, position))
    }

    /// A password hash that comes with an import, if logins can be checked against it at a bearable cost.
    pub fn keepable_hash(&self, text: String) -> Result<String> {
        self.takes_passwords()?;
        let refused = |error| Error::invalid("password_hash", error);
        let hash = PasswordHash::parse(&text).map_err(refused)?;
        self.pool.has_room_for(&hash).map_err(refused)?;
        Ok(text)
    }

    /// The shell of users that come without one.
    pub fn default_shell(&self) -> identity::AbsolutePath {
        self.current_settings().users.shell.clone()
    }

    /// The users of an original Pody's `users.db`, given as base64.
    pub async fn read_pody_database(&self, caller: &Caller, content: &str) -> Result<Vec<PodyUser>> {
        caller.may(Operation::Change)?;
        let content = base64::engine::general_purpose::STANDARD
            .decode(content)
            .map_err(|error| Error::invalid("content", error))?;
        pody_database::read(&content, &self.current_settings().paths.state).await
    }

    /// A page of users with their verifiers.
    pub async fn export(
        &self,
        caller: &Caller,
        after: Option<Name>,
        limit: u32,
    ) -> Result<Page<(Member, Option<String>)>> {
        caller.may(Operation::Export)?;
        let Page { items, more } = self.directory.users(after, limit).await?;
        let mut users = Vec::with_capacity(items.len());
        for member in items {
            let credential = match member.password_revision.is_some() {
                true => self.directory.credential(member.user.name).await?,
                false => None,
            };
            users.push((member, credential.and_then(|credential| credential.hash)));
        }
        Ok(Page { items: users, more })
    }
}
