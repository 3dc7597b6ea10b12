//! Homes where they are hardest: on a file server, with the kernel's own NFS, which lets root write, or does not, or hangs, or
//! is not mounted; and on a disk whose power is cut.

use std::time::Duration;

use tests::host::Host;
use tests::login::{self, Person};
use tests::vm::Vm;
use tests::wait;
use tests::wire::SERIAL_LINE;

/// How long podyd-helper and podyd may take for what nobody waits for: the processor is emulated.
const SOON: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs root and QEMU: boots a virtual machine"]
fn homes_on_nfs_are_made_or_refused_with_words_and_nobody_waits_for_a_server_that_is_away() {
    let vm = Vm::with_pody();
    configure(&vm, "archive");
    vm.run("mkdir -p /srv/homes /srv/local").succeeds();
    serve(&vm);
    export(&vm, "root_squash");
    vm.run("mount -t nfs -o vers=4.2,noac,timeo=10 127.0.0.1:/ /home").succeeds();

    root_may_not_write(&vm);
    homes_of_the_server_are_found(&vm);
    export(&vm, "no_root_squash");
    homes_are_made_and_archived(&vm);
    a_server_that_is_away_delays_nobody(&vm);
    a_home_of_the_automounter_is_found(&vm);
    what_is_not_mounted_is_not_filled(&vm);
}

/// NFS 4 alone, which wants no other daemon; nobody has anything to reclaim from a server that has just begun.
fn serve(vm: &Host) {
    vm.run(
        "printf 'nfs 2049/tcp\\nnfs 2049/udp\\n' >>/etc/services
         mkdir -p /var/lib/nfs && touch /var/lib/nfs/etab /var/lib/nfs/rmtab && modprobe nfsd
         mount -t nfsd nfsd /proc/fs/nfsd && rpc.mountd --no-nfs-version 2 --no-nfs-version 3
         rpc.nfsd --no-nfs-version 3 --grace-time 10 --lease-time 10 4",
    )
    .succeeds();
}

fn export(vm: &Host, squash: &str) {
    vm.write("/etc/exports", &format!("/srv/homes 127.0.0.1(rw,fsid=0,no_subtree_check,{squash})\n"));
    vm.run("exportfs -ra").succeeds();
}

fn root_may_not_write(vm: &Host) {
    let ada = add(vm, "ada", "");
    assert_eq!(login::ssh_by_password(vm, "ada", &ada.password).succeeds(), "ada");
    let journal = journal(vm);
    assert!(
        journal.contains("Make the home on the server") && journal.contains("no_root_squash"),
        "{journal}"
    );
    assert_eq!(vm.run("ls -A /srv/homes").succeeds(), "", "nothing half-made");
}

fn homes_of_the_server_are_found(vm: &Host) {
    let bob = add(vm, "bob", "");
    vm.run("install -d -m 0700 -o $(id -u bob) -g $(id -g bob) /srv/homes/bob").succeeds();
    let before = journal(vm).len();
    assert_eq!(login::ssh_by_password(vm, "bob", &bob.password).succeeds(), "bob");
    assert!(!journal(vm)[before..].contains("/home/bob"), "{}", journal(vm));
}

fn homes_are_made_and_archived(vm: &Host) {
    let ssh = login::ssh_by_password(vm, "ada", "Analytical-Engine1");
    assert!(ssh.status == 0 && !ssh.stderr.contains("chdir"), "{ssh:#?}");
    for directory in ["/home", "/srv/homes"] {
        assert_eq!(stat(vm, &format!("{directory}/ada")), "ada ada 700");
        assert_eq!(stat(vm, &format!("{directory}/ada/.bashrc")), "ada ada 644");
    }
    vm.run("podyctl user delete --yes ada").succeeds();
    wait::until("the home to be archived", SOON, || vm.run("ls -d /srv/homes/.archived/ada.*").status == 0);
    assert_eq!(vm.run("ls -A /srv/homes").succeeds(), ".archived\nbob");
}

fn a_server_that_is_away_delays_nobody(vm: &Host) {
    let names: Vec<String> = (0..3).map(|number| format!("cid{number}")).collect();
    names.iter().for_each(|name| drop(add(vm, name, "")));
    let dan = add(vm, "dan", "--home /srv/local/dan");
    vm.run("rpc.nfsd 0").succeeds();
    for name in names.iter().chain(&names) {
        vm.run(&format!("pamtester pody {name} open_session")).succeeds();
    }
    let ssh = login::ssh_by_password(vm, "dan", &dan.password);
    assert!(ssh.status == 0 && !ssh.stderr.contains("chdir"), "{ssh:#?}");
    assert_eq!(stat(vm, "/srv/local/dan"), "dan dan 700");
    let doctor = vm.run("podyctl doctor --json").stdout;
    assert!(doctor.contains("file server"), "{doctor}");

    vm.run("rpc.nfsd --no-nfs-version 3 --grace-time 10 --lease-time 10 4").succeeds();
    for name in &names {
        let home = format!("/home/{name}");
        wait::until("what was asked for to be done", SOON, || vm.run(&format!("test -d {home}")).status == 0);
        assert_eq!(stat(vm, &home), format!("{name} {name} 700"));
    }
}

/// One that shows directories before it mounts what belongs there, as autofs does when it browses.
fn a_home_of_the_automounter_is_found(vm: &Host) {
    let eve = add(vm, "eve", "--home /srv/local/eve");
    vm.run("install -d -m 0700 -o $(id -u eve) -g $(id -g eve) /srv/homes/eve").succeeds();
    let unit = "/run/systemd/system/srv-local-eve";
    vm.write(
        &format!("{unit}.mount"),
        "[Mount]\nType=nfs\nWhat=127.0.0.1:/eve\nWhere=/srv/local/eve\nOptions=vers=4.2,noac\n",
    );
    vm.write(&format!("{unit}.automount"), "[Automount]\nWhere=/srv/local/eve\n");
    vm.run("systemctl daemon-reload && systemctl start srv-local-eve.automount").succeeds();
    let before = journal(vm).len();
    vm.run("pamtester pody eve open_session").succeeds();
    assert_eq!(journal(vm)[before..].matches("/srv/local/eve").count(), 0, "{}", journal(vm));
    assert_eq!(vm.run("systemctl is-active srv-local-eve.mount").succeeds(), "active");
    let ssh = login::ssh_by_password(vm, "eve", &eve.password);
    assert!(ssh.status == 0 && !ssh.stderr.contains("chdir"), "{ssh:#?}");
}

fn what_is_not_mounted_is_not_filled(vm: &Host) {
    vm.write(
        "/run/systemd/system/home.mount",
        "[Mount]\nType=nfs\nWhat=127.0.0.1:/\nWhere=/home\nOptions=vers=4.2,noac\n",
    );
    vm.run("umount /home && systemctl daemon-reload").succeeds();
    let fay = add(vm, "fay", "");
    // Where logind takes part, it mounts the unit for a session of somebody whose home is there.
    vm.run("pamtester pody fay open_session").succeeds();
    assert_eq!(vm.run("ls -A /home").succeeds(), "", "what is made below is hidden later");
    assert!(journal(vm).contains("/home is to be mounted"), "{}", journal(vm));
    vm.run("systemctl start home.mount").succeeds();
    let ssh = login::ssh_by_password(vm, "fay", &fay.password);
    assert!(ssh.status == 0 && !ssh.stderr.contains("chdir"), "{ssh:#?}");
}

/// How many homes are made, and as many put away, before the plug is pulled.
const WORK: usize = 2;

/// More than are by then.
const PEOPLE: usize = 4;

/// What each home holds: enough to be torn.
const SKELETON: &str = "head -c 500K /dev/urandom >/etc/skel/large; mkdir -p /etc/skel/a/b; chmod 0750 /etc/skel/a
                        for n in $(seq 8); do seq $n 2000 >/etc/skel/a/b/$n; done; ln -s large /etc/skel/link; sync";

#[test]
#[ignore = "needs root and QEMU: boots a virtual machine"]
fn after_a_power_cut_a_home_is_whole_or_not_there_and_what_was_being_put_away_is() {
    let mut vm = Vm::with_pody();
    vm.run(SKELETON).succeeds();
    for (on_delete, after) in [("archive", 0), ("remove", 150)] {
        configure(&vm, on_delete);
        let names = |what: &str| (1..=PEOPLE).map(|number| format!("{what}-{on_delete}-{number}")).collect();
        let [come, go]: [Vec<String>; 2] = ["comes", "goes"].map(names);
        let people = [come.clone(), go.clone()].concat().join(" ");
        vm.run(&format!("for name in {people}; do podyctl user add $name || exit; done")).succeeds();
        go.iter().for_each(|name| has_a_home(&vm, name));

        let work = come.iter().zip(&go).fold(String::new(), |work, (comes, goes)| {
            format!(
                "{work}podyctl user delete --yes {goes}; pamtester pody {comes} open_session && test -d /home/{comes} && \
                 echo {comes} >{SERIAL_LINE}\n"
            )
        });
        let answered = vm.lose_power_during(&work, WORK, Duration::from_millis(after));
        vm.power_on();
        for name in &come {
            match vm.run(&format!("test -e /home/{name}")).status {
                0 => is_whole(&vm, name),
                _ => assert!(
                    answered.iter().all(|word| word.text != *name),
                    "{name} had a home before the cut"
                ),
            }
        }
        // What is left of one that was being made goes when that is tried again.
        for name in &come {
            has_a_home(&vm, name);
            is_whole(&vm, name);
        }
        // Some are deleted already.
        go.iter().for_each(|name| drop(vm.run(&format!("podyctl user delete --yes {name}"))));
        let is_left = || vm.run(&format!("ls -d /home/goes-{on_delete}-* /home/.pody-*")).stdout;
        wait::until("all homes of those who go to be put away", SOON, || is_left().is_empty());
    }
    assert_eq!(vm.run("ls /home/.archived | wc -l").succeeds(), PEOPLE.to_string());
}

/// podyd-helper may take longer than the session waits for it, on an emulated processor.
fn has_a_home(vm: &Host, name: &str) {
    vm.run(&format!("pamtester pody {name} open_session")).succeeds();
    wait::until("the home to be made", SOON, || vm.run(&format!("test -d /home/{name}")).status == 0);
}

fn is_whole(vm: &Host, name: &str) {
    let look =
        "diff -r /etc/skel . && readlink link && stat -c '%U %G %a' . a && find . ! -user $1 -o ! -group $1";
    let seen = vm.run(&format!("set {name} && cd /home/{name} && {look}")).succeeds();
    assert_eq!(seen, format!("large\n{name} {name} 700\n{name} {name} 750"));
}

/// Which homes there are, and what becomes of them; and `pamtester pody`, a session that only Pody takes part in: the user
/// manager of systemd, too, waits for a file server.
fn configure(vm: &Host, on_delete: &str) {
    let homes = format!("[homes]\nroots = [\"/home\", \"/srv/local\"]\non_delete = \"{on_delete}\"\n");
    vm.write("/etc/pody/config.toml", &format!("{homes}[sessions]\nservices = [\"sshd\", \"pody\"]\n"));
    vm.write("/etc/pam.d/pody", "session required pam_pody.so\n");
    vm.run("systemctl reload podyd").succeeds();
}

fn add(vm: &Host, name: &str, options: &str) -> Person {
    let password = "Analytical-Engine1";
    let add =
        format!("echo '{password}' | podyctl user add {name} --password-stdin --shell /bin/bash {options}");
    vm.run(&add).succeeds();
    Person { name: name.into(), password: password.into() }
}

fn stat(vm: &Host, path: &str) -> String {
    vm.run(&format!("stat -c '%U %G %a' {path}")).succeeds()
}

fn journal(vm: &Host) -> String {
    vm.run("journalctl --no-pager --unit podyd --unit podyd-helper").succeeds()
}
