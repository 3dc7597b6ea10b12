//! What a machine can check of how our code reads, so that no reviewer has to.

use std::path::Path;

use tests::paths::repository;
use tests::source::{self, Source};

/// Where memory is touched by hand, or C is spoken: each block there names the contract it relies on (a lint).
/// A crate without such a file forbids unsafe code at its head.
const UNSAFE: &[&str] = &[
    // quotactl(2), and the attributes of a directory, which no package offers for projects.
    "crates/quotactl/src/kernel.rs",
    "crates/snapshot/src/map.rs",
    "crates/snapshot/src/page.rs",
    "crates/snapshot/src/publish.rs",
    // It is C's types from end to end: what could be told apart stands in identity and snapshot.
    "nss-module/src/",
    "pam-module/src/ffi.rs",
    "pam-module/src/lib.rs",
    "pam-module/src/socket.rs",
    // They are not shipped, and call the modules as C does.
    "benches/",
    "fuzz/",
];

/// What runs inside other people's processes, or below it: nothing there prints.
const SILENT: &[&str] = &["crates/", "nss-module/src/", "pam-module/src/"];

/// A file beyond this is two ideas.
const LINES: usize = 500;

/// Files that are one idea all the same, each with its reason.
const LONG: &[(&str, &str)] = &[];

/// The one place that may wait by sleeping: everybody else waits for a condition, through it.
const WAIT: &str = "tests/src/wait.rs";

#[test]
fn every_file_says_what_it_is_for() {
    complain(
        sources().filter(|source| !source.is_test() && !source.text().starts_with("//! ")),
        "opens without `//!`",
    );
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let too_long = |source: &Source| source.shipped().lines().count() > LINES;
    let excused = |source: &Source| LONG.iter().any(|(name, _)| source.name() == *name);
    complain(
        sources().filter(|source| too_long(source) && !excused(source)),
        "has more than 500 lines of code",
    );
}

#[test]
fn unsafe_code_stays_where_it_is_explained() {
    let listed = |source: &Source| UNSAFE.iter().any(|place| source.name().starts_with(place));
    let has_unsafe = |source: &Source| words(&source.shipped()).any(|word| word == "unsafe");
    complain(
        sources().filter(|source| has_unsafe(source) && !listed(source)),
        "has unsafe code and is not listed here",
    );

    let needs_it = |head: &str| {
        UNSAFE.iter().any(|place| {
            head.split_once("src/")
                .is_some_and(|(folder, _)| place.starts_with(folder) || folder.starts_with(place))
        })
    };
    let is_head = |name: &str| name.ends_with("src/lib.rs") || name.ends_with("src/main.rs");
    let forbids = |source: &Source| source.text().contains("#![forbid(unsafe_code)]");
    complain(
        sources().filter(|source| is_head(&source.name()) && !needs_it(&source.name()) && !forbids(source)),
        "is the head of a crate and lacks #![forbid(unsafe_code)]",
    );
}

#[test]
fn nothing_that_others_load_prints() {
    let prints = |source: &Source| {
        let code = source.shipped();
        ["println!", "eprintln!", "print!", "dbg!"].iter().any(|print| code.contains(print))
    };
    let silent = |source: &Source| SILENT.iter().any(|place| source.name().starts_with(place));
    complain(sources().filter(|source| silent(source) && prints(source)), "prints");
}

#[test]
fn nothing_is_left_for_later() {
    let later = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
    let macros = [concat!("to", "do!("), concat!("unimple", "mented!(")];
    complain(
        sources().filter(|source| {
            words(source.text()).any(|word| later.contains(&word))
                || macros.iter().any(|m| source.text().contains(m))
        }),
        "leaves something for later",
    );
}

#[test]
fn an_ignored_test_says_why() {
    complain(
        sources().filter(|source| source.text().contains(concat!("#[ign", "ore]"))),
        "ignores a test without a reason",
    );
}

#[test]
fn tests_wait_for_a_condition_and_never_for_a_time() {
    let sleeps = |source: &Source| {
        let tests = if source.is_test() { source.text() } else { source.tests() };
        [concat!("thread::", "sleep"), concat!("time::", "sleep")].iter().any(|sleep| tests.contains(sleep))
    };
    complain(
        sources().filter(|source| source.name() != WAIT && sleeps(source)),
        "sleeps in a test: wait with tests::wait::until",
    );
}

#[test]
fn no_package_registry_is_named() {
    let hosts = [
        concat!("deb.deb", "ian.org"),
        concat!("crates", ".io"),
        concat!("pypi", ".org"),
        concat!("python", "hosted.org"),
        concat!("npm", "js.org"),
    ];
    for path in source::files(repository()) {
        // cargo writes the lock file, and names the registry's index there.
        if path.ends_with("Cargo.lock") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file of the tree can be read");
        let text = String::from_utf8_lossy(&bytes);
        let named: Vec<_> = hosts.iter().filter(|host| text.contains(**host)).collect();
        assert!(
            named.is_empty(),
            "{} names {named:?}: mirrors come from the machine's own setup",
            path.display()
        );
    }
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for path in source::files(repository()) {
        let bytes = std::fs::read(&path).expect("a file of the tree can be read");
        let mode = path.metadata().expect("a file has metadata").permissions().mode();
        assert_eq!(
            bytes.starts_with(b"#!/"),
            mode & 0o111 != 0,
            "{}: `#!` and mode must agree",
            path.display()
        );
    }
}

fn sources() -> impl Iterator<Item = Source> {
    source::rust_files(repository()).into_iter()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//!"));
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

#[track_caller]
fn complain(found: impl Iterator<Item = Source>, what: &str) {
    let names: Vec<String> = found.map(|source| source.name()).collect();
    assert!(names.is_empty(), "{what}: {}", names.join(", "));
}

#[test]
fn shipped_code_and_tests_are_told_apart() {
    let source =
        Source::new(Path::new("/x/src/a.rs"), "//! A\nfn a() {}\n#[cfg(test)]\nmod tests {\n    x\n}\n");
    assert_eq!(source.shipped(), "fn a() {}\n");
    assert_eq!(source.tests(), "tests {\n    x\n}\n");
}
