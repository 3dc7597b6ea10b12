//! Who users are to OpenID providers, for admins; and what is kept on behalf of other nodes for people who log in there for the
//! first time.

use identity::Name;

use super::{Caller, Operation, Service};
use crate::directory::{Directory, Error, Identity, Linked, Page, Reservation, Result};
use crate::limits::MAX_RESERVED_SECONDS;

impl<D: Directory> Service<D> {
    /// Whether anybody may come by logging in at a provider, here or on a node that asks here.
    pub fn knows_a_provider(&self) -> bool {
        self.current_settings().oidc.is_configured()
    }

    /// Keeps a name for somebody who is about to log in on another node.
    pub async fn reserve_elsewhere(&self, caller: &Caller, name: Name, seconds: u32) -> Result<Reservation> {
        caller.may(Operation::Provision)?;
        if !self.current_settings().oidc_users.create {
            return Err(Error::Refused(
                "this service creates nobody at a first login: oidc.users.create in its config.toml is false"
                    .into(),
            ));
        }
        let until = self.clock.unix_seconds() + i64::from(seconds.min(MAX_RESERVED_SECONDS));
        self.directory.reserve(name, &self.current_rules(), until).await
    }

    /// Gives back what another node has had kept for nothing.
    pub async fn release_elsewhere(&self, caller: &Caller, uuid: &str) -> Result<()> {
        caller.may(Operation::Provision)?;
        self.directory.release(uuid).await
    }

    /// Identities of one user or of everybody.
    pub async fn identities(
        &self,
        caller: &Caller,
        owner: Option<Name>,
        after: Option<Identity>,
        limit: u32,
    ) -> Result<Page<Linked>> {
        caller.may(owner.map_or(Operation::List, Operation::LookAt))?;
        self.directory.identities(owner, after, limit).await
    }

    /// Lets whoever has an identity log in as a user.
    pub async fn link(&self, caller: &Caller, name: Name, identity: Identity) -> Result<u64> {
        caller.may(Operation::Change)?;
        let text = identity.to_string();
        let position = self.directory.link(name, identity).await?;
        tracing::info!(user = %name, identity = text, by = %caller, "identity linked");
        Ok(position.revision)
    }

    /// Ends that, or forgets that the identity was a deleted user's.
    pub async fn unlink(&self, caller: &Caller, name: Name, identity: Identity) -> Result<u64> {
        caller.may(Operation::Change)?;
        let text = identity.to_string();
        let position = self.directory.unlink(name, identity).await?;
        tracing::info!(user = %name, identity = text, by = %caller, "identity unlinked");
        Ok(position.revision)
    }
}
