//! Homes on a booted Debian, by the helper that systemd starts when it is asked for: made at a real first login, and put
//! away when their owners are deleted.

use std::time::Duration;

use tests::host::Outcome;
use tests::login;
use tests::machine::Machine;
use tests::wait;

const PASSWORD: &str = "Analytical-Engine1";

/// podyd looks every 5 seconds.
const PUT_AWAY: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_first_login_makes_the_home_and_a_deletion_puts_it_away() {
    let machine = Machine::with_pody();
    set(&machine, "archive");
    is_kept_in(&machine);
    assert_eq!(
        machine.run("systemctl is-active podyd-helper").stdout.trim(),
        "inactive",
        "nobody has asked for it"
    );
    add(&machine, "ada", "");
    logs_in(&machine, "ada");
    assert_eq!(stat(&machine, "/home/ada"), "ada ada 700");
    assert_eq!(stat(&machine, "/home/ada/.bashrc"), "ada ada 644");
    machine
        .run("runuser -u ada -- sh -c 'echo mine >/home/ada/file; ln -s /etc/passwd /home/ada/link'")
        .succeeds();
    logs_in(&machine, "ada");
    assert_eq!(machine.run("podyctl doctor").succeeds(), "Nothing was found that needs looking after.");

    // Whoever has the name next has another uid, and a home of its own.
    let uid = machine.run("id -u ada").succeeds();
    machine.run("podyctl user delete --yes ada").succeeds();
    gone(&machine, "/home/ada");
    let archived = machine.run("ls -d /home/.archived/ada.*").succeeds();
    assert!(archived.contains(&format!("ada.{uid}.20")), "{archived}");
    assert_eq!(
        machine.run(&format!("cat {archived}/file && stat -c '%u %a' {archived} /home/.archived")).succeeds(),
        format!("mine\n{uid} 700\n0 700")
    );
    machine.run("runuser -u nobody -- ls /home/.archived").fails();
    add(&machine, "ada", "--reuse-name");
    logs_in(&machine, "ada");
    machine.run("test ! -e /home/ada/file").succeeds();

    // Where homes are kept, the old one is nobody's by name alone.
    set(&machine, "keep");
    machine.run("podyctl user delete --yes ada").succeeds();
    add(&machine, "ada", "--reuse-name");
    let left = machine.run("stat -c %u /home/ada").succeeds();
    let ssh = login::ssh_by_password(&machine, "ada", PASSWORD);
    assert_eq!(ssh.status, 0, "{ssh:#?}");
    assert_eq!(machine.run("stat -c %u /home/ada").succeeds(), left);
    assert_ne!(machine.run("id -u ada").succeeds(), left);
    assert!(journal(&machine).contains("left alone"));
    machine.run("runuser -u ada -- ls /home/ada").fails();
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_home_is_removed_without_what_is_mounted_in_it_and_nobody_is_held_up_where_none_can_be_made() {
    let machine = Machine::with_pody();
    set(&machine, "remove");
    add(&machine, "ada", "");
    logs_in(&machine, "ada");
    machine.run("mkdir -p /home/ada/deep/disk /srv/precious && touch /srv/precious/file").succeeds();
    machine
        .run("ln -s /srv/precious /home/ada/link && mount --bind /srv/precious /home/ada/deep/disk")
        .succeeds();
    machine.run("podyctl user delete --yes ada").succeeds();
    wait::until("the mount to be told of", PUT_AWAY, || journal(&machine).contains("umount"));
    machine.run("test -e /home/ada/.bashrc && test -e /srv/precious/file").succeeds();
    machine.run("umount /home/ada/deep/disk").succeeds();
    gone(&machine, "/home/ada");
    machine.run("test -e /srv/precious/file").succeeds();
    assert_eq!(machine.run("ls -A /home").succeeds(), "");

    // A file server that does not let root write: to the helper, root without the right to pass over permissions.
    let unit = "/etc/systemd/system/podyd-helper.service.d";
    machine
        .run(&format!("mkdir -p {unit} && chmod 0555 /home && systemctl stop podyd-helper.service"))
        .succeeds();
    machine.write(
        &format!("{unit}/weak.conf"),
        "[Service]\nCapabilityBoundingSet=\nCapabilityBoundingSet=CAP_CHOWN\n",
    );
    machine.run("systemctl daemon-reload").succeeds();
    add(&machine, "bob", "");
    assert_eq!(login::ssh_by_password(&machine, "bob", PASSWORD).succeeds(), "bob");
    assert!(journal(&machine).contains("no_root_squash"));
    machine.run(&format!("rm -r {unit} && chmod 0755 /home && systemctl daemon-reload")).succeeds();
    machine.run("systemctl stop podyd-helper.service").succeeds();
    logs_in(&machine, "bob");
    assert_eq!(stat(&machine, "/home/bob"), "bob bob 700");

    // What others than root may write, the helper does not go by.
    machine.run("chmod g+w /etc/pody/config.toml").succeeds();
    add(&machine, "cid", "");
    assert_eq!(login::ssh_by_password(&machine, "cid", PASSWORD).succeeds(), "cid");
    machine.run("test ! -e /home/cid").succeeds();
    found(&machine, "chmod go-w");
    machine.run("chmod g-w /etc/pody/config.toml").succeeds();

    machine.run("systemctl stop podyd-helper.socket podyd-helper.service").succeeds();
    assert_eq!(login::ssh_by_password(&machine, "cid", PASSWORD).succeeds(), "cid");
    found(&machine, "systemctl enable --now podyd-helper.socket");
    machine.run("systemctl start podyd-helper.socket").succeeds();
    logs_in(&machine, "cid");
    assert_eq!(stat(&machine, "/home/cid"), "cid cid 700");
    assert_eq!(machine.run("podyctl doctor").succeeds(), "Nothing was found that needs looking after.");
    let metrics = machine.run("podyctl metrics").succeeds();
    assert!(metrics.contains("pody_helper_calls_total{outcome=\"away\"} "), "{metrics}");
}

/// What systemd thinks of what the two could do; 10 is the worst, times ten.
fn is_kept_in(machine: &Machine) {
    for (unit, threshold) in [("podyd.service", 15), ("podyd-helper.service", 40)] {
        machine
            .run(&format!("systemd-analyze security --no-pager --threshold={threshold} {unit}"))
            .succeeds();
    }
    let verify = machine.run("systemd-analyze verify --man=no podyd-helper.service podyd-helper.socket");
    assert!(verify.status == 0 && verify.stderr.is_empty(), "{verify:#?}");
}

fn set(machine: &Machine, on_delete: &str) {
    machine.write("/etc/pody/config.toml", &format!("[homes]\non_delete = \"{on_delete}\"\n"));
    machine.run("systemctl reload podyd").succeeds();
}

fn add(machine: &Machine, name: &str, option: &str) {
    let add =
        format!("echo '{PASSWORD}' | podyctl user add {name} --password-stdin --shell /bin/bash {option}");
    machine.run(&add).succeeds();
}

/// By sshd, which finds the home when it comes to changing into it.
fn logs_in(machine: &Machine, name: &str) {
    let Outcome { status, stdout, stderr, .. } = login::ssh_by_password(machine, name, PASSWORD);
    assert!(status == 0 && stdout.trim_end() == name && !stderr.contains("chdir"), "{stdout}{stderr}");
}

fn stat(machine: &Machine, path: &str) -> String {
    machine.run(&format!("stat -c '%U %G %a' {path}")).succeeds()
}

fn gone(machine: &Machine, path: &str) {
    wait::until("the home to be put away", PUT_AWAY, || machine.run(&format!("test -e {path}")).status == 1);
}

fn journal(machine: &Machine) -> String {
    machine.run("journalctl --no-pager --unit podyd --unit podyd-helper").succeeds()
}

fn found(machine: &Machine, advice: &str) {
    let doctor = machine.run("podyctl doctor --json");
    assert!(doctor.status == 1 && doctor.stdout.contains(advice), "{doctor:#?}");
}
