//! podyd's command line. It has too few options to need a library for them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What `podyd --help` says.
pub const HELP: &str = "\
podyd gives this node its users and groups.

Usage: podyd [--config FILE] [--check]

  --config FILE  read FILE, which must exist, instead of /etc/pody/config.toml
  --check        say everything that is wrong with the configuration, and start nothing
  --version      show the version
  --help         show this

Exit status: 0 done, 1 failed, 2 wrong usage or configuration. See podyd(8), pody.toml(5).
";

/// What podyd was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve this node.
    Run {
        /// `--config`.
        config_file: Option<PathBuf>,
    },
    /// Judge the configuration.
    Check {
        /// `--config`.
        config_file: Option<PathBuf>,
    },
    /// Show the version.
    Version,
    /// Show [`HELP`].
    Help,
}

/// Reads the arguments, without the program's own name. The error is a sentence.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, String> {
    let mut arguments = arguments.into_iter();
    let mut config_file = None;
    let mut check = false;
    while let Some(argument) = arguments.next() {
        match argument.as_bytes() {
            b"--help" | b"-h" => return Ok(Action::Help),
            b"--version" | b"-V" => return Ok(Action::Version),
            b"--check" => check = true,
            b"--config" => {
                let file = arguments.next().ok_or("--config wants the name of a file")?;
                set_once(&mut config_file, file)?;
            }
            other => match other.strip_prefix(b"--config=") {
                Some(file) => set_once(&mut config_file, OsString::from_vec(file.to_vec()))?,
                None => return Err(unknown(&argument)),
            },
        }
    }
    Ok(if check { Action::Check { config_file } } else { Action::Run { config_file } })
}

fn set_once(config_file: &mut Option<PathBuf>, file: OsString) -> Result<(), String> {
    if file.is_empty() {
        return Err("--config wants the name of a file".into());
    }
    match config_file.replace(file.into()) {
        None => Ok(()),
        Some(_) => Err("--config is given twice; there is one configuration".into()),
    }
}

fn unknown(argument: &OsStr) -> String {
    let kind = if argument.as_bytes().starts_with(b"-") { "option" } else { "argument" };
    format!("unknown {kind} {:?}", argument.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Action, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn the_options_are_understood_in_any_order() {
        let config_file = Some(PathBuf::from("/x"));
        assert_eq!(parsed(&[]), Ok(Action::Run { config_file: None }));
        assert_eq!(parsed(&["--config", "/x"]), Ok(Action::Run { config_file: config_file.clone() }));
        for check in [["--check", "--config=/x"], ["--config=/x", "--check"]] {
            assert_eq!(parsed(&check), Ok(Action::Check { config_file: config_file.clone() }));
        }
        assert_eq!(parsed(&["--check", "--version"]), Ok(Action::Version));
        assert_eq!(parsed(&["-h"]), Ok(Action::Help));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (arguments, said) in [
            (&["--chek"][..], "unknown option \"--chek\""),
            (&["start"], "unknown argument \"start\""),
            (&[""], "unknown argument \"\""),
            (&["--config"], "wants the name"),
            (&["--config="], "wants the name"),
            (&["--config=a", "--config", "b"], "given twice"),
        ] {
            assert!(parsed(arguments).unwrap_err().contains(said), "{arguments:?}");
        }
    }

    #[test]
    fn a_file_name_may_be_any_bytes() {
        let name = OsString::from_vec(b"/\xff".to_vec());
        let expected = Action::Run { config_file: Some(PathBuf::from(&name)) };
        assert_eq!(parse(["--config".into(), name]), Ok(expected));
    }
}
