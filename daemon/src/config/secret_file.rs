//! A secret in a file of its own, so that neither the configuration nor the environment has to hold it: a
//! file by its path, or a credential that systemd hands to podyd.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::environment::Environment;

/// What opens files. It may refuse to (`Unsupported`), where none is to be read.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Why there is no secret. Both are sentences about the setting that names the file.
pub(super) enum Trouble {
    /// The configuration is wrong, whoever reads it.
    Wrong(String),
    /// The one who asks may not read it. podyd itself may be allowed to.
    Unreadable(String),
}

/// Longer than any URL or token.
pub(super) const MAX_SECRET_BYTES: usize = 16 * 1024;

/// The text of the file with that name, without the white space around it.
pub(super) fn read(
    name: &str,
    environment: &Environment,
    read_file: ReadFile<'_>,
) -> Result<String, Trouble> {
    let path = locate(name, environment)?;
    let about = |what: &str| format!("{} {what}", path.display());
    let bytes = read_file(&path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::Unsupported => {
            Trouble::Unreadable(about(&format!("cannot be read from here, and is not checked: {error}")))
        }
        _ => Trouble::Wrong(about(&format!("cannot be read: {error}"))),
    })?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(Trouble::Wrong(about("is too long for a URL or a token; is it the right file?")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Trouble::Wrong(about("is not UTF-8")))?;
    match text.trim() {
        "" => Err(Trouble::Wrong(about("is empty"))),
        text => Ok(text.to_owned()),
    }
}

fn locate(name: &str, environment: &Environment) -> Result<PathBuf, Trouble> {
    if name.starts_with('/') {
        return Ok(name.into());
    }
    if name.is_empty() || name.starts_with('.') || name.contains('/') || name.contains(char::is_control) {
        let must =
            "must be an absolute path, or the name of a credential (LoadCredential= in systemd.exec(5))";
        return Err(Trouble::Wrong(must.into()));
    }
    match environment.get("CREDENTIALS_DIRECTORY") {
        Some(directory) => Ok(Path::new(directory).join(name)),
        None => Err(Trouble::Unreadable(
            "is a credential, which is not checked: only a podyd that systemd starts, with LoadCredential= in its unit, has it".into(),
        )),
    }
}
