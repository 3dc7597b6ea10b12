//! A full disk: the last snapshot stays and is right, the admin is told what is wrong, and when there is room
//! again podyd goes on by itself.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

use std::time::Duration;

use tests::login::{self, Accounts, Person, Pody};
use tests::sandbox::Sandbox;
use tests::wait;

/// podyd tries again each second; this is for a machine that is busy with something else.
const SOON: Duration = Duration::from_secs(20);

const FULL: &str = "No space left on device";

/// podyd with ada, and little room for its files.
fn cramped() -> Sandbox {
    let sandbox = Sandbox::plain();
    sandbox.install_pody();
    sandbox
        .run("for place in /var/cache/pody /run/pody; do mkdir -p $place && mount -t tmpfs -o size=128k,mode=0755 none $place; done")
        .succeeds();
    sandbox.start_podyd();
    sandbox.run("podyctl user add ada && podyctl group add physics").succeeds();
    wait::until("the delta on disk", SOON, || sandbox.run("ls /var/cache/pody/delta-*").status == 0);
    sandbox
}

fn fill(sandbox: &Sandbox, place: &str) {
    sandbox.run(&format!("dd if=/dev/zero of={place}/fill bs=4096 2>&1 | grep -q '{FULL}'")).succeeds();
}

fn warning(sandbox: &Sandbox) -> Option<String> {
    let status = sandbox.run("podyctl status --json").succeeds();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    status["warnings"][0].as_str().map(str::to_owned)
}

/// What a process sees that starts now.
fn seen(sandbox: &Sandbox, name: &str) -> i32 {
    sandbox.run(&format!("getent passwd {name}")).status
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn with_the_cache_full_changes_are_seen_and_are_on_disk_when_there_is_room() {
    let sandbox = cramped();
    fill(&sandbox, "/var/cache/pody");
    sandbox.run("podyctl user add bob").succeeds();
    assert_eq!((seen(&sandbox, "ada"), seen(&sandbox, "bob"), seen(&sandbox, "eve")), (0, 0, 2));
    wait::until("the status to tell", SOON, || warning(&sandbox).is_some_and(|said| said.contains(FULL)));
    let said = warning(&sandbox).unwrap();
    assert!(said.contains("/var/cache/pody"), "{said}");
    assert!(sandbox.podyd_log().contains(FULL), "{}", sandbox.podyd_log());
    sandbox.run("rm /var/cache/pody/fill").succeeds();
    wait::until("the trouble to be over", SOON, || warning(&sandbox).is_none());
    // A machine that is switched off now loses nobody.
    sandbox.kill_podyd();
    sandbox.run("rm -r /run/pody/*").succeeds();
    assert_eq!((seen(&sandbox, "ada"), seen(&sandbox, "bob")), (0, 0));
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn with_run_full_a_change_is_saved_and_its_admin_is_told_that_it_is_not_seen_yet() {
    let sandbox = cramped();
    fill(&sandbox, "/run/pody");
    let added = sandbox.run("podyctl user add bob").fails();
    assert!(added.stderr.contains("saved") && added.stderr.contains(FULL), "{added:?}");
    assert_eq!((seen(&sandbox, "ada"), seen(&sandbox, "eve")), (0, 2));
    assert!(warning(&sandbox).unwrap().contains("/run/pody"));
    sandbox.run("rm /run/pody/fill").succeeds();
    wait::until("bob", SOON, || seen(&sandbox, "bob") == 0);
    wait::until("the trouble to be over", SOON, || warning(&sandbox).is_none());
}

/// Nobody guesses for nothing, or is kept out, since there is no room to write down who failed.
#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn with_the_state_full_wrong_passwords_are_wrong_and_lock_and_right_ones_let_in() {
    let sandbox = Sandbox::plain();
    sandbox.install_pody();
    sandbox.write("/etc/pody/config.toml", "[auth.lockout]\nuser_failures = 1\nfirst_wait = \"15m\"\n");
    sandbox
        .run("mkdir -p /var/lib/pody && mount -t tmpfs -o size=2m,mode=0700 none /var/lib/pody")
        .succeeds();
    sandbox.start_podyd();
    let [ada, bob] =
        ["ada", "bob"].map(|name| Person { name: name.into(), password: format!("Password-of-{name}") });
    for person in [&ada, &bob] {
        Pody.add(&sandbox, person);
    }
    let su = |person: &Person, password: &str| login::su(&sandbox, &person.name, password);
    fill(&sandbox, "/var/lib/pody");
    for _ in 0..2 {
        let wrong = su(&ada, "Password-of-eve").fails();
        assert!(wrong.stdout.contains("Authentication failure"), "{wrong:?}");
    }
    let is_locked = || su(&ada, &ada.password).stdout.contains("Too many wrong passwords");
    assert!(is_locked());
    assert!(su(&bob, &bob.password).succeeds().ends_with("bob"));
    assert!(
        warning(&sandbox)
            .is_some_and(|said| said.contains("node.sqlite") && said.contains("counted in memory"))
    );

    sandbox.run("rm /var/lib/pody/fill").succeeds();
    su(&bob, "Password-of-eve").fails();
    assert_eq!(warning(&sandbox), None);
    sandbox.kill_podyd();
    sandbox.start_podyd();
    assert!(is_locked());
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn attempts_at_a_new_base_do_not_fill_what_room_there_is() {
    let sandbox = cramped();
    fill(&sandbox, "/var/cache/pody");
    // Room for half of a base: its account part fits, the rest does not.
    sandbox.run("truncate -s -4096 /var/cache/pody/fill; useradd local").succeeds();
    wait::until("a failed base", SOON, || warning(&sandbox).is_some_and(|said| said.contains("base-")));
    for _ in 0..3 {
        let before = sandbox.podyd_log().matches(FULL).count();
        wait::until("another attempt", SOON, || sandbox.podyd_log().matches(FULL).count() > before);
    }
    let files = || sandbox.run("cd /var/cache/pody; ls -A | grep -v fill").succeeds();
    // An attempt may be under way at this moment.
    wait::until("only what is current", SOON, || files().lines().count() == 5);
    assert_eq!(seen(&sandbox, "ada"), 0);
    sandbox.run("rm /var/cache/pody/fill").succeeds();
    wait::until("the trouble to be over", SOON, || warning(&sandbox).is_none());
    sandbox.run("podyctl user add bob").succeeds();
    assert_eq!((seen(&sandbox, "ada"), seen(&sandbox, "bob")), (0, 0));
}
