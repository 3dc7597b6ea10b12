//! podyd-helper, the part of Pody that is root. This file turns arguments into an action and results into exit codes; the
//! rest is `daemon::helper`.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use daemon::config::{Environment, Settings};
use daemon::helper::{self, Action};
use daemon::log;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    match helper::parse(std::env::args_os().skip(1)) {
        Ok(Action::Help) => say(helper::HELP.trim_end()),
        Ok(Action::Version) => say(concat!("podyd-helper ", env!("CARGO_PKG_VERSION"))),
        Ok(Action::Serve(serving)) => {
            let environment: Environment = std::env::vars_os().collect();
            log::start(Settings::default().log.level, &environment);
            log::abort_on_panic();
            match helper::run(&serving) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    tracing::error!(target: "daemon", "{error}");
                    ExitCode::from(FAILED)
                }
            }
        }
        Err(why) => {
            // Standard error may be closed; then the exit code has to do.
            let _ = writeln!(io::stderr(), "podyd-helper: {why}; see 'podyd-helper --help'");
            ExitCode::from(WRONG_USAGE)
        }
    }
}

fn say(text: impl Display) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}
