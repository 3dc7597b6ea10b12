//! Files that nobody but root may have written: what a root process goes by. Whoever runs this counts as root, so that it
//! can be tried by others on files of their own.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Opens a file and looks at what was opened, whatever its name stands for by then.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    is_roots(&status).map_err(io::Error::other)?;
    Ok(file)
}

/// Whoever may write a directory can put another file in the place of one that is root's. A missing one holds nothing.
pub(super) fn check_directory(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(status) => is_roots(&status).map_err(str::to_owned),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("cannot be looked at: {error}")),
    }
}

fn is_roots(status: &Metadata) -> Result<(), &'static str> {
    if status.uid() != 0 && status.uid() != geteuid().as_raw() {
        return Err("does not belong to root, and podyd-helper goes by nothing else: chown root");
    }
    if status.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(
            "may be written by others than root, and podyd-helper goes by nothing of theirs: chmod go-w",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::{Paths, load_for_helper};
    use super::*;
    use crate::testing::Folder;

    fn with_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_may_write_is_not_gone_by() {
        let folder = Folder::new();
        with_mode(&folder, 0o755);
        let paths = Paths::under(&folder);
        let refused = || load_for_helper(paths.clone()).unwrap_err()[0].to_string();
        assert_eq!(load_for_helper(paths.clone()).unwrap().homes.mode.0, 0o700, "without files");

        fs::write(&paths.config_file, "[homes]\nmode = \"0750\"\n").unwrap();
        fs::write(&paths.id_ranges, "5000 6000\n").unwrap();
        for file in [&paths.config_file, &paths.id_ranges] {
            with_mode(file, 0o644);
        }
        for file in [&paths.config_file, &paths.id_ranges] {
            with_mode(file, 0o664);
            assert!(refused().contains("may be written by others"), "{}", refused());
            with_mode(file, 0o644);
        }
        with_mode(&folder, 0o777);
        assert!(refused().contains("may be written by others"), "{}", refused());
        with_mode(&folder, 0o755);
        let settings = load_for_helper(paths.clone());
        assert!(
            settings.unwrap_err()[0].to_string().contains("[ids]"),
            "the default range is not in that one"
        );

        fs::write(&paths.id_ranges, "1900000000 1999999999\n").unwrap();
        assert_eq!(load_for_helper(paths.clone()).unwrap().homes.mode.0, 0o750);
        if geteuid().is_root() {
            std::os::unix::fs::chown(&paths.config_file, Some(4711), None).unwrap();
            assert!(refused().contains("does not belong to root"), "{}", refused());
        }
    }

    #[test]
    fn what_is_only_podyds_is_not_looked_at() {
        let folder = Folder::new();
        with_mode(&folder, 0o755);
        let paths = Paths::under(&folder);
        let podyds = "[homes]\ncreate = false\n[backend.postgres]\nurl = \"${NOT_HERE}\"\n[oidc]\nclient_secret_file = \"/none\"\n";
        fs::write(&paths.config_file, podyds).unwrap();
        with_mode(&paths.config_file, 0o640);
        assert!(!load_for_helper(paths.clone()).unwrap().homes.create);
        fs::write(&paths.config_file, "[homes]\ncreat = false\n").unwrap();
        assert!(load_for_helper(paths).unwrap_err()[0].to_string().contains("did you mean homes.create"));
    }
}
