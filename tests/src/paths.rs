//! Where things are: the tree, and what was built from it.

use std::path::{Path, PathBuf};

/// The top of the source tree.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the tree")
}

/// The directory that cargo builds into.
pub fn target() -> PathBuf {
    profile().parent().expect("a profile stands in the target directory").into()
}

/// What was built in the profile of the running test: `podyd`, `podyctl`, `libpam_pody.so`.
pub fn built(name: &str) -> PathBuf {
    existing(profile().join(name), "cargo build --workspace --all-targets")
}

/// libnss_pody as it is shipped.
pub fn nss_module() -> PathBuf {
    existing(target().join("module/libnss_pody.so"), "make module")
}

/// The name of that profile's directory, which `make install` calls PROFILE.
pub fn profile_name() -> String {
    profile().file_name().expect("a profile has a name").to_string_lossy().into_owned()
}

fn profile() -> PathBuf {
    // The running test is target/PROFILE/deps/NAME-HASH.
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(2).expect("a test stands in target/PROFILE/deps").into()
}

fn existing(path: PathBuf, how: &str) -> PathBuf {
    assert!(path.exists(), "{} was not built: run `{how}` or `make test`", path.display());
    path
}
