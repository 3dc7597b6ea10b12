//! Bad days on a booted Debian: podyd is killed, hangs, is not there at boot, or is told nonsense; and good
//! ones on which Pody comes and goes. Root and local people notice none of it.

use std::time::Duration;

use tests::host::Host;
use tests::login::{self, Accounts, Files, Person, Pody};
use tests::machine::Machine;
use tests::wait;

/// Longer than any restart of podyd takes.
const RESTART: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs root: boots a Debian"]
fn systemd_finds_nothing_wrong_with_the_unit_and_little_that_it_may_do() {
    let machine = Machine::with_pody();
    let found = machine.run("systemd-analyze verify --man=no podyd.service");
    assert_eq!((found.status, found.stderr.as_str()), (0, ""));
    // 10 is the worst; what is left is that it may read /proc and speak over Unix sockets.
    machine.run("systemd-analyze security --threshold=15 podyd.service").succeeds();
    assert_eq!(machine.run("systemctl is-system-running --wait").succeeds(), "running");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn people_resolve_at_boot_before_podyd_starts_and_log_in_when_it_never_does() {
    let mut machine = Machine::with_pody();
    let ada = person("ada");
    Pody.add(&machine, &ada);
    login::authorize_key(&machine, "ada");
    let entry = machine.run("getent passwd ada").succeeds();
    machine.write(
        "/etc/systemd/system/early.service",
        "[Unit]\nDefaultDependencies=no\nAfter=local-fs.target\nBefore=sysinit.target podyd.service\n\
         [Service]\nType=oneshot\nExecStart=/bin/sh -c 'getent passwd ada >/var/early'\n\
         [Install]\nWantedBy=sysinit.target\n",
    );
    machine.run("systemctl enable --quiet early && systemctl mask --quiet podyd").succeeds();
    machine.reboot();
    assert_eq!(machine.run("cat /var/early").succeeds(), entry);
    login::is_known(&machine, "ada");
    assert_eq!(login::ssh_by_key(&machine, "ada").succeeds(), "ada");
    login::cron_job_runs(&machine, "ada");
    login::is_refused(login::ssh_by_password(&machine, "ada", &ada.password));
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_locked_person_stays_out_while_podyd_is_down() {
    let machine = Machine::with_pody();
    Pody.add(&machine, &person("ada"));
    login::authorize_key(&machine, "ada");
    Pody.lock(&machine, "ada");
    machine.run("systemctl stop podyd").succeeds();
    login::is_known(&machine, "ada");
    login::is_refused(login::ssh_by_key(&machine, "ada"));
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_podyd_that_is_killed_or_hangs_is_replaced_and_lookups_never_notice() {
    let machine = Machine::with_pody();
    let ada = person("ada");
    Pody.add(&machine, &ada);
    configure_unit(&machine, "WatchdogSec=1\nTimeoutStopSec=1\nTimeoutAbortSec=1\n");
    for signal in ["KILL", "STOP"] {
        let before = podyd(&machine);
        machine.run(&format!("kill -{signal} {before}")).succeeds();
        login::is_known(&machine, "ada");
        login::is_unknown(&machine, "charles");
        wait::until("another podyd", RESTART, || !["0", &before].contains(&podyd(&machine).as_str()));
        wait::until("podyd to be up", RESTART, || machine.run("systemctl is-active podyd").status == 0);
        login::ssh_by_password(&machine, "ada", &ada.password).succeeds();
    }
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn while_podyd_hangs_keys_let_people_in_and_passwords_are_refused_soon() {
    let machine = Machine::with_pody();
    let ada = person("ada");
    Pody.add(&machine, &ada);
    login::authorize_key(&machine, "ada");
    configure_unit(&machine, "WatchdogSec=0\n");
    machine.run(&format!("kill -STOP {}", podyd(&machine))).succeeds();
    login::is_known(&machine, "ada");
    assert_eq!(login::ssh_by_key(&machine, "ada").succeeds(), "ada");
    login::is_refused(login::ssh_by_password(&machine, "ada", &ada.password));
    login::su_is_undecided(&machine, "ada");
    machine.run(&format!("kill -CONT {}", podyd(&machine))).succeeds();
    assert_eq!(login::ssh_by_password(&machine, "ada", &ada.password).succeeds(), "ada");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn local_people_and_root_live_on_whatever_becomes_of_pody() {
    let machine = Machine::boot();
    let bob = person("bob");
    Files.add(&machine, &bob);
    machine.run("echo root:Some-Other-Secret1 | chpasswd").succeeds();
    machine.install_pody();
    let trouble = [
        "systemctl daemon-reload && systemctl start podyd",
        "kill -STOP $(systemctl show --property MainPID --value podyd)",
        "systemctl kill --signal KILL podyd; systemctl stop podyd",
        "rm -rf /var/cache/pody /run/pody",
        "for file in current generation; do mkdir -p /run/pody /var/cache/pody && echo nonsense >/run/pody/$file && echo nonsense >/var/cache/pody/$file; done",
        "rm -f /usr/lib/*/libnss_pody.so.2",
        "echo nonsense >$(echo /usr/lib/*/security)/pam_pody.so",
    ];
    for what in trouble {
        machine.run(what).succeeds();
        login::is_known(&machine, "bob");
        assert_eq!(login::ssh_by_password(&machine, "bob", &bob.password).succeeds(), "bob", "{what}");
        assert!(login::su(&machine, "root", "Some-Other-Secret1").succeeds().ends_with("root"), "{what}");
        login::su(&machine, "bob", "wrong").fails();
    }
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_reload_with_a_wrong_configuration_is_refused_and_podyd_goes_on() {
    let machine = Machine::with_pody();
    let before = podyd(&machine);
    machine.run("systemctl reload podyd").succeeds();
    machine.write("/etc/pody/config.toml", "[ids]\nminimum = 7\n");
    machine.run("systemctl reload podyd").fails();
    assert!(machine.run("journalctl --unit podyd").succeeds().contains("config.toml:2:"));
    assert_eq!(podyd(&machine), before);
    machine.run("podyctl status").succeeds();
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn taking_pody_out_again_leaves_a_machine_that_works() {
    let mut machine = Machine::with_pody();
    let bob = person("bob");
    Files.add(&machine, &bob);
    Pody.add(&machine, &person("ada"));
    machine
        .run("pam-auth-update --package --remove pody pody-password && /usr/share/pody/nsswitch disable && systemctl disable --quiet --now podyd")
        .succeeds();
    assert_eq!(machine.run("grep -rl pody /etc/nsswitch.conf /etc/pam.d").stdout, "");
    machine.reboot();
    login::is_unknown(&machine, "ada");
    login::ssh_by_password(&machine, "bob", &bob.password).succeeds();
    assert_eq!(machine.run("systemctl is-system-running --wait").succeeds(), "running");
}

fn person(name: &str) -> Person {
    Person { name: name.into(), password: format!("Analytical-Engine-of-{name}1") }
}

/// Adds to podyd's unit, and starts it anew.
fn configure_unit(host: &Host, settings: &str) {
    host.run("mkdir -p /etc/systemd/system/podyd.service.d").succeeds();
    host.write("/etc/systemd/system/podyd.service.d/story.conf", &format!("[Service]\n{settings}"));
    host.run("systemctl daemon-reload && systemctl restart podyd").succeeds();
}

fn podyd(host: &Host) -> String {
    host.run("systemctl show --property MainPID --value podyd").succeeds()
}
