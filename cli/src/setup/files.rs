//! Writes the configuration and its secrets, each file in one step, and can take everything back.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// What stands behind the name of a file as it was before.
const BEFORE: &str = ".before-setup";

/// podyd reads it, and others than root do not.
const MODE: u32 = 0o640;

/// What was written.
#[derive(Debug, Default)]
pub struct Written(Vec<PathBuf>);

impl Written {
    /// Writes the configuration, for whom it was before. What stood there is kept beside it.
    pub fn write(&mut self, path: &Path, text: &str) -> io::Result<()> {
        self.replace(path, text, |former| (former.uid(), former.gid(), former.mode() & 0o7777))
    }

    /// The same for a secret: whoever could read what stood there, this one is for root and podyd alone.
    pub fn write_secret(&mut self, path: &Path, text: &str) -> io::Result<()> {
        self.replace(path, text, |_| (0, group_of_podyd(path), MODE))
    }

    fn replace(
        &mut self,
        path: &Path,
        text: &str,
        rights: impl Fn(&fs::Metadata) -> (u32, u32, u32),
    ) -> io::Result<()> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let former = fs::metadata(&path).ok();
        let new = beside(&path, ".new");
        remove(&new)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let (owner, group, mode) = match &former {
            Some(former) => rights(former),
            None => (0, group_of_podyd(&path), MODE),
        };
        file.write_all(text.as_bytes())?;
        chown(&new, Some(owner), Some(group))?;
        fs::set_permissions(&new, Permissions::from_mode(mode))?;
        file.sync_all()?;
        if former.is_some() {
            keep(&path)?;
        } else {
            remove(&beside(&path, BEFORE))?;
        }
        fs::rename(&new, &path)?;
        self.0.push(path);
        Ok(())
    }

    /// Puts everything back as it was; the error names the first file that could not be.
    pub fn take_back(self) -> Result<(), String> {
        for path in self.0.into_iter().rev() {
            let before = beside(&path, BEFORE);
            let outcome = match before.exists() {
                true => fs::rename(&before, &path),
                false => remove(&path),
            };
            outcome.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}

/// Gives a file a second name, so that there is one under its own at every moment.
fn keep(path: &Path) -> io::Result<()> {
    let (link, before) = (beside(path, ".kept"), beside(path, BEFORE));
    remove(&link)?;
    fs::hard_link(path, &link)?;
    fs::rename(&link, &before)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The group that podyd runs as; where there is none, the one that its configuration's directory belongs to.
fn group_of_podyd(path: &Path) -> u32 {
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    let mut lines = group.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let own = lines.find(|fields| fields.first() == Some(&"pody"));
    let gid = own.and_then(|fields| fields.get(2)?.parse().ok());
    let of_folder = || path.parent().and_then(|folder| Some(fs::metadata(folder).ok()?.gid()));
    gid.or_else(of_folder).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of the test's own, which it may change owners in.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("podyctl-setup-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_stood_there_is_kept_and_comes_back() {
        let folder = Folder::new("kept");
        let file = folder.0.join("config.toml");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o604)).unwrap();
        let mut written = Written::default();
        written.write(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_to_string(folder.0.join("config.toml.before-setup")).unwrap(), "old");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o604, "as it was");
        written.take_back().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(folder.names(), ["config.toml"]);
    }

    #[test]
    #[ignore = "needs root: gives a file to another group"]
    fn a_secret_is_for_podyd_and_root_alone_whoever_could_read_the_file_before() {
        let folder = Folder::new("new");
        let mut written = Written::default();
        let secret = folder.0.join("secret");
        fs::write(folder.0.join("open"), "once").unwrap();
        fs::set_permissions(folder.0.join("open"), Permissions::from_mode(0o644)).unwrap();
        for path in [secret, folder.0.join("open")] {
            written.write_secret(&path, "s").unwrap();
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (0, 0o640), "{}", path.display());
        }
        written.take_back().unwrap();
        assert_eq!(folder.names(), ["open"]);
    }
}
