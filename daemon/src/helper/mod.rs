//! podyd-helper: the few things that only root may do, for podyd, which is not root. It has no network, no database and no
//! runtime, and knows of the rest of podyd what is only text and rules.
//!
//! It believes nothing that it is told: who may ask comes from the kernel, what may be asked from files that are root's.
//! To add a verb: its types in `protocol::helper`, `impl Handle` for it in a module here, and its name in `dispatch.rs`.

mod arguments;
mod bus;
mod dispatch;
mod home;
pub mod limits;
mod node;
mod processes;
mod quota;
mod serve;
mod sessions;
mod slice;
mod turns;

use std::fmt::Display;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::stat::{Mode, umask};
use protocol::Error;

pub use arguments::{Action, HELP, Serving, parse};
pub use dispatch::answer;
pub use node::Node;
pub use serve::serve;
pub use turns::Turns;

use crate::etc;
use limits::IDLE_EXIT;

/// Serves until there is nothing to do, if systemd brings the socket and would start it again; else for ever. The error is
/// a sentence.
pub fn run(serving: &Serving) -> Result<(), String> {
    umask(Mode::from_bits_truncate(0o077));
    let owner = &serving.owner;
    let uid = etc::local_uid(owner).map_err(|error| format!("/etc/passwd: {error}"))?.ok_or_else(|| {
        format!("there is no user {owner} in /etc/passwd, as whom podyd would run; is Pody installed?")
    })?;
    let (listener, idle) = match &serving.listen {
        Some(path) => (listen(path, uid).map_err(|error| format!("{}: {error}", path.display()))?, None),
        None => (
            inherited()
                .map_err(|error| format!("standard input is no listening socket ({error}); see --listen"))?,
            Some(IDLE_EXIT),
        ),
    };
    serve(&listener, uid, idle, Node::read).map_err(|error| format!("the socket fails: {error}"))
}

/// systemd's, as `StandardInput=socket` hands it over: a descriptor that is known to be one, and no number in a variable.
fn inherited() -> io::Result<UnixListener> {
    let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    listener.local_addr()?;
    Ok(listener)
}

/// A socket of our own, for podyd alone, in place of whatever an earlier run left there.
fn listen(path: &Path, owner: u32) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent().filter(|directory| !directory.exists()) {
        fs::create_dir_all(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    chown(path, Some(owner), None)?;
    Ok(listener)
}

fn invalid(field: &str, why: impl Display) -> Error {
    Error::InvalidInput { field: field.into(), message: why.to_string() }
}

fn refused(why: impl Display) -> Error {
    Error::Refused { message: why.to_string() }
}

fn conflict(why: impl Display) -> Error {
    Error::Conflict { message: why.to_string() }
}

fn failed(why: impl Display) -> Error {
    Error::Failed { message: why.to_string() }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::harness;
