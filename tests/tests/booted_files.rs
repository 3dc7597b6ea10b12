//! Who could cut a mapped file short? On a booted Debian, nobody but root and podyd: not by owner, mode or
//! directory, not by trying, and no other process holds one open for writing.

use tests::login::{self, Accounts, Person, Pody};
use tests::machine::Machine;

/// Everything that readers map or read, and the directories on the way.
const PLACES: &str = "/var/cache/pody /run/pody";

/// A machine that has been at work: there are a base, deltas of both kinds, a page and sockets.
fn machine() -> Machine {
    let machine = Machine::with_pody();
    Pody.add(&machine, &Person { name: "ada".into(), password: "Analytical-Engine1".into() });
    Pody.add_group(&machine, "physics", "ada");
    // What was published is written to disk within half a second.
    let persisted = || machine.run("ls /var/cache/pody/delta-*").status == 0;
    tests::wait::until("the delta on disk", std::time::Duration::from_secs(20), persisted);
    machine
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn owners_and_modes_let_nobody_else_write() {
    let machine = machine();
    let listing = machine.run(&format!("find {PLACES} -printf '%y %m %U %G %n %p\\n'")).succeeds();
    let pody = machine.run("id -u pody").succeeds();
    let mut kinds = Vec::new();
    for line in listing.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [kind, mode, owner, _, links, path] = fields[..] else { panic!("{line}") };
        assert_eq!(owner, pody, "{line}");
        let expected = match (kind, path.rsplit('/').next().unwrap()) {
            ("d", _) => "755",
            ("s", _) => "666",
            (_, "generation") => "644",
            (_, name) if name.ends_with(".account") => "600",
            _ => "444",
        };
        assert_eq!((mode, kind == "d" || links == "1"), (expected, true), "{line}");
        kinds.push(format!("{kind} {mode}"));
    }
    for kind in ["d 755", "s 666", "f 644", "f 600", "f 444"] {
        assert!(kinds.iter().any(|seen| seen == kind), "{kind}: {listing}");
    }
    // Nor can the directories be moved away, or anything on the way to them.
    for parent in ["/", "/var", "/var/cache", "/run", "/etc", "/etc/pody", "/etc/pody/id-ranges"] {
        let status = machine.run(&format!("stat -c '%u %a' {parent}")).succeeds();
        let (owner, mode) = status.split_once(' ').unwrap();
        assert_eq!((owner, u32::from_str_radix(mode, 8).unwrap() & 0o022), ("0", 0), "{parent}");
    }
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn whoever_tries_cannot_change_remove_or_replace_them() {
    let machine = machine();
    let sums = "find /var/cache/pody /run/pody -type f ! -name generation -exec sha256sum {} + | sort";
    let before = machine.run(sums).succeeds();
    let attempt = r#"
        for file in $(find /var/cache/pody /run/pody -mindepth 1) /var/cache/pody /run/pody; do
            truncate -s 0 "$file"; : >>"$file"; chmod 666 "$file"; chown "$(id -u)" "$file"; rm -f "$file"
            mv "$file" "$file.old"; ln -sf /dev/null "$file"; fallocate -p -o 0 -l 64 "$file"
            cp --remove-destination /dev/null "$file"
        done
        touch /run/pody/new /var/cache/pody/new; ls /run/pody/new /var/cache/pody/new"#;
    machine.write("/tmp/attempt", attempt);
    // An ordinary user; one whom somebody put into podyd's group; and root without its capabilities.
    for who in [
        "--reuid ada --regid ada --clear-groups",
        "--reuid ada --regid pody --groups pody",
        "--reuid nobody --regid nogroup --clear-groups",
        "--bounding-set=-all --inh-caps=-all",
    ] {
        machine.run(&format!("setpriv {who} sh /tmp/attempt")).fails();
        assert_eq!(machine.run(sums).succeeds(), before, "{who}");
        login::is_known(&machine, "ada");
    }
    // Proof that these attempts are ones: root's own leave nothing whole.
    machine.run("systemctl stop podyd; sh /tmp/attempt");
    let left = machine.run(sums).stdout;
    assert!(before.lines().all(|line| !left.contains(line)), "{left}");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn only_podyd_holds_the_page_for_writing_and_nobody_any_other_file() {
    let machine = machine();
    // Somebody who has it all mapped: a shell that a person logged in to.
    login::su(&machine, "ada", "Analytical-Engine1").succeeds();
    let podyd = machine.run("systemctl show --property MainPID --value podyd").succeeds();
    let descriptors = machine
        .run(r#"for fd in /proc/[0-9]*/fd/*; do
            case $(readlink "$fd") in /var/cache/pody/*|/run/pody/*) echo "$fd $(readlink "$fd") $(grep flags "${fd%/fd/*}/fdinfo/${fd##*/}")";; esac
        done"#);
    assert_eq!(descriptors.stdout, "", "everything is closed once it is mapped");
    let maps = machine.run("grep -H -E ' /(var/cache|run)/pody/' /proc/[0-9]*/maps").succeeds();
    assert!(maps.lines().any(|line| line.contains("/var/cache/pody/base-")), "{maps}");
    let writable: Vec<&str> = maps.lines().filter(|line| line.contains(" rw")).collect();
    assert!(!writable.is_empty(), "podyd has its page");
    for line in writable {
        let page = line.starts_with(&format!("/proc/{podyd}/")) && line.ends_with("/run/pody/generation");
        assert!(page, "{line}");
    }
}
