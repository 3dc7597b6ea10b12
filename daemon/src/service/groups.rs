//! Groups and memberships.

use identity::{Gid, Name};

use super::users::new_uuid;
use super::{Caller, Operation, Service};
use crate::directory::{Batch, Directory, Error, Key, NewGroup, Page, Result, Team};

impl<D: Directory> Service<D> {
    /// Creates a group.
    pub async fn create_group(
        &self,
        caller: &Caller,
        name: Name,
        gid: Option<Gid>,
        reuse_name: bool,
    ) -> Result<Team> {
        caller.may(Operation::Change)?;
        let group = NewGroup { line: 0, uuid: new_uuid(), name, gid, reuse_name };
        let batch = Batch { groups: vec![group], all_or_nothing: true, ..Batch::default() };
        let (_, position) = self.directory.create(batch, &self.current_rules(), false).await?;
        self.visible(&position).await?;
        tracing::info!(group = %name, by = %caller, "group created");
        self.group(caller, Key::Name(name)).await
    }

    /// One group with its members, which `getent group` shows to everybody anyway.
    pub async fn group(&self, caller: &Caller, key: Key) -> Result<Team> {
        caller.may(Operation::Look)?;
        self.directory.group(key).await?.ok_or_else(|| match key {
            Key::Name(name) => Error::no_group(name),
            Key::Id(gid) => Error::no_group(format_args!("with gid {gid}")),
        })
    }

    /// A page of groups.
    pub async fn groups(
        &self,
        caller: &Caller,
        after: Option<Name>,
        limit: u32,
        private: bool,
    ) -> Result<Page<Team>> {
        caller.may(Operation::Look)?;
        self.directory.groups(after, limit, private).await
    }

    /// Deletes a group.
    pub async fn delete_group(&self, caller: &Caller, name: Name, if_revision: Option<u64>) -> Result<u64> {
        caller.may(Operation::Change)?;
        let position = self.directory.delete_group(name, if_revision).await?;
        self.visible(&position).await?;
        tracing::info!(group = %name, by = %caller, "group deleted");
        Ok(position.revision)
    }

    /// Begins or ends memberships.
    pub async fn set_members(
        &self,
        caller: &Caller,
        group: Name,
        users: Vec<Name>,
        present: bool,
    ) -> Result<u64> {
        caller.may(Operation::Change)?;
        let count = users.len();
        let position = self.directory.set_members(group, users, present).await?;
        self.visible(&position).await?;
        tracing::info!(%group, users = count, present, by = %caller, "memberships changed");
        Ok(position.revision)
    }
}
