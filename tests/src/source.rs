//! Reads the project's own Rust sources, for tests that are about the code itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::repository;

/// One Rust file.
pub struct Source {
    path: PathBuf,
    text: String,
}

/// Every Rust file below a directory, in order; what was built or made by tools is left out.
pub fn rust_files(below: &Path) -> Vec<Source> {
    files(below)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| Source::new(&path, &read(&path)))
        .collect()
}

/// Every file of the tree below a directory, in order; what was built or made by tools is left out.
pub fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![below.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let path = entry.expect("a directory can be read").path();
            let name = path.file_name().expect("an entry has a name");
            if path.is_symlink() || ["target", ".git", "corpus", "artifacts"].iter().any(|made| name == *made)
            {
                continue;
            }
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What stands before the tests at the end of a file.
const TESTS: &str = "#[cfg(test)]\nmod ";

impl Source {
    /// A file with this text.
    pub fn new(path: &Path, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path inside the tree.
    pub fn name(&self) -> String {
        self.path.strip_prefix(repository()).unwrap_or(&self.path).display().to_string()
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is itself a test: `tests.rs` beside a module, or anything in a `tests` directory.
    pub fn is_test(&self) -> bool {
        let within = self.name();
        within.starts_with("tests/") || within.contains("/tests/") || within.ends_with("/tests.rs")
    }

    /// The code that ships: without comments, and without the tests at the end of the file.
    pub fn shipped(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let code = self.text.split(TESTS).next().unwrap_or_default();
        code.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    /// The tests at the end of the file.
    pub fn tests(&self) -> &str {
        self.text.split_once(TESTS).map_or("", |(_, tests)| tests)
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
