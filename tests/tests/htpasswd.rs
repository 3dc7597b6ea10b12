//! Users of an htpasswd file that htpasswd(1) writes, on a node with all that is real: its lines log in, change and go.

use std::time::Duration;

use tests::login;
use tests::sandbox::Sandbox;
use tests::wait;

const FILE: &str = "/etc/pody/htpasswd";

/// The file is watched; this is for a machine that is busy with something else.
const NOTICED: Duration = Duration::from_secs(20);

/// A node that follows a file with ada in it.
fn node_with_ada() -> Sandbox {
    let sandbox = Sandbox::plain();
    sandbox.install_pody();
    let setting = format!("sed -i 's|^\\[auth.htpasswd]|&\\nfile = \"{FILE}\"|' /etc/pody/config.toml");
    sandbox.run(&setting).succeeds();
    sandbox.run(&format!("htpasswd -cbB -C 5 {FILE} ada 'first password'")).succeeds();
    sandbox.start_podyd();
    until(&sandbox, "ada to be there", "getent passwd ada");
    sandbox
}

fn until(sandbox: &Sandbox, what: &str, script: &str) {
    wait::until(what, NOTICED, || sandbox.run(script).status == 0);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn people_come_and_go_with_their_lines() {
    let sandbox = node_with_ada();
    assert!(login::su(&sandbox, "ada", "first password").succeeds().ends_with("ada"));
    login::is_known(&sandbox, "ada");
    sandbox.run(&format!("htpasswd -bB -C 5 {FILE} ada 'second password'")).succeeds();
    sandbox.run(&format!("htpasswd -bm {FILE} bob 'bobs password'")).succeeds();
    until(&sandbox, "bob to be there", "getent passwd bob");
    assert!(login::su(&sandbox, "bob", "bobs password").succeeds().ends_with("bob"));
    assert!(login::su(&sandbox, "ada", "second password").succeeds().ends_with("ada"));
    login::su(&sandbox, "ada", "first password").fails();

    sandbox.run(&format!("htpasswd -D {FILE} ada")).succeeds();
    until(&sandbox, "ada to be locked", "podyctl user show ada | grep -q locked");
    login::su(&sandbox, "ada", "second password").fails();
    login::is_known(&sandbox, "ada");
    assert!(login::su(&sandbox, "bob", "bobs password").succeeds().ends_with("bob"));
    // As careful programs write: beside the file, and renamed over it.
    sandbox
        .run(&format!(
            "cp -p {FILE} {FILE}.new && htpasswd -bB -C 5 {FILE}.new ada 'third password' && mv {FILE}.new {FILE}"
        ))
        .succeeds();
    until(&sandbox, "ada to be back", "podyctl user show ada | grep -q active");
    assert!(login::su(&sandbox, "ada", "third password").succeeds().ends_with("ada"));
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_file_that_is_gone_keeps_nobody_out_and_is_told_of() {
    let sandbox = node_with_ada();
    sandbox.run(&format!(": > {FILE}")).succeeds();
    until(&sandbox, "the warning", &format!("podyctl status 2>&1 | grep -q 'warning: {FILE}: it is empty'"));
    sandbox.run(&format!("rm {FILE}")).succeeds();
    until(
        &sandbox,
        "the warning",
        &format!("podyctl status 2>&1 | grep -q 'warning: {FILE} cannot be read'"),
    );
    assert!(login::su(&sandbox, "ada", "first password").succeeds().ends_with("ada"));
    sandbox.kill_podyd();
    sandbox.start_podyd();
    until(
        &sandbox,
        "the warning",
        &format!("podyctl status 2>&1 | grep -q 'warning: {FILE} cannot be read'"),
    );
    assert!(login::su(&sandbox, "ada", "first password").succeeds().ends_with("ada"));
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_password_of_the_file_is_changed_in_the_file() {
    let sandbox = node_with_ada();
    let by_podyctl =
        sandbox.run("echo 'another password' | podyctl user passwd ada --password-stdin").fails();
    assert_eq!((by_podyctl.status, by_podyctl.stderr.contains(FILE)), (5, true), "{by_podyctl:#?}");
    let by_passwd = sandbox.converse("runuser -u ada -- passwd", &[("assword:", "first password")]).fails();
    assert!(by_passwd.stdout.contains(FILE), "{by_passwd:#?}");
    let by_root = sandbox.converse("passwd ada", &[]).fails();
    assert!(by_root.stdout.contains(FILE), "{by_root:#?}");
    assert!(login::su(&sandbox, "ada", "first password").succeeds().ends_with("ada"));
}
