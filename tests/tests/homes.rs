//! podyd-helper without systemd, as in a container: on a socket of its own making, for one user alone.

use tests::sandbox::Sandbox;
use tests::wait;

use std::time::Duration;

const START: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_helper_that_is_started_by_hand_serves_the_user_it_is_told_and_nobody_else() {
    let node = Sandbox::with_podyd();
    node.run("podyctl user add ada --no-password --shell /bin/sh").succeeds();
    let session = || node.run("su - ada -c pwd").succeeds();

    // podyd is root in here, and this helper is nobody's but pody's.
    start(&node, "pody");
    assert_ne!(session(), "/home/ada");
    assert!(log(&node).contains("was refused"), "{}", log(&node));
    node.run("test ! -e /home/ada").succeeds();
    assert_eq!(node.run("stat -c '%U %a' /run/pody-helper/socket").succeeds(), "pody 600");

    node.run("kill $(pidof podyd-helper)").succeeds();
    start(&node, "root");
    assert_eq!(session(), "/home/ada");
    assert_eq!(node.run("stat -c '%U %a' /home/ada").succeeds(), "ada 700");
    assert!(log(&node).contains("a home is made"), "{}", log(&node));

    for (arguments, status) in
        [("--version", 0), ("--listen", 2), ("--owner nobody-at-all --listen /run/x", 1), ("", 1)]
    {
        assert_eq!(
            node.run(&format!("/usr/libexec/pody/podyd-helper {arguments} </dev/null")).status,
            status,
            "{arguments}"
        );
    }
}

fn start(node: &Sandbox, owner: &str) {
    let command = "/usr/libexec/pody/podyd-helper --listen /run/pody-helper/socket";
    node.run(&format!(
        "rm -f /run/pody-helper/socket; {command} --owner {owner} </dev/null >/run/helper.log 2>&1 &"
    ))
    .succeeds();
    wait::until("the helper to listen", START, || {
        node.run(&format!("test \"$(stat -c %U:%a /run/pody-helper/socket)\" = {owner}:600")).status == 0
    });
}

fn log(node: &Sandbox) -> String {
    node.run("cat /run/helper.log").succeeds()
}
