//! `/etc/passwd` and `/etc/group`, read directly (never through NSS, which would lead back to us) and watched.

use std::collections::BTreeMap;
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

/// The names of projects that an admin has named, by their ids (projid(5)).
pub fn projects() -> io::Result<BTreeMap<u32, String>> {
    match std::fs::read(Path::new(DIRECTORY).join("projid")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        text => Ok(parse_projects(&String::from_utf8_lossy(&text?))),
    }
}

fn parse_projects(projid: &str) -> BTreeMap<u32, String> {
    let named = |line: &str| {
        let (name, id) = line.trim().split_once(':')?;
        Some((id.parse().ok()?, name.to_owned()))
    };
    projid.lines().filter(|line| !line.starts_with('#')).filter_map(named).collect()
}

/// Tells `changed` whenever one of the two files may have changed.
pub fn watch(changed: Arc<Notify>) -> io::Result<()> {
    watch::files(Path::new(DIRECTORY), &FILES.map(Into::into), changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_have_names_that_admins_gave_them() {
        let projid = "# number of the backup\nbackup:70005\n\nbroken\nnone:x\n home : 7\nweb:70006\n";
        let expected = [(70_005, "backup".to_owned()), (70_006, "web".to_owned())];
        assert_eq!(parse_projects(projid), expected.into());
    }
}
