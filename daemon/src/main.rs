//! podyd, the daemon. This file turns arguments into an action and results into exit codes; the rest
//! is the library.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use daemon::arguments::{self, Action};
use daemon::config::{self, Checked, ConfigError, Environment};
use daemon::log;

const FAILED: u8 = 1;
const WRONG_USAGE_OR_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let environment: Environment = std::env::vars_os().collect();
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Action::Help) => say(arguments::HELP.trim_end()),
        Ok(Action::Version) => say(concat!("podyd ", env!("CARGO_PKG_VERSION"))),
        Ok(Action::Check { config_file }) => check(config_file.as_deref(), &environment),
        Ok(Action::Run { config_file }) => run(config_file, environment),
        Err(why) => {
            complain(format_args!("podyd: {why}; see 'podyd --help'"));
            ExitCode::from(WRONG_USAGE_OR_CONFIGURATION)
        }
    }
}

fn check(config_file: Option<&Path>, environment: &Environment) -> ExitCode {
    match config::check(config_file, environment) {
        Ok(Checked { config_file: file, notes }) => {
            notes.iter().for_each(|note| complain(format_args!("podyd: note: {note}")));
            let note =
                if file.exists() { "" } else { " (there is no such file: every setting is at its default)" };
            say(format_args!("{}: ok{note}", file.display()))
        }
        Err(errors) => refuse(&errors),
    }
}

fn run(config_file: Option<PathBuf>, environment: Environment) -> ExitCode {
    let settings = match config::load(config_file.as_deref(), &environment) {
        Ok(settings) => settings,
        Err(errors) => return refuse(&errors),
    };
    let log = log::start(settings.log.level, &environment);
    log::abort_on_panic();
    settings.warnings().iter().for_each(|warning| tracing::warn!(target: "daemon", "{warning}"));
    let own = environment.clone();
    let reload = move || config::load(config_file.as_deref(), &own);
    match daemon::run(settings, environment, reload, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(target: "daemon", "{error}");
            ExitCode::from(FAILED)
        }
    }
}

fn refuse(errors: &[ConfigError]) -> ExitCode {
    errors.iter().for_each(complain);
    ExitCode::from(WRONG_USAGE_OR_CONFIGURATION)
}

fn say(text: impl Display) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Standard error may be closed; then the exit code has to do.
fn complain(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
