//! The shared database is killed in the middle of writes, or stands still: lookups go on everywhere, what was acknowledged
//! stays, what was not is not claimed, and whoever logged in lately gets in.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use protocol::login::Verdict;
use protocol::{ClientError, Error};
use servers::{Options, Postgres};
use shared::*;
use tests::sandbox::Sandbox;
use tests::wait;

const NODES: usize = 4;

/// Users whom each node creates, and how many of all exist when the database is killed.
const EACH: usize = 125;
const BEFORE: usize = 200;

const PASSWORD: &str = "Analytical-Engine1";

/// People, and programs that call PAM, wait this long for a login.
const LOGIN: Duration = Duration::from_secs(5);

/// What becomes of a write is told within podyd's own deadline for a call.
const WRITE: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Done,
    NotDone,
    Unknown,
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn what_was_acknowledged_survives_the_death_of_the_database_and_no_lookup_fails() {
    let runtime = runtime();
    let mut server = runtime.block_on(Postgres::start(Options::default()));
    let url = runtime.block_on(server.fresh_database());
    let cluster = Cluster::start(NODES, &configuration(&url));
    client(&cluster[0]).call(&user("ada", Some(PASSWORD))).unwrap();
    cluster.agree();
    let granted = [Verdict::Granted; NODES];
    assert_eq!(each(&cluster, |_, node| log_in(node, "ada", PASSWORD).unwrap()), granted);
    each(&cluster, |_, node| begin_lookups(node));

    let acknowledged = AtomicUsize::new(0);
    let told = thread::scope(|threads| {
        let writing = threads.spawn(|| each(&cluster, |number, node| write(number, node, &acknowledged)));
        let enough = || acknowledged.load(Ordering::Relaxed) >= BEFORE;
        wait::until("the first writes", PATIENCE, enough);
        runtime.block_on(server.kill());
        assert_eq!(each(&cluster, |_, node| log_in(node, "ada", PASSWORD).unwrap()), granted);
        runtime.block_on(server.start_again());
        writing.join().unwrap()
    });
    let names = runtime.block_on(names(&url));
    for (name, told) in told.iter().flatten() {
        match told {
            Told::Done => assert!(names.contains(name), "{name} was acknowledged, and is lost"),
            Told::NotDone => assert!(!names.contains(name), "{name} is there, which was denied"),
            Told::Unknown => {}
        }
    }
    let count = |wanted: Told| told.iter().flatten().filter(|(_, told)| *told == wanted).count();
    let [done, not_done, unknown] = [Told::Done, Told::NotDone, Told::Unknown].map(count);
    assert!(done >= BEFORE && not_done + unknown > 0, "the database was to be killed in the middle");

    each(&cluster, |_, node| {
        let is_current = || listed(node) == names;
        wait::until("every node to show what is in the database", PATIENCE, is_current);
    });
    let lookups: usize = each(&cluster, |_, node| end_lookups(node)).iter().sum();
    report(&format!(
        "{done} writes acknowledged, {not_done} failed, {unknown} not confirmed; {lookups} lookups, of which none failed"
    ));
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_database_that_stands_still_holds_up_no_lookup_and_nobody_for_long() {
    let runtime = runtime();
    let mut server = runtime.block_on(Postgres::start(Options::default()));
    let url = runtime.block_on(server.fresh_database());
    let cluster = Cluster::start(2, &configuration(&url));
    for name in ["ada", "bob"] {
        client(&cluster[0]).call(&user(name, Some(PASSWORD))).unwrap();
    }
    cluster.agree();
    assert_eq!(log_in(&cluster[1], "ada", PASSWORD).unwrap(), Verdict::Granted);
    each(&cluster, |_, node| begin_lookups(node));

    server.freeze();
    thread::scope(|threads| {
        let write = threads.spawn(|| {
            let begun = Instant::now();
            let outcome = cluster[0].run("podyctl user add carol");
            (outcome, begun.elapsed())
        });
        let begun = Instant::now();
        assert_eq!(log_in(&cluster[1], "ada", PASSWORD).unwrap(), Verdict::Granted, "who was here before");
        let known = begun.elapsed();
        let begun = Instant::now();
        let stranger = log_in(&cluster[1], "bob", PASSWORD).unwrap();
        let unknown = begun.elapsed();
        assert_eq!(stranger, Verdict::Unavailable, "who was not");
        let (outcome, written) = write.join().unwrap();
        assert_eq!(outcome.status, 6, "{outcome:#?}");
        assert!(outcome.stderr.contains("database"), "{outcome:#?}");
        report(&format!(
            "a login of somebody known takes {known:?}, of somebody else {unknown:?}, a write fails after {written:?}: {}",
            outcome.stderr.trim()
        ));
        assert!(known < LOGIN && unknown < LOGIN && written < WRITE);
    });
    server.thaw();
    wait::until("a write to succeed again", PATIENCE, || cluster[0].run("podyctl user add dora").status == 0);
    cluster.agree();
    cluster[1].run("getent passwd dora").succeeds();
    each(&cluster, |_, node| end_lookups(node));
}

/// Creates users, one after the other, and keeps what was told of each.
fn write(number: usize, node: &Sandbox, acknowledged: &AtomicUsize) -> Vec<(String, Told)> {
    let mut client = client(node);
    let mut create = |name: &str| match client.call(&user(name, None)) {
        Ok(_) => Told::Done,
        // Saved, and not shown here before the database went away.
        Err(ClientError::Refused(Error::Busy { message })) if message.contains("is saved") => Told::Done,
        Err(ClientError::Refused(Error::Failed { message })) if message.contains("not be confirmed") => {
            Told::Unknown
        }
        Err(ClientError::Refused(Error::Away { .. } | Error::Busy { .. })) => Told::NotDone,
        Err(error) => panic!("{error}"),
    };
    let names = (0..EACH).map(|count| format!("user{number}x{count}"));
    names
        .map(|name| {
            let told = create(&name);
            acknowledged.fetch_add(usize::from(told == Told::Done), Ordering::Relaxed);
            (name, told)
        })
        .collect()
}

/// Has the real getent look ada up again and again.
fn begin_lookups(node: &Sandbox) {
    let lookups = "while [ ! -e /run/enough ]; do
        getent passwd ada >/dev/null && echo found >>/run/lookups || echo failed >>/run/lookups
        sleep 0.1
    done; touch /run/ended";
    node.run(&format!("({lookups}) </dev/null >/dev/null 2>&1 &")).succeeds();
}

/// How many lookups there were; panics if one failed.
fn end_lookups(node: &Sandbox) -> usize {
    node.write("/run/enough", "");
    wait::until("the lookups to end", PATIENCE, || node.path("/run/ended").exists());
    let lookups = std::fs::read_to_string(node.path("/run/lookups")).unwrap();
    assert!(lookups.lines().all(|line| line == "found"), "{lookups}");
    lookups.lines().count()
}

/// Everybody whom lookups show on a node.
fn listed(node: &Sandbox) -> BTreeSet<String> {
    let list = node.run("getent -s pody passwd | cut -d: -f1").succeeds();
    list.lines().map(str::to_owned).collect()
}

/// Everybody in the database.
async fn names(url: &str) -> BTreeSet<String> {
    use sqlx::Connection;

    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM users").fetch_all(&mut connection).await.unwrap();
    names.into_iter().collect()
}
