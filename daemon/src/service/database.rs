//! The database behind the directory, for root: what state it is in, its tables, and the way into another one.
//!
//! Whoever waits for a call gives up after half a minute; bringing tables up to date and copying may take longer, so they
//! are jobs, one at a time, which go on when nobody asks any more.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Caller, Operation, Service};
use crate::config::{Backend, Environment, Settings, backend_of};
use crate::directory::{Contact, Counts, Directory, Error, Position, Result};
use crate::store::{Copied, Progress, Schema, SqlDirectory};

/// The database that a node's directory is in, and what is done to it.
pub struct Database {
    source: Arc<SqlDirectory>,
    /// What the configuration of another database may refer to.
    environment: Environment,
    job: Mutex<Option<Job>>,
}

/// Something that takes long.
#[derive(Clone)]
pub struct Job {
    /// What it is called.
    pub name: &'static str,
    progress: watch::Receiver<Progress>,
    outcome: Arc<OnceLock<Result<Vec<String>>>>,
}

impl Job {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// What came of it, a sentence each; none: it goes on.
    pub fn outcome(&self) -> Option<&Result<Vec<String>>> {
        self.outcome.get()
    }
}

/// How the database is doing.
pub struct DatabaseHealth {
    /// What kind it is and where.
    pub place: (&'static str, String),
    /// Its tables; an error: it does not answer.
    pub schema: Result<Schema>,
    /// Where it stands, how much it holds, and how long it took to say where it stands.
    pub state: Result<(Position, Counts, Duration)>,
    /// What this node has of it, where that is a replica: the revision, and how current it is.
    pub replica: Option<(Option<u64>, Contact)>,
    /// The last job.
    pub job: Option<Job>,
}

impl Database {
    /// Looks after a database. `environment` is what `${VARIABLE}` stands for in configurations of others.
    pub fn new(source: Arc<SqlDirectory>, environment: Environment) -> Self {
        Self { source, environment, job: Mutex::new(None) }
    }

    /// By how many seconds a clock that shows this is ahead of the database's own, where that has one.
    pub(super) async fn clock_skew(&self, now: i64) -> Result<Option<i64>> {
        Ok(self.source.server_seconds().await?.map(|server| now.saturating_sub(server)))
    }

    fn job(&self) -> Option<Job> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a job, unless there is one.
    fn begin<F>(&self, name: &'static str, job: impl FnOnce(watch::Sender<Progress>) -> F) -> Result<Job>
    where
        F: Future<Output = Result<Vec<String>>> + Send + 'static,
    {
        let mut last = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = last.as_ref().filter(|job| job.outcome().is_none()) {
            return Err(Error::Busy(format!("{} is at work already: see podyctl db status", running.name)));
        }
        let (sender, progress) = watch::channel(Progress::default());
        let outcome = Arc::new(OnceLock::new());
        let (job, ended) = (job(sender), Arc::clone(&outcome));
        tokio::spawn(async move {
            let outcome = job.await;
            match &outcome {
                Ok(report) => tracing::info!("podyctl db {name}: {}", report.join("; ")),
                Err(error) => tracing::warn!("podyctl db {name}: {error}"),
            }
            // Nobody else sets it.
            let _ = ended.set(outcome);
        });
        Ok(last.insert(Job { name, progress, outcome }).clone())
    }
}

impl<D: Directory> Service<D> {
    /// How the database is doing.
    pub async fn database_health(&self, caller: &Caller) -> Result<DatabaseHealth> {
        let database = self.own_database(caller)?;
        let schema = database.source.schema().await;
        let state = match &schema {
            Ok(schema) => state(&database.source, *schema).await,
            Err(error) => Err(error.clone()),
        };
        let replica = match self.directory.contact() {
            Some(contact) => {
                let position = self.directory.position().await;
                Some((position.ok().map(|position| position.revision), contact))
            }
            None => None,
        };
        Ok(DatabaseHealth { place: database.source.describe(), schema, state, replica, job: database.job() })
    }

    /// Begins to bring the tables up to date.
    pub fn migrate(&self, caller: &Caller) -> Result<Job> {
        let database = self.own_database(caller)?;
        let source = Arc::clone(&database.source);
        database.begin("migrate", |_| async move { migrate(&source).await })
    }

    /// Begins to copy the directory into the database that the text of a configuration names; `file` is where it was read.
    pub fn copy_database(&self, caller: &Caller, config: &str, file: PathBuf, dry_run: bool) -> Result<Job> {
        let database = self.own_database(caller)?;
        let settings = self.current_settings();
        let backend = backend_of(config, file, &settings, &database.environment).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Error::invalid("config", lines.join("\n"))
        })?;
        let source = Arc::clone(&database.source);
        database.begin("copy", |progress| async move {
            copy(&source, &backend, &settings, dry_run, &progress).await
        })
    }

    /// The last job.
    pub fn job(&self, caller: &Caller) -> Result<Job> {
        let none = || Error::NotFound("nothing was begun since podyd started".into());
        self.own_database(caller)?.job().ok_or_else(none)
    }

    fn own_database(&self, caller: &Caller) -> Result<&Database> {
        caller.may(Operation::Database)?;
        self.database.as_ref().ok_or_else(|| {
            let (_, place) = self.directory.describe();
            Error::Refused(format!(
                "this node has its directory from {place}, whose database is not this node's to look after: use podyctl db \
                 on the node that runs the service"
            ))
        })
    }
}

async fn state(source: &SqlDirectory, schema: Schema) -> Result<(Position, Counts, Duration)> {
    schema.check()?;
    let asked = Instant::now();
    let position = source.position().await?;
    let took = asked.elapsed();
    Ok((position, source.counts().await?, took))
}

async fn migrate(source: &SqlDirectory) -> Result<Vec<String>> {
    let migrated = source.migrate().await?;
    if migrated.steps.is_empty() {
        return Ok(vec![format!("there was nothing to do: {}", migrated.before)]);
    }
    let steps = migrated.steps.iter().map(|step| format!("carried out step {step}"));
    Ok(steps.chain([format!("the database has {}", source.schema().await?)]).collect())
}

async fn copy(
    source: &SqlDirectory,
    backend: &Backend,
    settings: &Settings,
    dry_run: bool,
    progress: &watch::Sender<Progress>,
) -> Result<Vec<String>> {
    let target = match backend {
        Backend::Local if source.describe().0 == "local" => {
            return Err(Error::Refused(
                "the configuration has no [backend], which is where the directory is already".into(),
            ));
        }
        Backend::Local => {
            let path = settings.paths.state.join("directory.sqlite");
            if dry_run && !path.exists() {
                return Ok(vec![format!("{} would be made, and is not there yet", path.display())]);
            }
            SqlDirectory::sqlite(&path).await?
        }
        shared => SqlDirectory::shared(shared)?,
    };
    let copied = source.copy_to(&target, dry_run, progress).await;
    let place = target.describe().1;
    target.close().await;
    Ok(report(&copied?, &place, dry_run))
}

fn report(copied: &Copied, place: &str, dry_run: bool) -> Vec<String> {
    let rows: Vec<String> = copied.rows.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
    let (rows, revision) = (rows.join(", "), copied.position.revision);
    if dry_run {
        return vec![format!("{place} is ready to take the directory of revision {revision}: {rows}")];
    }
    vec![
        format!("copied the directory of revision {revision} to {place}: {rows}"),
        "compared every row: both are the same".into(),
        "nodes use the new database once their configuration names it; until then, changes go to the old one alone".into(),
    ]
}
