//! `org.pody.Identity`.

use protocol::directory::Done;
use protocol::identity::{IdentitiesReply, IdentityKey, IdentityRecord, Link, List, Unlink};

use super::Handle;
use crate::directory::{Directory, Identity, Linked, Result};
use crate::doors::record::{fitting, page_size, parse, parse_option};
use crate::limits::MAX_PAGE;
use crate::service::{Caller, Service};

impl<D: Directory> Handle<D> for List {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<IdentitiesReply> {
        let user = parse_option("user", self.user.as_deref())?;
        let after = self.after.map(|after| Identity::new(&after.issuer, &after.subject)).transpose()?;
        let page = service.identities(caller, user, after, page_size(self.limit, MAX_PAGE)).await?;
        let (identities, some_stay) = fitting(page.items.into_iter().map(record).collect());
        Ok(IdentitiesReply { identities, more: page.more || some_stay })
    }
}

fn record(Linked { name, is_deleted, identity }: Linked) -> IdentityRecord {
    let IdentityKey { issuer, subject } = key(&identity);
    IdentityRecord { user: name.to_string(), deleted: is_deleted, issuer, subject }
}

/// An identity for the wire.
pub(super) fn key(identity: &Identity) -> IdentityKey {
    IdentityKey { issuer: identity.issuer().to_owned(), subject: identity.subject().to_owned() }
}

impl<D: Directory> Handle<D> for Link {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Done> {
        let identity = Identity::new(&self.issuer, &self.subject)?;
        let revision = service.link(caller, parse("user", &self.user)?, identity).await?;
        Ok(Done { revision })
    }
}

impl<D: Directory> Handle<D> for Unlink {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Done> {
        let identity = Identity::new(&self.issuer, &self.subject)?;
        let revision = service.unlink(caller, parse("user", &self.user)?, identity).await?;
        Ok(Done { revision })
    }
}
