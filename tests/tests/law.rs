//! The law of dependencies: what each package may be built from, and who may know whom inside the daemon.
//!
//! Whatever a loaded module drags along is loaded into every program on the machine; whoever breaks the law
//! must change a table here, and say why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};
use tests::paths::repository;
use tests::source::{self, Source};

/// What a package may name among its dependencies. The daemon, and what only tests, may use what they need.
const DIRECT: &[(&str, &[&str])] = &[
    ("identity", &[]),
    ("snapshot", &["identity", "libc", "rapidhash"]),
    ("protocol", &["identity", "serde", "serde_json"]),
    ("quotactl", &["libc"]),
    ("nss-module", &["identity", "libc", "snapshot"]),
    ("pam-module", &["identity", "libc", "protocol", "snapshot", "zeroize"]),
];

/// Everything, however far down, that libnss_pody is built from (rustversion runs in the compiler: it is a macro).
const NSS_MODULE: &[&str] = &["identity", "libc", "nss-module", "rapidhash", "rustversion", "snapshot"];

/// Runtimes, databases, HTTP, D-Bus and TOML: the daemon's alone, however far down.
const DAEMON_ONLY: &[&str] = &[
    "axum",
    "hyper",
    "openidconnect",
    "reqwest",
    "rustls",
    "sqlx",
    "sqlx-core",
    "systemd",
    "tokio",
    "toml",
    "zbus",
];

const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// These bind the C library of systemd, which is linked and not copied in: LGPL is theirs alone.
const LGPL: &[&str] = &["libsystemd-sys", "systemd"];

/// In the daemon: an area, and the areas that it must not know. doors → service → {directory, verifiers,
/// store, publish}; none of the last four knows another, but for the directory, whose words all may use. What nodes say
/// to each other, the wire, is for the door of one and the store of the other.
const STRANGERS: &[(&str, &[&str])] = &[
    ("doors", &["publish", "store", "verifiers"]),
    ("service", &["doors", "helper", "wire"]),
    ("helper", &["doors", "publish", "run", "service", "store", "verifiers", "watch", "wire"]),
    ("verifiers", &["doors", "publish", "service", "store", "wire"]),
    ("store", &["doors", "publish", "service", "verifiers"]),
    ("publish", &["doors", "service", "store", "verifiers", "wire"]),
    ("directory", &["doors", "publish", "service", "store", "verifiers", "wire"]),
    ("quota", &["directory", "doors", "publish", "service", "store", "verifiers", "wire"]),
    ("wire", &["doors", "publish", "service", "store", "verifiers"]),
];

/// What code that only decides has no use for: files, sockets, processes, databases, clocks and chance.
const INPUT_AND_OUTPUT: &[&str] = &[
    "std::fs",
    "std::net",
    "std::os::unix::net",
    "std::process",
    "std::env",
    "tokio",
    "sqlx",
    "nix::",
    "libc::",
    "getrandom",
    "SystemTime::now",
    "Instant::now",
];

/// What podyd-helper must not reach, though it is linked from the same library.
const NOT_FOR_ROOT: &[&str] = &[
    "axum",
    "hyper",
    "openidconnect",
    "reqwest",
    "rustls",
    "sqlx",
    "std::net",
    "TcpStream",
    "tokio",
    "tower",
    "async fn",
];

#[test]
fn packages_name_only_what_the_law_allows() {
    let metadata = metadata(CargoOpt::SomeFeatures(Vec::new()));
    for (package, allowed) in DIRECT {
        let named: BTreeSet<&str> = metadata
            .workspace_packages()
            .iter()
            .find(|candidate| candidate.name == *package)
            .unwrap_or_else(|| panic!("there is no package {package}"))
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .map(|dependency| dependency.name.as_str())
            .collect();
        let strange: Vec<_> = named.iter().filter(|name| !allowed.contains(name)).collect();
        assert!(strange.is_empty(), "{package} may depend on {allowed:?}, not on {strange:?}");
    }
}

#[test]
fn only_the_daemon_has_a_runtime_a_database_or_a_network() {
    let metadata = metadata(CargoOpt::AllFeatures);
    for package in metadata.workspace_packages() {
        if ["daemon", "servers", "tests"].contains(&package.name.as_str()) {
            continue;
        }
        let built_from = everything_below(&metadata, &package.id);
        let strange: Vec<_> = DAEMON_ONLY.iter().filter(|name| built_from.contains(**name)).collect();
        assert!(
            strange.is_empty(),
            "{} must not be built from {strange:?}, however indirectly",
            package.name
        );
    }
}

#[test]
fn what_is_for_tests_is_in_nothing_that_ships() {
    for package in metadata(CargoOpt::AllFeatures).workspace_packages() {
        if package.name == "tests" {
            continue;
        }
        let shipped = package.dependencies.iter().filter(|one| one.kind != DependencyKind::Development);
        let strange: Vec<_> =
            shipped.map(|one| one.name.as_str()).filter(|name| ["servers", "tests"].contains(name)).collect();
        assert!(strange.is_empty(), "{} may name {strange:?} for its tests alone", package.name);
    }
}

#[test]
fn the_nss_module_is_a_handful_of_packages_without_std() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "nss-module", "--no-default-features"])
        .args(["--edges", "normal,build,features", "--prefix", "none", "--format", "{p}"])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).expect("cargo speaks UTF-8");
    let packages: BTreeSet<&str> = lines.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(packages, NSS_MODULE.iter().copied().collect());
    let std: Vec<&str> = lines.lines().filter(|line| line.contains("feature \"std\"")).collect();
    assert!(std.is_empty(), "the shipped module must be built without std: {std:?}");
}

#[test]
fn every_licence_lets_pody_be_shipped_under_its_own() {
    for package in &metadata(CargoOpt::AllFeatures).packages {
        let licence = package.license.as_deref().unwrap_or_default();
        let allowed = |term: &str| {
            let name = term.split(" WITH ").next().unwrap_or(term).trim();
            LICENCES.contains(&name)
                || (LGPL.contains(&package.name.as_str()) && name.starts_with("LGPL-2.1"))
        };
        assert!(satisfied(licence, &allowed), "{} is licensed as {licence:?}", package.name);
    }
}

#[test]
fn a_licence_expression_is_read_as_its_author_meant_it() {
    let mit = |term: &str| term == "MIT";
    for good in
        ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND MIT", "MIT AND (MIT OR X AND Y)"]
    {
        assert!(satisfied(good, &mit), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND Y", "MIT AND (X OR Y)"] {
        assert!(!satisfied(bad, &mit), "{bad}");
    }
}

#[test]
fn every_package_comes_from_the_one_registry_and_is_locked() {
    let lock = fs::read_to_string(repository().join("Cargo.lock")).expect("Cargo.lock is committed");
    let sources: BTreeSet<&str> = lock.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
}

#[test]
fn areas_of_the_daemon_know_only_those_below_them() {
    for (area, strangers) in STRANGERS {
        for source in area_of_the_daemon(area) {
            let known = modules_named(&source.shipped());
            let broken: Vec<_> = strangers.iter().filter(|stranger| known.contains(**stranger)).collect();
            assert!(broken.is_empty(), "{} must not know {broken:?}", source.name());
        }
    }
}

#[test]
fn the_directory_and_quotas_are_decided_on_without_touching_anything() {
    for source in ["directory", "quota"].into_iter().flat_map(area_of_the_daemon) {
        let code = source.shipped();
        let found: Vec<_> = INPUT_AND_OUTPUT.iter().filter(|what| code.contains(**what)).collect();
        assert!(found.is_empty(), "{} only decides: it takes values, not {found:?}", source.name());
    }
}

/// It is one program with podyd as far as packages go, and must not be as far as it runs.
#[test]
fn root_runs_no_runtime_no_database_and_no_network() {
    for source in area_of_the_daemon("helper") {
        let code = source.shipped();
        let found: Vec<_> = NOT_FOR_ROOT.iter().filter(|what| code.contains(**what)).collect();
        assert!(found.is_empty(), "{} is run by root, which has no use for {found:?}", source.name());
    }
}

/// systemd is asked to do what only root may; podyd itself has nothing to ask it for.
#[test]
fn only_podyd_helper_speaks_d_bus() {
    let all = source::rust_files(&repository().join("daemon/src"));
    let speak = all.iter().filter(|source| source.shipped().contains("zbus")).map(Source::name);
    let (helper, strange): (Vec<_>, Vec<_>) = speak.partition(|name| name.starts_with("daemon/src/helper/"));
    assert!(!helper.is_empty() && strange.is_empty(), "{strange:?}");
}

#[test]
fn modules_are_found_however_they_are_named() {
    let code = "use crate::store::Sqlite;\nuse crate::{\n    clock,\n    doors::{self, varlink},\n};\nfn f() { crate::publish::now() }";
    let found = modules_named(code);
    assert_eq!(found, ["clock", "doors", "publish", "store"].map(str::to_owned).into());
}

fn metadata(features: CargoOpt) -> Metadata {
    MetadataCommand::new()
        .manifest_path(repository().join("Cargo.toml"))
        .features(features)
        .other_options(
            ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned).to_vec(),
        )
        .exec()
        .expect("cargo metadata")
}

/// The names of all that is linked into a package or runs while it is built.
fn everything_below(metadata: &Metadata, root: &PackageId) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::from([root]);
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        for dependency in &nodes[id].deps {
            let ships = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if ships && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

/// Whether an SPDX expression can be met with what `allowed` accepts. AND binds closer than OR; `/` is OR's old spelling.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.replace('/', " OR ");
    split(&expression, " OR ").iter().any(|choice| {
        split(choice, " AND ").iter().all(|term| {
            let term = term.trim();
            match term.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
                Some(inner) => satisfied(inner, allowed),
                None => allowed(term),
            }
        })
    })
}

/// Splits at `separator` wherever it stands outside parentheses.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(separator) {
        let before = &text[start..at];
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(before);
            start = at + separator.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn area_of_the_daemon(area: &str) -> Vec<Source> {
    let root = repository().join("daemon/src");
    let belongs = |path: &Path| {
        let within = path.strip_prefix(&root).expect("below daemon/src");
        within.starts_with(area) || within == Path::new(area).with_extension("rs")
    };
    source::rust_files(&root).into_iter().filter(|source| belongs(source.path())).collect()
}

/// The modules of its own crate that a piece of code names, as `crate::name` or in `crate::{name, …}`.
fn modules_named(code: &str) -> BTreeSet<String> {
    let identifier =
        |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(identifier(rest));
            continue;
        };
        let mut depth = 0;
        let mut member = String::new();
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => {
                    found.insert(identifier(member.trim()));
                    member.clear();
                }
                _ => {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    member.push(c);
                }
            }
        }
        found.insert(identifier(member.trim()));
    }
    found.remove("");
    found
}
