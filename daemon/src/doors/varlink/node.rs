//! `org.pody.Node`.

use protocol::node::{NodeStatus, Status};

use super::Handle;
use crate::directory::{Directory, Result};
use crate::service::{Caller, Service};

impl<D: Directory> Handle<D> for Status {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<NodeStatus> {
        let health = service.health(caller).await?;
        let (kind, location) = health.directory;
        let mut status = NodeStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            directory: kind.into(),
            location,
            published_revision: health.published_revision,
            hidden: health.hidden,
            uptime_seconds: health.uptime.as_secs(),
            warnings: health.warnings,
            ..NodeStatus::default()
        };
        match health.state {
            Ok((position, counts)) => {
                status.reachable = true;
                status.revision = position.revision;
                status.users = counts.users;
                status.groups = counts.groups;
            }
            Err(error) => status.warnings.push(format!("the directory does not answer: {error}")),
        }
        Ok(status)
    }
}
