//! podyd-helper's command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What `podyd-helper --help` says.
pub const HELP: &str = "\
podyd-helper does for podyd what only root may do: homes, quotas, slices and the end of sessions.

Usage: podyd-helper [--listen PATH] [--owner USER]

  --listen PATH  make a socket at PATH and listen there; else systemd hands one over as standard input
  --owner USER   who alone may ask, by the name in /etc/passwd: as whom podyd runs (pody)
  --version      show the version
  --help         show this

It goes by /etc/pody/config.toml and /etc/pody/id-ranges, which must be root's. See podyd-helper(8).
";

/// What podyd-helper was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve podyd.
    Serve(Serving),
    /// Show the version.
    Version,
    /// Show [`HELP`].
    Help,
}

/// Where to listen, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// A socket to make; none: systemd's.
    pub listen: Option<PathBuf>,
    /// As whom podyd runs.
    pub owner: String,
}

/// Reads the arguments, without the program's own name. The error is a sentence.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Action, String> {
    let mut arguments = arguments.into_iter();
    let mut serving = Serving { listen: None, owner: "pody".into() };
    while let Some(argument) = arguments.next() {
        match argument.as_bytes() {
            b"--help" | b"-h" => return Ok(Action::Help),
            b"--version" | b"-V" => return Ok(Action::Version),
            b"--listen" => {
                let path = arguments.next().filter(|path| !path.is_empty());
                serving.listen = Some(path.ok_or("--listen wants a path")?.into());
            }
            b"--owner" => {
                let owner = arguments.next().and_then(|owner| owner.into_string().ok());
                serving.owner = owner.ok_or("--owner wants the name of a user")?;
            }
            _ => return Err(format!("unknown argument {:?}", argument.to_string_lossy())),
        }
    }
    Ok(Action::Serve(serving))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Action, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn without_arguments_it_serves_pody_on_the_socket_of_systemd() {
        let serving = |listen: Option<&str>, owner: &str| {
            Ok(Action::Serve(Serving { listen: listen.map(PathBuf::from), owner: owner.into() }))
        };
        assert_eq!(parsed(&[]), serving(None, "pody"));
        assert_eq!(parsed(&["--listen", "/s", "--owner", "root"]), serving(Some("/s"), "root"));
        assert_eq!(parsed(&["--owner", "x", "-h"]), Ok(Action::Help));
        for (arguments, said) in [
            (&["--listen"][..], "wants a path"),
            (&["--owner"], "wants the name"),
            (&["start"], "unknown argument"),
        ] {
            assert!(parsed(arguments).unwrap_err().contains(said), "{arguments:?}");
        }
    }
}
