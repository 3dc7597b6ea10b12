//! One node has the directory, and two take it from there over HTTP: what is done on either is seen on all, people log in
//! with the passwords that the service knows, and when it is gone, lookups go on and whoever was here before gets in.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use protocol::login::Verdict;
use shared::*;
use tests::login;
use tests::paths;
use tests::sandbox::Sandbox;
use tests::wait;

const PASSWORD: &str = "Analytical-Engine1";

/// Users who are added one after the other.
const ROUNDS: usize = 20;

/// What an admin is promised, on a machine that has a moment.
const SOON: Duration = Duration::from_secs(1);

/// People, and programs that call PAM, wait this long for a login.
const LOGIN: Duration = Duration::from_secs(5);

/// A service, the first, and its consumers.
struct Nodes {
    nodes: Vec<Sandbox>,
    service: String,
    _stage: Sandbox,
}

impl Nodes {
    fn start() -> Self {
        let stage = Sandbox::plain();
        stage.install_pody();
        let nodes: Vec<Sandbox> = (0..3).map(|_| stage.node()).collect();
        let place = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = place.local_addr().unwrap();
        drop(place);
        let service = format!(
            "{CHEAP_HASH}[remote_user_profile.service]\nenabled = true\nlisten = \"{address}\"\n\
             access_token = \"a-token-of-this-story-and-of-no-other\"\n"
        );
        let consumer = format!(
            "{CHEAP_HASH}[remote_user_profile.provider]\nenabled = true\nendpoint = \"http://{address}\"\n\
             access_token = \"a-token-of-this-story-and-of-no-other\"\n"
        );
        nodes[0].write("/etc/pody/config.toml", &format!("{service}readonly = false\n"));
        nodes[0].start_podyd();
        for node in &nodes[1..] {
            node.write("/etc/pody/config.toml", &consumer);
            node.start_podyd();
            wait::until("the directory", PATIENCE, || status(node).reachable);
        }
        Self { nodes, service, _stage: stage }
    }

    /// Forbids changes over the network from now on.
    fn make_read_only(&self) {
        self.nodes[0].write("/etc/pody/config.toml", &format!("{}readonly = true\n", self.service));
        self.nodes[0].signal_podyd("HUP");
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn what_is_done_on_one_node_is_seen_on_the_others() {
    let all = Nodes::start();
    let [a, b, c] = &all.nodes[..] else { unreachable!() };
    users_appear(a, b);

    client(a).call(&user("ada", Some(PASSWORD))).unwrap();
    wait::until("ada on both", PATIENCE, || {
        [b, c].iter().all(|node| node.run("getent passwd ada").status == 0)
    });
    for node in [b, c] {
        login::su(node, "ada", PASSWORD).succeeds();
        login::su(node, "ada", "Difference-Engine2").fails();
    }

    b.run("podyctl user add bob --no-password && getent passwd bob").succeeds();
    a.run("getent passwd bob").succeeds();
    b.run("podyctl group add physics && podyctl group add-member physics bob").succeeds();
    let members = b.run("getent group physics").succeeds();
    assert!(members.trim_end().ends_with(":bob"), "{members}");
    let shown = b.run("podyctl status").succeeds();
    assert!(shown.contains("remote, http://127.0.0.1") && shown.contains("current"), "{shown}");
    let database = b.run("podyctl db status").fails();
    assert!(database.stderr.contains("on the node that runs the service"), "{database:#?}");

    all.make_read_only();
    wait::until("no more changes", PATIENCE, || b.run("podyctl user delete bob").status != 0);
    let refused = b.run("podyctl user add eve --no-password").fails();
    assert_eq!(refused.status, 5, "{refused:#?}");
    assert!(refused.stderr.contains("read only"), "{refused:#?}");
}

/// How long users who are added on one node take to come to lookups on another.
fn users_appear(a: &Sandbox, b: &Sandbox) {
    let probe = paths::built("probe").display().to_string();
    let watch = format!(
        "for n in $(seq 0 {}); do {probe} await=user$n && getent passwd user$n >/dev/null && date +%s%N; done",
        ROUNDS - 1
    );
    let (asked, seen) = thread::scope(|threads| {
        let watching = threads.spawn(|| b.run(&watch).succeeds());
        let mut client = client(a);
        let asked: Vec<Duration> = (0..ROUNDS)
            .map(|number| {
                let now = now();
                client.call(&user(&format!("user{number}"), None)).unwrap();
                now
            })
            .collect();
        (asked, watching.join().unwrap())
    });
    let seen = seen.lines().map(|line| Duration::from_nanos(line.parse().unwrap()));
    let mut times: Vec<Duration> =
        asked.iter().zip(seen).map(|(asked, seen)| seen.saturating_sub(*asked)).collect();
    assert_eq!(times.len(), ROUNDS);
    let middle = median(&mut times);
    report(&format!(
        "a user who is added is seen on the other node after {middle:?}, {:?} at most",
        times[ROUNDS - 1]
    ));
    assert!(middle < SOON);
}

/// Since 1970.
#[expect(clippy::disallowed_methods, reason = "it is compared with what date(1) says")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_service_that_is_gone_takes_nobody_with_it() {
    let all = Nodes::start();
    let [a, b, _] = &all.nodes[..] else { unreachable!() };
    for name in ["ada", "bob"] {
        client(a).call(&user(name, Some(PASSWORD))).unwrap();
    }
    wait::until("both on the consumer", PATIENCE, || b.run("getent passwd ada bob").status == 0);
    login::su(b, "ada", PASSWORD).succeeds();

    a.kill_podyd();
    b.run("getent passwd ada bob").succeeds();
    login::su(b, "ada", PASSWORD).succeeds();
    let begun = Instant::now();
    assert_eq!(log_in(b, "bob", PASSWORD).unwrap(), Verdict::Unavailable);
    let waited = begun.elapsed();
    assert!(waited < LOGIN, "{waited:?}");
    assert_eq!(log_in(b, "ada", "Difference-Engine2").unwrap(), Verdict::Denied);
    let away = b.run("podyctl user add carol --no-password").fails();
    assert_eq!(away.status, 6, "{away:#?}");

    a.start_podyd();
    let begun = Instant::now();
    client(a).call(&user("carol", None)).unwrap();
    wait::until("carol on the consumer", PATIENCE, || b.run("getent passwd carol").status == 0);
    let healed = begun.elapsed();
    report(&format!(
        "a login of somebody unknown fails after {waited:?}; a service that is back is seen after {healed:?}"
    ));
    assert!(healed < 2 * SOON, "{healed:?}");
    assert_eq!(log_in(b, "bob", PASSWORD).unwrap(), Verdict::Granted);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_service_that_stands_still_holds_up_nobody_for_long() {
    let all = Nodes::start();
    let [a, b, _] = &all.nodes[..] else { unreachable!() };
    for name in ["ada", "bob"] {
        client(a).call(&user(name, Some(PASSWORD))).unwrap();
    }
    wait::until("both on the consumer", PATIENCE, || b.run("getent passwd ada bob").status == 0);
    login::su(b, "ada", PASSWORD).succeeds();

    a.signal_podyd("STOP");
    let timed = |name: &str| {
        let begun = Instant::now();
        (log_in(b, name, PASSWORD), begun.elapsed())
    };
    let (known, first) = timed("ada");
    assert_eq!(known.unwrap(), Verdict::Granted);
    let (unknown, second) = timed("bob");
    assert_eq!(unknown.unwrap(), Verdict::Unavailable);
    assert!(first < LOGIN && second < LOGIN, "{first:?} {second:?}");
    wait::until("it to be missed", PATIENCE, || !status(b).reachable);
    let (known, later) = timed("ada");
    assert_eq!(known.unwrap(), Verdict::Granted);
    b.run("getent passwd ada bob").succeeds();

    a.signal_podyd("CONT");
    let begun = Instant::now();
    client(a).call(&user("carol", None)).unwrap();
    wait::until("carol on the consumer", PATIENCE, || b.run("getent passwd carol").status == 0);
    let healed = begun.elapsed();
    report(&format!(
        "with a service that stands still, the first login takes {first:?}, the next {second:?}, and {later:?} once it is \
         missed; it is current again after {healed:?}"
    ));
    assert!(healed < 2 * SOON, "{healed:?}");
}
