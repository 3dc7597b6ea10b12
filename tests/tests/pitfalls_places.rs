//! Where a process may find itself: under another root, in a user namespace, on an overlay that is copied up,
//! on a system that cannot be written to. Ada is found there, or it is said that nobody can tell.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pitfall;

use pitfall::*;
use snapshot::Publisher;
use tests::sandbox::Sandbox;

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn after_a_change_of_root_the_last_mapping_stands_whatever_is_published() {
    let node = Node::with_ada();
    node.run("mkdir -p /srv/jail").succeeds();
    let steps = ["user=ada", "chroot=/srv/jail", "times=300000:ada", "times=1000:eve", "groups=ada"];
    let said = while_podyd_publishes(&node, &steps);
    let [ada, eve] = [format!("300000 times found {ADA}"), "1000 times absent".to_owned()];
    assert_eq!(said, [format!("ada found {ADA}"), ada, eve, format!("ada groups [12345, {PHYSICS}]")]);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn under_a_root_without_a_snapshot_nobody_is_said_not_to_exist() {
    let node = Node::with_ada();
    node.run(
        "mkdir -p /srv/jail/etc /srv/jail/usr /srv/jail/work /srv/jail/proc && mount --bind /usr /srv/jail/usr
         cd /srv/jail && ln -s usr/bin usr/lib usr/lib64 . && cp /etc/passwd /etc/nsswitch.conf etc",
    )
    .succeeds();
    node.run(&format!("cp {} /srv/jail/probe", tests::paths::built("probe").display())).succeeds();
    let jailed = lines(&node.run("chroot /srv/jail /probe user=ada user=root uid=1 user=nobody").succeeds());
    assert_eq!(jailed, [&error("ada", libc::ENOENT), "root found 0", "1 found 1", "nobody found 65534"]);
    // One without nsswitch.conf has glibc's own: `files` alone. It never comes to us.
    node.run("rm /srv/jail/etc/nsswitch.conf").succeeds();
    assert_eq!(node.run("chroot /srv/jail /probe user=ada").succeeds(), "ada absent");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn in_a_user_namespace_where_owners_show_as_nobody_lookups_work() {
    let node = Node::with_ada();
    let asks = probe(&["user=ada", "group=physics", "groups=ada", "user=eve"]);
    let usual = node.run(&asks).succeeds();
    assert!(usual.starts_with(&format!("ada found {ADA}\n")), "{usual}");
    // For an ordinary user root and podyd both show as 65534 there; for root podyd alone does; for podyd root.
    for (who, map) in [
        ("1234", "--map-root-user"),
        ("1234", ""),
        ("0", "--map-root-user"),
        ("0", ""),
        ("pody", "--map-root-user"),
    ] {
        let enter = format!("setpriv --reuid {who} --clear-groups unshare --user {map}");
        let owner = node.run(&format!("{enter} stat -c %u /var/cache/pody")).succeeds();
        assert_eq!(owner, if who == "pody" { "0" } else { "65534" }, "{enter}");
        assert_eq!(node.run(&format!("{enter} {asks}")).succeeds(), usual, "{enter}");
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn on_an_overlay_that_is_copied_up_readers_see_what_is_published() {
    let node = Node::bare();
    // An image with a snapshot in it, as a container or a diskless node is made of.
    node.run("mount -t tmpfs none /srv && cd /srv && mkdir -p image/cache image/run up1 up2 work1 work2")
        .succeeds();
    let at = |place: &str| node.path(place);
    Publisher::start(&at("/srv/image/cache"), &at("/srv/image/run"), 1)
        .unwrap()
        .publish_base(&base(PEOPLE, GROUPS))
        .unwrap();
    node.run(
        "mount -t overlay -o lowerdir=/srv/image/cache,upperdir=/srv/up1,workdir=/srv/work1 overlay /var/cache/pody
         mount -t overlay -o lowerdir=/srv/image/run,upperdir=/srv/up2,workdir=/srv/work2 overlay /run/pody",
    )
    .succeeds();
    let steps = probe(&["user=ada", "await=bob", "user=bob", "user=ada", "await=carol", "user=carol"]);
    node.run(&format!("{steps} >/srv/said 2>&1 & until grep -q ada /srv/said; do :; done")).succeeds();
    // podyd starts: the page of the image is marked, which copies it up, and another takes its place. The base is
    // copied up by whoever sets its mode.
    node.run("chmod 444 /var/cache/pody/base-0000000001; touch /var/cache/pody/current").succeeds();
    let mut publisher = publisher(&node);
    publisher.publish_delta(&delta(&BOB)).unwrap();
    node.run("until [ $(wc -l </srv/said) -ge 3 ]; do :; done").succeeds();
    publisher.publish_base(&base(&[PEOPLE[0], Someone { name: "carol", ..BOB }], GROUPS)).unwrap();
    node.run("until [ $(wc -l </srv/said) -ge 4 ]; do :; done").succeeds();
    let said = node.run("cat /srv/said").succeeds();
    let [ada, bob] = [format!("ada found {ADA}"), format!("bob found {}", BOB.uid)];
    assert_eq!(lines(&said), [ada.clone(), bob, ada, format!("carol found {}", BOB.uid)]);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn before_podyd_starts_and_on_a_system_that_cannot_be_written_to_lookups_work() {
    let sandbox = Sandbox::with_podyd();
    sandbox.run("podyctl user add ada && podyctl group add physics").succeeds();
    sandbox.stop_podyd();
    let asks = "getent passwd ada; getent group physics; id ada";
    let before = sandbox.run(asks).succeeds();
    sandbox.run("rm -r /run/pody").succeeds();
    assert_eq!(sandbox.run(asks).succeeds(), before);
    sandbox.run("mount --bind /var /var && mount -o remount,bind,ro /var").succeeds();
    assert_eq!(sandbox.run(asks).succeeds(), before);
    // podyd itself cannot work there, and says so at once.
    let podyd = refused(sandbox.run("podyd"));
    assert!(podyd.stderr.contains("/var/lib/pody") || podyd.stderr.contains("read-only"), "{podyd:?}");
    assert_eq!(sandbox.run(asks).succeeds(), before);
}
