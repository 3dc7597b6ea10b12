//! Where the servers' programs are: `tests/servers/install` and `tests/servers/oidc/install` have put them into the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::Place;

/// Programs and their libraries, unpacked below one directory.
pub struct Tree {
    root: PathBuf,
    /// The loader to start programs with, where they are newer than the machine's C library.
    loader: Option<PathBuf>,
}

impl Tree {
    /// What comes out of this machine's own Debian.
    pub fn debian(product: &str) -> Self {
        Self { root: root("debian", product), loader: None }
    }

    /// MySQL, which only Debian's newest has.
    pub fn mysql() -> Self {
        let root = root("mysql", "MySQL");
        let loaders = fs::read_dir(root.join("usr/lib64")).expect("libc6 was unpacked").flatten();
        let loader =
            loaders.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("/ld-linux"));
        Self { root, loader: Some(loader.expect("libc6 has a loader")) }
    }

    /// A file in it.
    pub fn path(&self, within: &str) -> PathBuf {
        self.root.join(within)
    }

    /// A program of it that runs in a place.
    pub fn command(&self, place: &Place, program: PathBuf) -> Command {
        let libraries = std::env::join_paths(self.libraries()).expect("no path holds a colon");
        match &self.loader {
            None => {
                let mut command = place.command(&program);
                command.env("LD_LIBRARY_PATH", libraries);
                command
            }
            Some(loader) => {
                let mut command = place.command(loader);
                command.arg("--library-path").arg(libraries).arg(program);
                command
            }
        }
    }

    fn libraries(&self) -> impl Iterator<Item = PathBuf> {
        let below = ["usr/lib", "lib"].map(|directory| fs::read_dir(self.root.join(directory)));
        let entries = below.into_iter().flatten().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.to_string_lossy().ends_with("-linux-gnu"))
    }
}

/// Where something was unpacked; panics with how to do that.
pub fn root(name: &str, product: &str) -> PathBuf {
    // The running test stands somewhere in the target directory.
    let test = std::env::current_exe().expect("a test knows its own path");
    let unpacked = |directory: &Path| {
        Some(directory.join("servers").join(name)).filter(|root| root.join("key").exists())
    };
    let how = if name == "mysql" { "make test-mysql" } else { "make test" };
    let install = if name == "oidc" { "oidc/install".to_owned() } else { format!("install {name}") };
    test.ancestors().find_map(unpacked).unwrap_or_else(|| {
        panic!("{product} is not installed for tests: run `tests/servers/{install}` or `{how}`")
    })
}
