//! Trouble is never "no such user": with the shipped line of nsswitch.conf, whatever is wrong with the snapshot
//! reaches the caller of getpwnam_r as an error; local people do not notice; and when the trouble is over the
//! same process finds its answer.
//!
//! getent(1) and id(1) cannot tell trouble from absence: they look at no errno. And getgrouplist(3) has no
//! errors: in trouble glibc gives the groups that it has found so far. So getpwnam_r and its kin are asked.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pitfall;

use pitfall::*;

/// What is wrong in /var/cache/pody, how it is mended, and the errno that says so. `patch AT BYTES` writes into
/// the base, which nobody of ours ever does.
const TROUBLE: &[(&str, &str, i32)] = &[
    ("mv base-0000000001 /root", "mv /root/base-0000000001 .", libc::ENOENT),
    ("mv /var/cache/pody /root", "mv /root/pody /var/cache", libc::ENOENT),
    ("chown nobody base-0000000001", "chown pody base-0000000001", libc::EBADMSG),
    ("chmod g+w base-0000000001", "chmod g-w base-0000000001", libc::EBADMSG),
    ("chmod o+w base-0000000001", "chmod o-w base-0000000001", libc::EBADMSG),
    ("patch 0 FOREIGNS", "patch 0 PODYSNAP", libc::EBADMSG),
    ("patch 8 '\\002'", "patch 8 '\\001'", libc::EBADMSG),
    // The generation that is stamped into the file is not the one that its name says.
    ("patch 24 '\\377'", "patch 24 '\\000'", libc::EBADMSG),
    ("cp -p base-0000000001 it; truncate -s -8 base-0000000001", "mv it base-0000000001", libc::EBADMSG),
    ("truncate -s +8 base-0000000001", "truncate -s -8 base-0000000001", libc::EBADMSG),
    ("mv base-0000000001 it; ln -s it base-0000000001", "mv it base-0000000001", libc::EBADMSG),
    ("mv base-0000000001 it; mkfifo base-0000000001", "mv it base-0000000001", libc::EBADMSG),
    (
        "mv base-0000000001 it; mkdir base-0000000001",
        "rmdir base-0000000001; mv it base-0000000001",
        libc::EBADMSG,
    ),
    (
        "mv /etc/pody/id-ranges it; echo all of them >/etc/pody/id-ranges",
        "mv it /etc/pody/id-ranges",
        libc::EBADMSG,
    ),
    ("chmod o+w /etc/pody/id-ranges", "chmod o-w /etc/pody/id-ranges", libc::EBADMSG),
    ("chown pody /etc/pody/id-ranges", "chown root /etc/pody/id-ranges", libc::EBADMSG),
];

const SHELL: &str = r#"cd /var/cache/pody
patch() { printf "$2" | dd of=base-0000000001 bs=1 seek="$1" conv=notrunc status=none; }
"#;

/// The shipped line, and behind it a service that knows nobody: what comes behind must not be asked.
const SHIPPED: &str = "files pody [UNAVAIL=return] files";

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn whatever_is_wrong_with_the_snapshot_is_an_error_until_it_is_mended() {
    let node = Node::with_ada();
    nsswitch(&node, SHIPPED);
    for (wrong, mended, errno) in TROUBLE {
        let steps = [
            &format!("run={SHELL}{wrong}"),
            "user=ada",
            "uid=1900000001",
            "group=physics",
            "gid=1900000100",
            "user=eve",
            "user=root",
            "uid=1",
            "group=daemon",
            &format!("run={SHELL}{mended}"),
            "user=ada",
            "uid=1900000001",
            "group=physics",
            "gid=1900000100",
            "user=eve",
        ];
        let said = node.probe(&steps);
        let troubled = ["ada", "1900000001", "physics", "1900000100", "eve"].map(|key| error(key, *errno));
        let local = ["root found 0", "1 found 1", "daemon found 1"];
        let mended = [
            "ada found 1900000001",
            "1900000001 found 1900000001",
            "physics found 1900000100",
            "1900000100 found 1900000100",
            "eve absent",
        ];
        let expected: Vec<String> =
            troubled.into_iter().chain(local.into_iter().chain(mended).map(str::to_owned)).collect();
        assert_eq!(said, expected, "{wrong}");
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn it_is_the_line_in_nsswitch_that_keeps_the_next_service_from_saying_no() {
    let node = Node::bare();
    for (line, said) in [
        (SHIPPED, error("ada", libc::ENOENT)),
        ("files pody [UNAVAIL=return] systemd", error("ada", libc::ENOENT)),
        // What would happen without it: glibc goes on, and the last word is "no such user".
        ("files pody files", "ada absent".to_owned()),
    ] {
        nsswitch(&node, line);
        assert_eq!(node.probe(&["user=ada"]), [said], "{line}");
    }
    let shipped =
        node.run("/usr/share/pody/nsswitch enable /etc/nsswitch.conf && cat /etc/nsswitch.conf").succeeds();
    assert!(shipped.contains("passwd: files pody [UNAVAIL=return] "), "{shipped}");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn id_fails_for_those_it_cannot_see_and_works_for_local_people() {
    let node = Node::with_ada();
    node.run("chmod g+w /var/cache/pody/base-0000000001").succeeds();
    // coreutils forgets errno before it complains: its words are "no such user" for any failure.
    node.run("id ada").fails();
    assert_eq!(node.run("id -nG root").succeeds(), "root");
    assert_eq!(node.run("id -nu daemon").succeeds(), "daemon");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn who_may_not_read_it_is_told_so_and_finds_ada_as_soon_as_they_may() {
    let node = Node::with_ada();
    let waiting = probe(&["user=ada", "await=ada", "user=ada"]);
    let said = node.run(&format!(
        "chmod 0 /var/cache/pody/base-0000000001
         setpriv --reuid nobody --clear-groups {waiting} >/tmp/said & asking=$!
         while kill -0 $asking && ! grep -q ada /tmp/said; do :; done
         chmod 444 /var/cache/pody/base-0000000001
         wait $asking; cat /tmp/said"
    ));
    assert_eq!(lines(&said.succeeds()), [error("ada", libc::EACCES), "ada found 1900000001".to_owned()]);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_file_that_root_cuts_short_under_its_readers_kills_them_and_nobody_else() {
    let node = Node::with_ada();
    // The documented exception (SECURITY.md): the kernel sends SIGBUS, and a library cannot take it. Before
    // and after that moment all is as ever.
    let cut =
        node.run(&probe(&["user=ada", "run=truncate -s 0 /var/cache/pody/base-0000000001", "user=ada"]));
    assert_eq!((cut.status, cut.stdout.as_str()), (128 + libc::SIGBUS, "ada found 1900000001\n"), "{cut:?}");
    assert_eq!(
        node.probe(&["user=ada", "user=root"]),
        [error("ada", libc::EBADMSG), "root found 0".to_owned()]
    );
    // Removing it, on the other hand, hurts nobody.
    node.publish(PEOPLE, GROUPS);
    assert_eq!(
        node.probe(&["user=ada", "run=rm -r /var/cache/pody /run/pody", "user=ada"]),
        ["ada found 1900000001"; 2]
    );
}

fn nsswitch(node: &Node, services: &str) {
    node.write("/etc/nsswitch.conf", &format!("passwd: {services}\ngroup: {services}\nshadow: {services}\n"));
}
