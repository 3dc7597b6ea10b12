//! `/etc/passwd` and `/etc/group`, read directly (never through NSS, which would lead back to us) and watched.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::directory::LocalAccounts;
use crate::watch;

const DIRECTORY: &str = "/etc";
const FILES: [&str; 2] = ["passwd", "group"];

/// Reads both files. One that is missing holds nobody; one that cannot be read is an error, since what it
/// holds must be known before an id is given out.
pub fn local_accounts() -> io::Result<LocalAccounts> {
    let read = |name| match std::fs::read(Path::new(DIRECTORY).join(name)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    };
    Ok(LocalAccounts::parse(&read(FILES[0])?, &read(FILES[1])?))
}

/// The uid of a local user.
pub fn local_uid(name: &str) -> io::Result<Option<u32>> {
    let passwd = std::fs::read(Path::new(DIRECTORY).join(FILES[0]))?;
    let passwd = String::from_utf8_lossy(&passwd);
    let uid = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())
    });
    Ok(uid.flatten())
}

/// Tells `changed` whenever one of the two files may have changed.
pub fn watch(changed: Arc<Notify>) -> io::Result<()> {
    watch::files(Path::new(DIRECTORY), &FILES.map(Into::into), changed)
}
