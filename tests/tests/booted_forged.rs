//! A podyd that has been taken over publishes what it likes. On a booted Debian with real sudo, su and cron it
//! makes nobody root and nobody a local user, and it keeps neither of them out.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pitfall;

use identity::{Day, Gid, Uid};
use pitfall::*;
use snapshot::{Account, BaseEncoder, UserEntry};
use tests::host::Host;
use tests::login::{self, Accounts, Files, Person};
use tests::machine::Machine;

/// Who the attacker is in the snapshot; every uid, gid and group is inside the installed range.
const MALLORY: u32 = 1_900_000_013;
const FORGED_GROUP: u32 = 1_900_000_113;

/// A machine with a local person bob, who may use sudo, and a podyd that its attacker has stopped.
fn taken_over() -> Machine {
    let machine = Machine::boot();
    Files.add(&machine, &bob());
    machine.run("usermod --append --groups sudo bob; echo root:Some-Other-Secret1 | chpasswd").succeeds();
    machine.write("/etc/sudoers.d/all", "%sudo ALL=(ALL) NOPASSWD: ALL\n%wheel ALL=(ALL) NOPASSWD: ALL\n%docker ALL=(ALL) NOPASSWD: ALL\n#0 ALL=(ALL) NOPASSWD: ALL\n");
    machine.install_pody();
    machine.run("systemctl daemon-reload && systemctl start podyd && systemctl stop podyd").succeeds();
    machine
}

fn bob() -> Person {
    Person { name: "bob".into(), password: "Difference-Engine1".into() }
}

fn mallory(groups: &[u32]) -> Someone<'_> {
    Someone { name: "mallory", uid: MALLORY, gid: MALLORY, groups }
}

/// A shell that mallory still has, whatever is published now.
fn as_mallory(host: &Host, command: &str) -> tests::host::Outcome {
    host.run(&format!(
        "setpriv --reuid {MALLORY} --regid {MALLORY} --groups {MALLORY},{FORGED_GROUP} {command}"
    ))
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn a_forged_group_of_a_powerful_name_gives_no_power() {
    let machine = taken_over();
    for name in ["sudo", "wheel", "docker"] {
        machine.run("rm -f /var/cache/pody/* /run/pody/*").succeeds();
        publish(&machine, &[mallory(&[FORGED_GROUP])], &[(name, FORGED_GROUP, &["mallory"])]);
        let id = machine.run("id mallory").succeeds();
        assert!(!id.contains(name) && id.contains("(mallory)"), "{id}");
        refused(as_mallory(&machine, "sudo -n id -u"));
        refused(machine.run("runuser -u mallory -- sudo -n id -u"));
    }
    // The same rule lets in who is in the real group.
    assert_eq!(machine.run("runuser -u bob -- sudo -n id -u").succeeds(), "0");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn nobody_takes_a_local_persons_name_with_an_id_of_their_own() {
    let machine = taken_over();
    machine.write("/etc/sudoers.d/bob", "bob ALL=(ALL) NOPASSWD: ALL\n%staff2 ALL=(ALL) NOPASSWD: ALL\n");
    machine.run("groupadd staff2; echo '* * * * * true' > /tmp/table; chmod 644 /tmp/table").succeeds();
    // sudo and crontab ask for the names of the uid and the gids that call them.
    for forged in ["bob", "root", "daemon", "staff2"] {
        machine.run("rm -f /var/cache/pody/* /run/pody/*").succeeds();
        let people = [Someone { name: forged, ..mallory(&[FORGED_GROUP]) }];
        publish(&machine, &people, &[(forged, FORGED_GROUP, &[forged])]);
        refused(as_mallory(&machine, "sudo -n id -u"));
        let crontab = as_mallory(&machine, "crontab /tmp/table");
        assert!(forged == "staff2" || crontab.status != 0, "{forged}: {crontab:#?}");
        assert_eq!(machine.run("ls /var/spool/cron/crontabs | grep -v staff2").stdout, "", "{forged}");
    }
    assert_eq!(machine.run("id -nu bob").succeeds(), "bob");
    assert_eq!(machine.run("runuser -u bob -- sudo -n id -u").succeeds(), "0");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn no_forged_id_makes_anybody_root_or_somebody_local() {
    let machine = taken_over();
    let bobs = 1000;
    let groups = [0, 27, 42, 999, bobs, FORGED_GROUP];
    machine.run("rm -f /var/cache/pody/* /run/pody/*; rm /etc/pody/id-ranges").succeeds();
    let forged = [
        Someone { name: "toor", uid: 0, gid: 0, groups: &[] },
        Someone { name: "root", uid: MALLORY + 1, gid: MALLORY + 1, groups: &[] },
        Someone { name: "zero", uid: MALLORY + 2, gid: 0, groups: &[] },
        Someone { name: "sudoer", uid: MALLORY + 3, gid: 27, groups: &[] },
        Someone { name: "daemon2", uid: 1, gid: MALLORY, groups: &[] },
        Someone { name: "double", uid: bobs, gid: MALLORY, groups: &[] },
        Someone { name: "nobody2", uid: 65_534, gid: MALLORY, groups: &[] },
        mallory(&groups),
    ];
    publish(&machine, &forged, &[("crew", FORGED_GROUP, &["mallory"]), ("zero", 0, &["mallory"])]);
    for someone in &forged[..forged.len() - 1] {
        if someone.name != "root" {
            login::is_unknown(&machine, someone.name);
            refused(machine.run(&format!("su {} -c 'id -u'", someone.name)));
            refused(machine.run(&format!("sudo -n -u {} id -u", someone.name)));
        }
    }
    assert_eq!(
        machine.run("getent passwd root 0 1 1000 | cut -d: -f1").succeeds(),
        "root\nroot\ndaemon\nbob"
    );
    // The groups of the real files stay theirs; hers is what the range allows.
    assert_eq!(machine.run("id -G mallory").succeeds(), format!("{MALLORY} {FORGED_GROUP}"));
    assert_eq!(machine.run("su mallory -c 'id -G'").succeeds(), format!("{MALLORY} {FORGED_GROUP}"));
    refused(machine.run("runuser -u mallory -- sudo -n -u '#0' id -u"));
    // Without a range file every ordinary id is served: with it, not even hers outside.
    machine.write("/etc/pody/id-ranges", "1900000200 1999999999\n");
    login::is_unknown(&machine, "mallory");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn forged_records_of_root_and_local_people_keep_none_of_them_out() {
    let machine = taken_over();
    login::authorize_key(&machine, "bob");
    machine.run("rm -f /var/cache/pody/* /run/pody/*").succeeds();
    let locked = ["root", "bob", "mallory"];
    publish_locked(&machine, &locked);
    assert!(login::su(&machine, "root", "Some-Other-Secret1").succeeds().ends_with("root"));
    assert_eq!(machine.run("su root -c 'id -un'").succeeds(), "root");
    assert_eq!(login::ssh_by_password(&machine, "bob", &bob().password).succeeds(), "bob");
    assert_eq!(login::ssh_by_key(&machine, "bob").succeeds(), "bob");
    login::cron_job_runs(&machine, "bob");
    // The account part counts for those it is about.
    refused(machine.run("su mallory -c 'id -un'"));
}

/// Publishes accounts that are locked and have expired long ago.
fn publish_locked(machine: &Machine, names: &[&str]) {
    let mut encoder = BaseEncoder::new(INFO);
    for (name, id) in names.iter().zip(MALLORY..) {
        let account = Account { locked: true, expires_at: Some(Day(1)), ..Account::default() };
        let (name, uid, gid) = (name.parse().unwrap(), Uid(id), Gid(id));
        let entry =
            UserEntry { name, uid, gid, gecos: "", home: "/", shell: "/bin/sh", groups: &[], account };
        encoder.user(&entry).unwrap();
    }
    publisher(machine).publish_base(&encoder.finish().unwrap()).unwrap();
    machine.run("chown -R pody:pody /var/cache/pody /run/pody").succeeds();
}
