//! Where the servers' programs are: `tests/servers/install` has put them into the target directory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Debian's tree in which `program` is; the panic tells how to get it.
pub fn debian(program: &str) -> PathBuf {
    let tree = tree("debian");
    assert!(tree.join("key").exists(), "{program} is not here: run `tests/servers/install` or `make test`");
    tree
}

/// Where the libraries of a tree are, as the loader wants to be told.
pub fn library_path(tree: &Path) -> OsString {
    let below = ["usr/lib", "lib"].map(|directory| tree.join(directory));
    let entries = below.iter().flat_map(fs::read_dir).flatten().flatten().map(|entry| entry.path());
    let libraries = entries.filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    std::env::join_paths(libraries).expect("no path holds a colon")
}

fn tree(name: &str) -> PathBuf {
    // The running test is target/PROFILE/deps/NAME-HASH.
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(3).expect("a test stands in target/PROFILE/deps").join("servers").join(name)
}
