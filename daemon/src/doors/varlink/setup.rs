//! `org.pody.Setup`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::oidc::{Checked, Step};
use protocol::setup::{
    Candidate, Compare, Compared, Found, Look, Reload, Reloading, TriedDirectory, TryDirectory, TryProvider,
};

use super::Handle;
use super::oidc::checked;
use crate::config::Secret;
use crate::directory::{Directory, Result};
use crate::service::{Caller, Service, TriedStep};

impl<D: Directory> Handle<D> for Look {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Found> {
        let state = service.setup_state(caller).await?;
        Ok(Found {
            config_file: state.settings.paths.config_file.display().to_string(),
            section: state.section.unwrap_or_default().into(),
            location: state.location,
            users: state.users,
            issuer: state.settings.oidc.issuer.to_string(),
            min_password_length: state.settings.password.min_length,
        })
    }
}

impl<D: Directory> Handle<D> for TryDirectory {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<TriedDirectory> {
        let (config, secrets) = parts(self.candidate);
        let tried = service.try_directory(caller, config.expose(), &secrets).await?;
        Ok(TriedDirectory {
            location: tried.location,
            steps: tried.steps.into_iter().map(step).collect(),
            needs_tables: tried.needs_tables,
            users: tried.users,
            admin: tried.admin.map(|name| name.to_string()),
        })
    }
}

impl<D: Directory> Handle<D> for TryProvider {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Checked> {
        let (config, secrets) = parts(self.candidate);
        let (oidc, checks) = service.try_provider(caller, config.expose(), &secrets).await?;
        Ok(checked(&oidc, checks))
    }
}

impl<D: Directory> Handle<D> for Compare {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Compared> {
        let (config, secrets) = parts(self.candidate);
        let difference = service.compare(caller, config.expose(), &secrets)?;
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        Ok(Compared { reloaded: owned(difference.applied), restarted: owned(difference.needs_restart) })
    }
}

impl<D: Directory> Handle<D> for Reload {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Reloading> {
        service.reload(caller)?;
        Ok(Reloading {})
    }
}

fn parts(candidate: Candidate) -> (Secret, BTreeMap<PathBuf, Secret>) {
    let files = candidate.files.into_iter().map(|file| (PathBuf::from(file.path), file.text.0.into()));
    (candidate.config.0.into(), files.collect())
}

fn step(TriedStep { name, outcome }: TriedStep) -> Step {
    let passed = outcome.is_ok();
    let message = outcome.unwrap_or_else(|error| error.to_string());
    Step { step: name.into(), passed, message }
}
