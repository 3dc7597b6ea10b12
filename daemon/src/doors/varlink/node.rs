//! `org.pody.Node`.

use protocol::node::{
    self, Doctor, Findings, Metrics, MetricsText, NodeStatus, Replica, Reservations, Reserved, Served, Status,
};

use super::Handle;
use crate::clock::rfc_3339;
use crate::directory::{Directory, Reservation, Result};
use crate::service::{Caller, Finding, Service, Severity};

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
            replica: health.contact.as_ref().map(|contact| Replica {
                current_seconds_ago: contact.current_at.map(|at| at.elapsed().as_secs()),
                copying: contact.copying.map(|(users, of)| [users, of]),
                trouble: contact.trouble.clone(),
                is_away: contact.is_away,
            }),
            delay_milliseconds: health.delays.median(),
            longest_delay_milliseconds: health.delays.longest(),
            service: health.served.map(|served| Served {
                address: served.port.address.to_string(),
                tls: served.port.tls,
                readonly: served.readonly,
                connections: served.connections,
                requests: served.requests,
            }),
            warnings: health.warnings,
            ..NodeStatus::default()
        };
        match health.state {
            Ok((position, counts)) => {
                status.reachable = health.contact.is_none_or(|contact| contact.trouble.is_none());
                status.revision = position.revision;
                status.users = counts.users;
                status.groups = counts.groups;
            }
            Err(error) => status.warnings.push(format!("the directory does not answer: {error}")),
        }
        Ok(status)
    }
}

impl<D: Directory> Handle<D> for Doctor {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Findings> {
        let findings = service.doctor(caller).await?;
        Ok(Findings { findings: findings.into_iter().map(finding).collect() })
    }
}

impl<D: Directory> Handle<D> for Metrics {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<MetricsText> {
        service.metrics_text(caller).await.map(|text| MetricsText { text })
    }
}

impl<D: Directory> Handle<D> for Reservations {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Reserved> {
        let reservations = service.list_reservations(caller).await?;
        let now = service.clock.unix_seconds();
        let reservations = reservations.iter().map(|reserved| reservation(reserved, now)).collect();
        Ok(Reserved { reservations })
    }
}

fn reservation(reserved: &Reservation, now: i64) -> node::Reservation {
    node::Reservation {
        name: reserved.name.to_string(),
        uid: reserved.uid.0,
        gid: reserved.gid.0,
        home: reserved.home.to_string(),
        shell: reserved.shell.to_string(),
        expires_at: rfc_3339(reserved.expires_at),
        seconds_left: u64::try_from(reserved.expires_at.saturating_sub(now)).unwrap_or_default(),
    }
}

fn finding(Finding { severity, subject, finding, advice }: Finding) -> node::Finding {
    let severity = match severity {
        Severity::Problem => node::Severity::Problem,
        Severity::Warning => node::Severity::Warning,
        Severity::Note => node::Severity::Note,
    };
    node::Finding { severity, subject: subject.to_owned(), finding, advice }
}
