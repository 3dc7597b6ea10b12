//! `podyctl user import`: takes users over from other systems.
//!
//! The parsers are pure functions from the bytes of a file to records and refusals. Which names, ids and
//! hashes are acceptable, podyd decides; what it refuses stands in the same report.

mod guess;
mod lines;
mod records;
mod report;
mod send;

pub mod group;
pub mod htpasswd;
pub mod jsonl;
pub mod passwd;
pub mod shadow;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::directory::{MAX_PODY_DATABASE_BYTES, ReadPodyDatabase, Secret};

pub use lines::{Line, MAX_LINE_BYTES, Password};
pub use records::{Records, SystemFiles, User};

use crate::arguments::{Format, ImportArguments};
use crate::daemon::Daemon;
use crate::output::Output;
use crate::{Code, Failure, Result, Session};
use report::Report;
use send::{Order, send};

/// The largest file, which is held in memory: an export of a million users has about 600 MB.
const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// Imports a file, or says what an import would do.
pub fn run(arguments: &ImportArguments, session: &mut Session<'_>) -> Result<()> {
    let files = Files::read(arguments)?;
    let mut report_file = arguments.report.as_deref().map(create).transpose()?;
    let mut daemon = Daemon::connect(&session.socket)?;
    let records = files.records(arguments, &mut daemon)?;
    let progress = progress_bar(&session.output);
    let mut report = Report { dry_run: arguments.dry_run, ..Report::default() };
    let result = send(records, &order(arguments), &mut daemon, &progress, &mut report);
    progress.finish_and_clear();

    if let Some(file) = &mut report_file {
        report.write_lines(file).map_err(|error| cannot("write", arguments.report.as_deref(), &error))?;
    }
    report.show(report_file.is_some(), &mut session.output)?;
    if files.lack_passwords(arguments) && report.without_password > 0 {
        session.output.remark("the passwords of a passwd file are in its shadow file: give it with --shadow");
    }
    match result {
        Err(failure) => Err(stopped(failure, &report)),
        Ok(()) if report.refused.is_empty() => Ok(()),
        Ok(()) => Err(Failure::silent(Code::Failed)),
    }
}

/// The files' contents, and what they are.
struct Files {
    format: Format,
    content: Vec<u8>,
    shadow: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
}

impl Files {
    fn read(arguments: &ImportArguments) -> Result<Self> {
        let content = read(&arguments.file)?;
        let format = match arguments.format {
            Some(format) => format,
            None => guess::guess(&content).map_err(|why| {
                Failure::new(Code::Usage, format_args!("{}: {why}", arguments.file.display()))
            })?,
        };
        if format != Format::Passwd && (arguments.shadow.is_some() || arguments.group.is_some()) {
            return Err(Failure::new(
                Code::Usage,
                "--shadow and --group belong to a passwd file, and this is none",
            ));
        }
        let read = |path: &Option<_>| path.as_deref().map(read).transpose();
        Ok(Self { format, content, shadow: read(&arguments.shadow)?, group: read(&arguments.group)? })
    }

    fn records(&self, arguments: &ImportArguments, daemon: &mut Daemon) -> Result<Records<'_>> {
        Ok(match self.format {
            Format::Passwd => {
                let (passwd, shadow, group) = (&*self.content, self.shadow.as_deref(), self.group.as_deref());
                Records::of_system(
                    SystemFiles { passwd, shadow, group },
                    arguments.min_uid..=arguments.max_uid,
                )
            }
            Format::Htpasswd => Records::of_htpasswd(&self.content),
            Format::Jsonl => Records::of_export(&self.content),
            Format::PodyDb => Records::of_pody_database(read_pody_database(&self.content, daemon)?),
        })
    }

    fn lack_passwords(&self, arguments: &ImportArguments) -> bool {
        self.format == Format::Passwd && arguments.shadow.is_none()
    }
}

fn read_pody_database(content: &[u8], daemon: &mut Daemon) -> Result<Vec<protocol::directory::ImportUser>> {
    if content.len() > MAX_PODY_DATABASE_BYTES {
        let kib = MAX_PODY_DATABASE_BYTES / 1024;
        let advice = "shrink it with: sqlite3 users.db vacuum, or write its users as JSON Lines";
        return Err(Failure::new(
            Code::Failed,
            format_args!("podyd reads databases of {kib} KiB at the most: {advice}"),
        ));
    }
    Ok(daemon.call(&ReadPodyDatabase { content: Secret(STANDARD.encode(content)) })?.users)
}

fn order(arguments: &ImportArguments) -> Order {
    let name = |path: &Path| path.display().to_string();
    let user_file = name(&arguments.file);
    Order {
        new_ids: arguments.new_ids,
        reuse_name: arguments.reuse_name,
        dry_run: arguments.dry_run,
        group_file: arguments.group.as_deref().map_or_else(|| user_file.clone(), name),
        password_file: arguments.shadow.as_deref().map_or_else(|| user_file.clone(), name),
        user_file,
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content))
        .map_err(|error| cannot("read", Some(path), &error))?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(Failure::new(
            Code::Failed,
            format_args!("{} is larger than 1 GiB: split it", path.display()),
        ));
    }
    Ok(content)
}

fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| cannot("write", Some(path), &error))
}

fn cannot(verb: &str, path: Option<&Path>, error: &io::Error) -> Failure {
    let path = path.unwrap_or(Path::new("the report")).display();
    Failure::new(Code::Failed, format_args!("cannot {verb} {path}: {error}"))
}

/// Shows how far something is, where a person sees it.
pub fn progress_bar(output: &Output<'_>) -> ProgressBar {
    if !output.err_is_terminal {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len}, {eta} left")
        .expect("the template is right, or every import on a terminal would show it");
    ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style)
}

fn stopped(failure: Failure, report: &Report) -> Failure {
    let advice = "it is safe to run the same import again: whoever is here already is refused";
    Failure {
        message: format!("{}\nThe import stopped after {} records; {advice}.", failure.message, report.taken),
        ..failure
    }
}
