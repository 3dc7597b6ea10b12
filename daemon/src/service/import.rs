//! Many records at once, in and out.

use base64::Engine as _;
use identity::Name;

use super::{Caller, Operation, Service};
use crate::directory::{Batch, Directory, Error, Member, Page, Refusal, Result};
use crate::store::pody_database::{self, PodyUser};

impl<D: Directory> Service<D> {
    /// Takes a batch over; each record is taken or refused by itself.
    pub async fn import(&self, caller: &Caller, batch: Batch, dry_run: bool) -> Result<Vec<Refusal>> {
        caller.may(Operation::Change)?;
        let (refused, position) = self.directory.create(batch, &self.current_rules(), dry_run).await?;
        if !dry_run {
            self.visible(&position).await?;
        }
        Ok(refused)
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
            let credential = match member.has_password {
                true => self.directory.credential(member.user.name).await?,
                false => None,
            };
            users.push((member, credential.and_then(|credential| credential.hash)));
        }
        Ok(Page { items: users, more })
    }
}
