//! `podyctl db`: the database behind the directory. podyd does the work; here it is begun and watched.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::Duration;

use protocol::Method;
use protocol::database::{Copy, DatabaseStatus, Job, JobStatus, Migrate, ReplicaStatus, Status};
use protocol::directory::Secret;

use crate::arguments::DbCommand;
use crate::daemon::Daemon;
use crate::import::progress_bar;
use crate::table::{Value, record};
use crate::{Code, Failure, Result, Session};

/// How often podyd is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Many times what a configuration has; a call could hold four times that.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;

/// Runs a command about the database.
pub fn run(command: DbCommand, session: &mut Session<'_>) -> Result<()> {
    match command {
        DbCommand::Status => status(session),
        DbCommand::Migrate => carry_out(&Migrate {}, session),
        DbCommand::Copy { to_config, dry_run } => {
            let config = Secret(read(&to_config)?);
            carry_out(&Copy { config, file: to_config.display().to_string(), dry_run }, session)
        }
    }
}

fn status(session: &mut Session<'_>) -> Result<()> {
    let status = Daemon::connect(&session.socket)?.call(&Status {})?;
    if session.output.json {
        session.output.object(&status)?;
    } else {
        record(&mut session.output, fields(&status))?;
    }
    match status.trouble {
        Some(trouble) => Err(Failure::new(Code::Away, trouble)),
        None => Ok(()),
    }
}

fn fields(status: &DatabaseStatus) -> Vec<(&'static str, Value)> {
    let striking = |text: String, is_fine: bool| if is_fine { text.into() } else { Value::Striking(text) };
    let database = format!("{}, {}", status.directory, status.location);
    let mut fields = vec![("database", striking(database, status.reachable))];
    if status.reachable {
        fields.push(("schema", striking(status.schema.clone(), status.fits)));
    }
    if status.reachable && status.fits {
        let milliseconds = format!(
            "{}.{:03} ms",
            status.round_trip_microseconds / 1000,
            status.round_trip_microseconds % 1000
        );
        fields.extend([
            ("revision", Value::from(format!("{} of epoch {}", status.revision, status.epoch))),
            ("users", status.users.into()),
            ("groups", status.groups.into()),
            ("round trip", milliseconds.into()),
        ]);
    }
    if let Some(replica) = &status.replica {
        fields.push(("replica", striking(of_replica(replica), replica.trouble.is_none())));
    }
    if let Some(job) = &status.job {
        fields.push(("last job", of_job(job).into()));
    }
    fields
}

fn of_replica(replica: &ReplicaStatus) -> String {
    let revision = match replica.revision {
        Some(revision) => format!("revision {revision}"),
        None => "holds nothing yet".into(),
    };
    let age = match replica.current_seconds_ago {
        Some(seconds) => format!("current {seconds} s ago"),
        None => "not known to be current".into(),
    };
    let trouble = replica.trouble.as_ref().map(|trouble| format!("; {trouble}")).unwrap_or_default();
    format!("{revision}, {age}{trouble}")
}

fn of_job(job: &JobStatus) -> String {
    match job.finished {
        true => format!("{}, ended", job.job),
        false => format!("{}, {} {} of {}", job.job, job.step, job.done, job.total),
    }
}

/// Brings the tables up to date; what was done.
pub fn migrate(session: &mut Session<'_>) -> Result<JobStatus> {
    watch(&Migrate {}, session)
}

fn carry_out<M: Method<Reply = JobStatus>>(job: &M, session: &mut Session<'_>) -> Result<()> {
    let status = watch(job, session)?;
    session.output.answer(&status.report.join("\n"), &status)
}

/// Begins a job and watches it to its end.
fn watch<M: Method<Reply = JobStatus>>(job: &M, session: &mut Session<'_>) -> Result<JobStatus> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let mut status = daemon.call(job)?;
    let progress = progress_bar(&session.output);
    let outcome = loop {
        progress.set_length(status.total);
        progress.set_position(status.done);
        if status.finished {
            break Ok(status);
        }
        thread::sleep(LOOK_EVERY);
        status = match daemon.call(&Job {}) {
            Ok(status) => status,
            Err(failure) => break Err(failure),
        };
    };
    progress.finish_and_clear();
    outcome
}

fn read(path: &Path) -> Result<String> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::new(Code::Usage, format_args!("{}: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX_CONFIG_BYTES {
        return Err(failed(&"is larger than any configuration: is it the right file?"));
    }
    Ok(text)
}
