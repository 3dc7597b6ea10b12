//! The module lives in processes that fork, close what they do not know, are short of everything, change their
//! root or run for somebody else. Each of them finds ada as any other does, while new snapshots are published.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pitfall;

use std::collections::BTreeSet;

use pitfall::*;

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn children_forked_among_64_threads_look_up_while_podyd_publishes() {
    let node = Node::with_ada();
    // Any of these forks may fall into a remap: in the child the thread that was at it does not exist.
    while_podyd_publishes(&node, &["user=ada", "threads=64:ada", "forks=60:ada", "check"]);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn programs_that_are_spawned_by_vfork_and_exec_do_no_harm() {
    let node = Node::with_ada();
    while_podyd_publishes(&node, &["threads=4:ada", "spawns=100", "check", "user=ada"]);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_storm_of_signals_interrupts_nothing() {
    let node = Node::with_ada();
    let steps = ["threads=2:ada", "alarms=50", "times=20000:ada", "times=20000:eve", "forks=50:ada", "check"];
    let said = while_podyd_publishes(&node, &steps);
    assert_eq!(said, [format!("20000 times found {ADA}"), "20000 times absent".to_owned()]);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn lookups_work_in_exit_handlers_and_in_threads_that_outlive_main() {
    let node = Node::with_ada();
    for _ in 0..20 {
        // main returns while 16 threads are in the middle of a lookup.
        let said = while_podyd_publishes(&node, &["at-exit=ada", "threads=16:ada", "times=100:ada"]);
        assert_eq!(said, [format!("100 times found {ADA}"), "at exit found".to_owned()]);
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_program_that_closes_what_it_does_not_know_loses_nothing() {
    let node = Node::with_ada();
    let found = format!("ada found {ADA}");
    let steps = ["user=ada", "close-all", "user=ada", "groups=ada", "close-all", "user=eve", "times=100:ada"];
    let said = while_podyd_publishes(&node, &steps);
    assert_eq!(said[..2], [found.clone(), found.clone()]);
    assert_eq!(
        said[2..],
        [format!("ada groups [12345, {PHYSICS}]"), "eve absent".into(), format!("100 times found {ADA}")]
    );
    // And one that has 0, 1 and 2 closed finds its own files there.
    while_podyd_publishes(&node, &["low-descriptors=ada"]);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn loading_and_unloading_the_module_beside_lookups_does_no_harm() {
    let node = Node::with_ada();
    while_podyd_publishes(&node, &["threads=4:ada", "unload=1000:ada", "check"]);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn without_descriptors_what_is_mapped_is_answered_and_all_else_is_an_error() {
    let node = Node::with_ada();
    let said = node.probe(&["user=ada", "no-descriptors", "user=ada", "user=eve"]);
    // `files` cannot open /etc/passwd, and says so; ours needs nothing.
    assert_eq!(said, [format!("ada found {ADA}"), format!("ada found {ADA}"), "eve absent".into()]);
    // The modules themselves are loaded before: root is looked up first.
    let said = node.probe(&["user=root", "user=eve", "no-descriptors", "user=ada"]);
    assert_eq!(said[2], format!("ada found {ADA}"), "eve's lookup mapped it");
    node.write("/etc/nsswitch.conf", "passwd: files\n");
    let control = node.probe(&["user=root", "no-descriptors", "user=ada"]);
    assert_eq!(control[1], error("ada", libc::EMFILE), "what glibc itself says");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn without_memory_a_lookup_is_an_error_or_right_and_never_a_wrong_no() {
    let node = Node::with_ada();
    let mut seen = BTreeSet::new();
    for bytes in (0..40).map(|step| step * 16 * 1024) {
        // glibc passes over a module that it has no memory to load, and nsswitch.conf cannot forbid it: a name
        // that is none loads it, and maps nothing.
        let said = node.probe(&["user=Eve", &format!("memory={bytes}"), "user=ada"]);
        let answers = [format!("ada found {ADA}"), error("ada", libc::ENOMEM)];
        assert!(answers.contains(&said[1]), "{bytes} bytes: {said:?}");
        seen.insert(said[1].clone());
    }
    assert_eq!(seen.len(), 2, "too little for it, and enough: {seen:?}");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn the_smallest_stack_that_a_thread_can_have_is_enough_even_to_map_anew() {
    let node = Node::with_ada();
    // Loading the module takes more, for ld.so: a name that is none loads it, and maps nothing.
    while_podyd_publishes(&node, &["user=Eve", "small-stacks=16:300:ada"]);
}

/// Whatever a set-uid program might be tricked with.
const HOSTILE: &str = "PODY_HOME=/tmp/hostile PODY_SOCKET=/tmp/hostile/s NSS_PODY=off LD_LIBRARY_PATH=/tmp/hostile \
                       LD_PRELOAD=/tmp/hostile/libnss_pody.so.2 RUST_BACKTRACE=full RUST_LOG=trace TMPDIR=/tmp/hostile \
                       SYSTEMD_ACTIVATION_UNIT=podyd.service _SSS_LOOPS=NO LC_ALL=$(printf '\\377')";

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_set_uid_program_with_a_hostile_environment_gets_the_same_answers() {
    let node = Node::with_ada();
    node.run(&format!(
        "install -m 4755 {} /usr/local/bin/set-uid
         mkdir -p /tmp/hostile/cache /tmp/hostile/run; echo nonsense >/tmp/hostile/libnss_pody.so.2
         echo nonsense >/tmp/hostile/cache/current; chmod -R 777 /tmp/hostile",
        tests::paths::built("probe").display()
    ))
    .succeeds();
    let steps = format!("secure user=ada uid={ADA} group=physics groups=ada user=eve user=root");
    let answers = |environment: &str, program: &str| {
        let run = format!(
            "cd /tmp/hostile; env {environment} setpriv --reuid nobody --regid nogroup --clear-groups {program} {steps}"
        );
        lines(&node.run(&run).succeeds())
    };
    let usual = answers("", &tests::paths::built("probe").display().to_string());
    let set_uid = answers(HOSTILE, "/usr/local/bin/set-uid");
    assert_eq!((usual[0].as_str(), set_uid[0].as_str()), ("AT_SECURE false", "AT_SECURE true"));
    assert_eq!(usual[1..], set_uid[1..]);
    assert_eq!(usual[1], format!("ada found {ADA}"));
}
