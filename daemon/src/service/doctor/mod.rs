//! What is wrong with this node, or soon may be: findings for an admin, each with what to do about it.
//!
//! Each kind of finding is judged by a function of values; only what gathers those reads files and asks others, each for a
//! moment. Nothing is mended here, and no finding shows a secret. What podyd cannot see (nsswitch.conf, PAM) is podyctl's.

mod certificate;
mod helper;
mod recheck;
mod replica;
mod token;

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;

use super::{Caller, Health, Operation, Service};
use crate::config::{Backend, Compat, ProfileService, Provider, Settings};
use crate::directory::{Directory, Result};

/// How long the answer to one question may take: whoever asks is a person, and what does not answer is found otherwise.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long lookups may take to show what is committed before they are said to be behind.
const PUBLISHES_WITHIN: Duration = Duration::from_secs(2);

/// Something that an admin should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: &'static str,
    /// What is so.
    pub finding: String,
    /// What to do.
    pub advice: String,
}

/// How bad something is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not work, or a secret is open to others.
    Problem,
    /// It may not work for long, or is not as safe as it could be.
    Warning,
    /// Good to know.
    Note,
}

use Severity::{Problem, Warning};

impl Severity {
    /// A finding of this severity.
    fn of(self, subject: &'static str, finding: impl fmt::Display, advice: impl fmt::Display) -> Finding {
        Finding { severity: self, subject, finding: finding.to_string(), advice: advice.to_string() }
    }
}

impl<D: Directory> Service<D> {
    /// What is wrong with this node, or soon may be, the worst first.
    pub async fn doctor(&self, caller: &Caller) -> Result<Vec<Finding>> {
        let health = self.health(caller).await?;
        let settings = self.current_settings();
        let now = self.clock.unix_seconds();
        let mut findings = network(&settings);
        findings.extend(certificate::findings(&settings, now).await);
        findings.extend(helper::finding(&self.helper).await);
        findings.extend(self.nobody_asks_about().await);
        let waiting = self.waiting.findings();
        findings
            .extend(waiting.into_iter().map(|home| Warning.of("homes", home, "see: journalctl -u podyd")));
        findings.extend(self.homes_elsewhere_finding(&settings).await);
        findings.extend(replica::clock(self.clock_skew(&health, now).await));
        let stale = (health.contact.as_ref())
            .and_then(|contact| replica::staleness(contact, health.uptime, settings.offline.max_age));
        let behind = self.snapshot(&health).await;
        // What a finding has told already is not told again as a warning.
        let trouble = health.contact.as_ref().and_then(|contact| contact.trouble.clone());
        let told = [stale.as_ref().and(trouble), behind.as_ref().and(self.published.trouble())];
        findings.extend(stale.into_iter().chain(behind));
        let others =
            health.warnings.into_iter().filter(|warning| !told.iter().flatten().any(|text| text == warning));
        findings.extend(others.map(|warning| Warning.of("podyd", warning, "see: journalctl -u podyd")));
        findings.extend(
            self.quotas.findings().into_iter().map(|(finding, advice)| Warning.of("quota", finding, advice)),
        );
        // How good a secret is helps whoever wants to guess it.
        if caller.may(Operation::List).is_ok() {
            findings.extend(token::shared(&settings));
            findings.extend(self.named_tokens(&settings).await);
        }
        findings.sort_by_key(|finding| finding.severity);
        Ok(findings)
    }

    /// Whose homes nothing is done about.
    async fn homes_elsewhere_finding(&self, settings: &Settings) -> Option<Finding> {
        // A directory that does not answer is told of by itself.
        let whose = timeout(PATIENCE, self.homes_elsewhere()).await.ok()?.ok()?;
        helper::elsewhere(&whose, &settings.homes.roots)
    }

    /// Whether programs on this node see what the directory holds.
    async fn snapshot(&self, health: &Health) -> Option<Finding> {
        let (position, _) = health.state.as_ref().ok()?;
        // A change that was committed a moment ago is just being published.
        self.published.reaches(position, PUBLISHES_WITHIN).await.err()?;
        let (published, revision) = (self.published.revision(), position.revision);
        let why = self.published.trouble().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        let finding = match published {
            0 => format!("nothing was published, and programs on this node see no users{why}"),
            _ => format!(
                "the directory is at revision {revision}, and programs on this node see {published}{why}"
            ),
        };
        Some(Problem.of("snapshot", finding, "see: journalctl -u podyd. A full disk is the usual reason"))
    }

    /// By how many seconds this node's clock is ahead of the one that it shares its directory with.
    async fn clock_skew(&self, health: &Health, now: i64) -> Option<i64> {
        let of_service = health.contact.as_ref().and_then(|contact| contact.clock_skew);
        match &self.database {
            Some(database) => timeout(PATIENCE, database.clock_skew(now)).await.ok()?.ok()?,
            None => of_service,
        }
    }

    /// What is to be said of the tokens in the directory, where that is looked after on this node.
    async fn named_tokens(&self, settings: &Settings) -> Vec<Finding> {
        if matches!(settings.backend, Backend::Remote(_)) {
            return Vec::new();
        }
        match timeout(PATIENCE, self.examined_tokens()).await {
            Ok(Ok(tokens)) => token::named(&tokens, settings, self.clock.today()),
            // A directory that does not answer is told of by itself.
            _ => Vec::new(),
        }
    }
}

/// What travels where others can read it.
fn network(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(listens(&settings.service));
    if let Backend::Remote(provider) = &settings.backend {
        findings.extend(asks(provider));
    }
    findings
}

fn listens(service: &ProfileService) -> Option<Finding> {
    let is_open = service.enabled && service.tls_cert.is_none() && !service.listen.ip().is_loopback();
    is_open.then(|| {
        Warning.of(
            "remote_user_profile.service",
            format!(
                "{} is served without TLS: whoever is on the way reads tokens and passwords",
                service.listen
            ),
            "set tls_cert and tls_key, or listen on 127.0.0.1 behind a proxy that speaks HTTPS",
        )
    })
}

fn asks(provider: &Provider) -> Vec<Finding> {
    let endpoint = &provider.endpoint;
    let mut findings = Vec::new();
    if !endpoint.is_private() {
        findings.push(Warning.of(
            "remote_user_profile.provider",
            format!(
                "{endpoint} is plain http: whoever is on the way reads the token and passwords, and can pose as the service; \
                 nobody is an admin here by what it says"
            ),
            "give the service a certificate, and set endpoint to https:// and ca_file to its authority",
        ));
    }
    if provider.compat == Compat::Pody04 {
        findings.push(Warning.of(
            "remote_user_profile.provider",
            "the original Pody wants what stands for a password in the address of a request, which it and every proxy \
             before it may write down",
            "move its users to a podyd: see Moving from the original Pody in the guide",
        ));
    }
    findings
}

#[cfg(test)]
mod tests;
