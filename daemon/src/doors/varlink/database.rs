//! `org.pody.Database`.

use std::path::PathBuf;

use protocol::database::{Copy, DatabaseStatus, Job, JobStatus, Migrate, ReplicaStatus, Status};

use super::Handle;
use crate::directory::{Contact, Directory, Result};
use crate::service::{self, Caller, Service};

impl<D: Directory> Handle<D> for Status {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<DatabaseStatus> {
        let health = service.database_health(caller).await?;
        let (directory, location) = health.place;
        let mut status = DatabaseStatus {
            directory: directory.into(),
            location,
            replica: health.replica.map(|(revision, contact)| replica(revision, contact)),
            job: health.job.map(|job| job_status(&job)),
            ..DatabaseStatus::default()
        };
        if let Ok(schema) = health.schema {
            status.reachable = true;
            status.schema = schema.to_string();
            status.fits = schema.check().is_ok();
        }
        match health.state {
            Ok((position, counts, round_trip)) => {
                status.epoch = position.epoch;
                status.revision = position.revision;
                status.users = counts.users;
                status.groups = counts.groups;
                status.round_trip_microseconds = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
            }
            Err(error) => status.trouble = Some(error.to_string()),
        }
        Ok(status)
    }
}

impl<D: Directory> Handle<D> for Migrate {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<JobStatus> {
        service.migrate(caller).map(|job| job_status(&job))
    }
}

impl<D: Directory> Handle<D> for Copy {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<JobStatus> {
        let Self { config, file, dry_run } = self;
        service.copy_database(caller, &config.0, PathBuf::from(file), dry_run).map(|job| job_status(&job))
    }
}

impl<D: Directory> Handle<D> for Job {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<JobStatus> {
        let job = service.job(caller)?;
        match job.outcome() {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(job_status(&job)),
        }
    }
}

fn replica(revision: Option<u64>, contact: Contact) -> ReplicaStatus {
    ReplicaStatus {
        revision,
        current_seconds_ago: contact.current_at.map(|then| then.elapsed().as_secs()),
        trouble: contact.trouble,
    }
}

fn job_status(job: &service::Job) -> JobStatus {
    let progress = job.progress();
    JobStatus {
        job: job.name.into(),
        step: progress.step.into(),
        done: progress.done,
        total: progress.total,
        finished: job.outcome().is_some(),
        report: job.outcome().and_then(|outcome| outcome.clone().ok()).unwrap_or_default(),
    }
}
