//! A million lookups while podyd is frozen, thawed, killed and started again, beside as many of a local user.

use std::time::Duration;

use tests::login::{Accounts, Person, Pody};
use tests::paths;
use tests::sandbox::Sandbox;
use tests::wait;

/// What the program is asked for.
const COUNT: u32 = 1_000_000;

/// A million lookups take seconds; this is for a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn no_lookup_is_wrong_or_fails_whatever_becomes_of_podyd() {
    let sandbox = Sandbox::with_podyd();
    for name in ["ada", "bob", "carol"] {
        Pody.add(&sandbox, &Person { name: name.into(), password: format!("Secret-of-{name}") });
    }
    begin_lookups(&sandbox, "ours", "ada bob carol");
    begin_lookups(&sandbox, "control", "root daemon bin");
    let mut rounds = 0;
    wait::until("the lookups", PATIENCE, || {
        trouble(&sandbox, rounds);
        rounds += 1;
        sandbox.path("/tmp/ours.done").exists() && sandbox.path("/tmp/control.done").exists()
    });
    let [ours, control] =
        ["ours", "control"].map(|who| sandbox.run(&format!("cat /tmp/{who}.done")).succeeds());
    println!("{rounds} rounds of trouble\nours     {ours}\ncontrol  {control}");
    assert!(ours.starts_with("wrong 0 failed 0 "), "{ours}");
    assert!(control.starts_with("wrong 0 failed 0 "), "{control}");
}

/// podyd hangs, goes on, dies and comes back, and there is something new to map.
fn trouble(sandbox: &Sandbox, round: u32) {
    sandbox.signal_podyd("STOP");
    sandbox.run("getent passwd ada").succeeds();
    sandbox.signal_podyd("CONT");
    sandbox.kill_podyd();
    sandbox.run("getent passwd ada").succeeds();
    sandbox.start_podyd();
    sandbox.run(&format!("podyctl user update ada --email ada-{round}@example.org")).succeeds();
}

fn begin_lookups(sandbox: &Sandbox, who: &str, names: &str) {
    let program = paths::built("lookups");
    let program = program.display();
    let begin =
        format!("({program} {COUNT} {names} >/tmp/{who}; mv /tmp/{who} /tmp/{who}.done) >/dev/null 2>&1 &");
    sandbox.run(&begin).succeeds();
}
