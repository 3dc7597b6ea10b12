//! A lookup makes no system call of ours: strace counts those of a thousand hits and of a thousand final misses
//! beside the same lookups of a process that never heard of Pody.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pitfall;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pitfall::*;
use tests::host::Host;

/// Lookups of each kind.
const COUNT: usize = 1000;

/// The one call that is ours: has podyd's page been replaced? Once a second at the most.
const OURS: &str = "newfstatat \"/run/pody/generation\"";

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn hits_and_misses_cost_no_system_call_beside_those_of_files() {
    let node = Node::with_ada();
    // glibc itself looks at nsswitch.conf each time, and `files` reads /etc/passwd each time.
    node.write("/etc/nsswitch.conf", "passwd: files\n");
    let (control, _) = calls(&node, &[]);
    assert!(control.values().sum::<usize>() > 4 * COUNT, "{control:?}");
    node.write("/etc/nsswitch.conf", "passwd: files pody [UNAVAIL=return]\n");
    let (mut ours, took) = calls(&node, &[]);
    expect_seldom(ours.remove(OURS), took);
    assert_eq!(ours, control);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn without_glibcs_own_calls_there_is_one_a_second() {
    let node = Node::with_ada();
    // A process that sets its services itself is not made to look at nsswitch.conf.
    let (mut calls, took) = calls(&node, &["only=pody"]);
    expect_seldom(calls.remove(OURS), took);
    assert_eq!(calls, BTreeMap::new());
}

#[track_caller]
fn expect_seldom(calls: Option<usize>, took: Duration) {
    let most = took.as_secs() as usize + 1;
    assert!(calls.unwrap_or(0) <= most, "{calls:?} in {took:?}");
}

/// How often each system call was made, with its path, by a thousand hits and a thousand misses.
fn calls(host: &Host, first: &[&str]) -> (BTreeMap<String, usize>, Duration) {
    let hits = format!("times={COUNT}:ada");
    let misses = format!("times={COUNT}:eve");
    // The first lookups load modules and map files.
    let steps = [first, &["user=ada", "user=eve", &hits, &misses]].concat();
    let begun = Instant::now();
    let said = host.run(&format!("strace -o /tmp/trace {}", probe(&steps))).succeeds();
    let took = begun.elapsed();
    let answers: Vec<&str> = said.lines().skip(2).collect();
    assert!(answers.len() == 2 && answers.iter().all(|line| line.starts_with("1000 times ")), "{said}");
    let trace = std::fs::read_to_string(host.path("/tmp/trace")).unwrap();
    (counted(&trace), took)
}

/// The calls between each two marks.
fn counted(trace: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let stretches: Vec<&str> = trace.split("getpgid(0)").collect();
    assert_eq!(stretches.len(), 5, "two pairs of marks");
    // Behind each mark stands its result.
    for line in [stretches[1], stretches[3]].iter().flat_map(|stretch| stretch.lines().skip(1)) {
        let call = line.split('(').next().unwrap_or(line);
        let path = line.split('"').nth(1).filter(|path| path.starts_with('/'));
        let key = path.map_or(call.to_owned(), |path| format!("{call} \"{path}\""));
        *counts.entry(key).or_default() += 1;
    }
    counts
}
