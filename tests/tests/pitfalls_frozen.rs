//! podyd asks nobody who might ask podyd, and nobody waits for a podyd that hangs longer than they have time.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pitfall;

use std::time::{Duration, Instant};

use pitfall::*;
use tests::login::{self, Accounts, Person, Pody};
use tests::sandbox::Sandbox;
use tests::wait;

/// Five seconds for podyd, two for pam_unix after a wrong password, and the rest for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn podyd_and_podyctl_look_nobody_up_and_start_where_only_pody_could_answer() {
    let sandbox = Sandbox::plain();
    sandbox.install_pody();
    let only_pody: String = ["passwd", "group", "shadow", "initgroups", "hosts"]
        .iter()
        .map(|map| format!("{map}: pody\n"))
        .collect();
    sandbox.write("/etc/nsswitch.conf", &only_pody);
    let traced = "strace -f -e trace=%file,connect";
    sandbox.run(&format!("{traced} -o /tmp/daemon podyd </dev/null >/tmp/podyd.log 2>&1 &")).succeeds();
    let answers = || sandbox.run("podyctl status").status == 0;
    wait::until("podyd to answer", PATIENCE, answers);
    sandbox
        .run(&format!("echo Secret-of-ada1 | {traced} -o /tmp/admin podyctl user add ada --password-stdin"))
        .succeeds();
    sandbox.run("podyctl group add physics && podyctl group add-member physics ada").succeeds();
    login::is_known(&sandbox, "ada");
    sandbox.signal_podyd("HUP");
    sandbox.stop_podyd();
    for trace in ["daemon", "admin"] {
        let calls = std::fs::read_to_string(sandbox.path(&format!("/tmp/{trace}"))).unwrap();
        assert!(calls.contains("/run/pody/varlink"), "{trace} was traced");
        for asking in ["nsswitch.conf", "libnss_", "nscd", "userdb", "resolv.conf", "system_bus_socket"] {
            let line = calls.lines().find(|line| line.contains(asking));
            assert_eq!(line, None, "{trace}");
        }
    }
    // The control: this is how it looks when somebody does.
    let getent = sandbox.run("strace -e trace=%file,connect getent passwd ada").stderr;
    assert!(getent.contains("nsswitch.conf") && getent.contains("libnss_pody"), "{getent}");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn with_podyd_frozen_and_its_queue_full_nobody_waits_for_long() {
    let sandbox = Sandbox::with_podyd();
    let ada = Person { name: "ada".into(), password: "Analytical-Engine1".into() };
    Pody.add(&sandbox, &ada);
    sandbox.signal_podyd("STOP");
    let occupy = probe(&["occupy=/run/pody/varlink", "run=touch /tmp/full; exec cat /tmp/gate"]);
    sandbox.run(&format!("mkfifo /tmp/gate; ulimit -n 8192; {occupy} >/tmp/occupy 2>&1 &")).succeeds();
    wait::until("the queue to be full", PATIENCE, || sandbox.path("/tmp/full").exists());

    within(Duration::from_secs(2), || login::is_known(&sandbox, "ada"));
    let status = within(PATIENCE, || sandbox.run("podyctl status"));
    assert!(status.status == 6 && status.stderr.contains("podyd hangs"), "{status:#?}");
    within(PATIENCE, || login::su_is_undecided(&sandbox, "ada"));
    // Accounts are judged by root without podyd; an ordinary user's program has to ask, and gives up.
    // The session is told to podyd, too, under deadlines of 3 s as it begins and 1 s as it ends.
    within(Duration::from_secs(6), || assert_eq!(sandbox.run("su ada -c 'id -un'").succeeds(), "ada"));
    within(PATIENCE, || {
        refused(sandbox.run("setpriv --reuid ada --clear-groups pamtester su ada acct_mgmt"))
    });
    assert_eq!(within(PATIENCE, || sandbox.run("su root -c 'id -un'").succeeds()), "root");

    sandbox.run("echo >/tmp/gate").succeeds();
    sandbox.signal_podyd("CONT");
    wait::until("podyd to answer", PATIENCE, || sandbox.run("podyctl status").status == 0);
    assert!(login::su(&sandbox, "ada", &ada.password).succeeds().ends_with("ada"));
}

#[track_caller]
fn within<T>(time: Duration, act: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = act();
    assert!(begun.elapsed() < time, "{:?}", begun.elapsed());
    result
}
