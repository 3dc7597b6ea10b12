//! What is changed on one of ten nodes is so on the other nine within a second: users appear to the real getent, locked
//! ones are kept out by the real PAM, and old passwords are wrong. The times are printed beside those of the node itself.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use protocol::login::{CheckAccount, Verdict};
use shared::*;
use tests::login;
use tests::paths;
use tests::sandbox::Sandbox;
use tests::wait;

const NODES: usize = 10;

/// Users who are added one after the other, each on the next node.
const ROUNDS: usize = 20;

/// How often somebody's password is changed.
const PASSWORDS: usize = 3;

/// What an admin is promised, on a machine that has a moment.
const SOON: Duration = Duration::from_secs(1);

/// A machine on which what is over at once on the node itself takes this share of [`SOON`] has no moment.
const CONTROL_SHARE: u32 = 4;

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn on_postgresql_ten_nodes_see_each_others_changes_at_once() {
    let server = runtime().block_on(servers::postgres());
    ten_nodes_see_each_others_changes(&runtime().block_on(server.fresh_database()));
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn on_mariadb_which_tells_nothing_they_ask_often_enough() {
    let server = runtime().block_on(servers::mariadb());
    ten_nodes_see_each_others_changes(&runtime().block_on(server.fresh_database()));
}

fn ten_nodes_see_each_others_changes(url: &str) {
    let cluster = Cluster::start(NODES, &configuration(url));
    new_users_appear(&cluster);
    locks_hold(&cluster);
    passwords_change(&cluster);
}

/// On each node a process waits for the next user to appear in its C library, and then has the real getent say so. That
/// takes no processor from podyd, as ten loops around getent would.
fn new_users_appear(cluster: &Cluster) {
    let probe = paths::built("probe").display().to_string();
    each(cluster, |_, node| {
        let wait = format!(
            "for n in $(seq 0 {}); do {probe} await=user$n && getent passwd user$n >/dev/null && date +%s%N \
             >>/run/seen; done",
            ROUNDS - 1
        );
        node.run(&format!("touch /run/seen; ({wait}) </dev/null >/dev/null 2>&1 &")).succeeds();
    });
    let (mut control, mut others) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let origin = round % NODES;
        let begun =
            cluster[origin].run(&format!("date +%s%N; podyctl user add user{round} >/dev/null")).succeeds();
        let begun: u64 = begun.parse().unwrap();
        let seen = each(cluster, |_, node| {
            let seen = || fs::read_to_string(node.path("/run/seen")).unwrap();
            wait::until("the user to be seen", PATIENCE, || seen().lines().count() > round);
            seen().lines().nth(round).unwrap().parse::<u64>().unwrap()
        });
        for (node, seen) in seen.into_iter().enumerate() {
            let took = Duration::from_nanos(seen - begun);
            if node == origin { control.push(took) } else { others.push(took) }
        }
    }
    compare("a new user is seen", &mut control, &mut others);
}

fn locks_hold(cluster: &Cluster) {
    let (mut control, mut others) = (Vec::new(), Vec::new());
    for origin in 0..NODES {
        let name = format!("user{origin}");
        let times = changed_on(cluster, origin, &format!("podyctl user lock {name}"), |node| {
            let check = CheckAccount { user: name.clone(), service: "story".into() };
            client(node).call(&check).unwrap().verdict == Verdict::AccountLocked
        });
        for (node, took) in times.into_iter().enumerate() {
            if node == origin { control.push(took) } else { others.push(took) }
        }
    }
    compare("a lock is known", &mut control, &mut others);
    // root needs no password, but the account has to be in order.
    each(cluster, |_, node| {
        node.run("su user0 -c true").fails();
        node.run("su user19 -c true").succeeds();
    });
}

/// When podyctl returns, the old password is wrong everywhere and the new one right.
fn passwords_change(cluster: &Cluster) {
    let password = |count: usize| format!("Password-number-{count}");
    for count in 0..PASSWORDS {
        let change = format!("echo {} | podyctl user passwd user19 --password-stdin", password(count));
        cluster[count].run(&change).succeeds();
        let verdicts = each(cluster, |_, node| {
            let new = log_in(node, "user19", &password(count)).unwrap();
            let old = (count > 0).then(|| log_in(node, "user19", &password(count - 1)).unwrap());
            (new, old)
        });
        let old = (count > 0).then_some(Verdict::Denied);
        assert_eq!(verdicts, [(Verdict::Granted, old); NODES]);
    }
    // The same by the real PAM.
    each(&cluster[..2], |_, node| {
        login::su(node, "user19", &password(PASSWORDS - 1)).succeeds();
        login::su(node, "user19", &password(0)).fails();
    });
}

/// Changes something on one node; how long it took from then until each node knew.
fn changed_on(
    cluster: &Cluster,
    origin: usize,
    change: &str,
    is_known: impl Fn(&Sandbox) -> bool + Sync,
) -> Vec<Duration> {
    let begun = Instant::now();
    thread::scope(|threads| {
        threads.spawn(|| cluster[origin].run(change).succeeds());
        each(cluster, |_, node| {
            wait::until(change, PATIENCE, || is_known(node));
            begun.elapsed()
        })
    })
}

fn compare(what: &str, control: &mut [Duration], others: &mut [Duration]) {
    let (own, other) = (median(control), median(others));
    let (slowest_own, slowest) = (control[control.len() - 1], others[others.len() - 1]);
    report(&format!(
        "{what} after {other:?} (median) and {slowest:?} (slowest) elsewhere, {own:?} and {slowest_own:?} on the same node"
    ));
    let allowed = SOON.max(CONTROL_SHARE * slowest_own);
    assert!(slowest < allowed, "{what} after {slowest:?}, which was to be less than {allowed:?}");
}
