//! One node with its own directory, in a private copy of this machine: what an admin does, what programs see,
//! and what they still see when podyd is gone.

use std::process::Command;

use tests::login::{self, Accounts, Files, Person, Pody};
use tests::paths;
use tests::sandbox::Sandbox;
use tests::scratch::Scratch;

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_sandbox_leaves_the_machine_as_it_is() {
    let sandbox = Sandbox::plain();
    Files.add(&sandbox, &ada());
    login::is_known(&sandbox, "ada");
    assert!(!std::fs::read_to_string("/etc/passwd").unwrap().contains("ada:"));
    assert!(!std::path::Path::new("/home/ada").exists());
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn whatever_is_unmounted_in_a_sandbox_leads_to_nothing_of_the_machine() {
    let scratch = Scratch::new();
    let (sandbox, file) = (Sandbox::plain(), scratch.join("file"));
    std::fs::write(&file, "the machine's").unwrap();
    // Over and over, until there is nothing left to unmount.
    let directory = format!("/{}", scratch.iter().nth(1).unwrap().to_str().unwrap());
    sandbox.run(&format!("while umount --lazy {directory}; do :; done")).succeeds();
    sandbox
        .run(&format!("test ! -e {0} && mkdir -p {1} && echo other >{0}", file.display(), scratch.display()))
        .succeeds();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the machine's");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn people_log_in_through_pam_and_a_wrong_password_does_not_do() {
    let sandbox = Sandbox::with_podyd();
    Pody.add(&sandbox, &ada());
    assert!(login::su(&sandbox, "ada", &ada().password).succeeds().ends_with("ada"));
    login::su(&sandbox, "ada", "wrong").fails();
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn an_admins_change_is_seen_by_every_program_when_podyctl_returns() {
    let sandbox = Sandbox::with_podyd();
    Pody.add(&sandbox, &ada());
    login::is_known(&sandbox, "ada");
    Pody.add_group(&sandbox, "physics", "ada");
    assert_eq!(sandbox.run("id -nG ada").succeeds(), "ada physics");
    sandbox.run("podyctl group remove-member physics ada").succeeds();
    assert_eq!(sandbox.run("id -nG ada").succeeds(), "ada");
    Pody.remove(&sandbox, "ada");
    login::is_unknown(&sandbox, "ada");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn lookups_go_on_while_podyd_hangs_and_after_it_died_or_stopped() {
    let sandbox = Sandbox::with_podyd();
    Pody.add(&sandbox, &ada());
    Pody.add_group(&sandbox, "physics", "ada");
    let seen = |sandbox: &Sandbox| sandbox.run("getent passwd ada; getent group physics; id ada").succeeds();
    let before = seen(&sandbox);
    sandbox.signal_podyd("STOP");
    assert_eq!(seen(&sandbox), before);
    login::is_unknown(&sandbox, "nobody-at-all");
    sandbox.signal_podyd("CONT");
    sandbox.kill_podyd();
    assert_eq!(seen(&sandbox), before);
    login::is_unknown(&sandbox, "nobody-at-all");
    sandbox.start_podyd();
    assert_eq!(seen(&sandbox), before);
    sandbox.stop_podyd();
    assert_eq!(seen(&sandbox), before);
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn with_podyd_gone_nobody_gets_in_by_password_and_root_still_does() {
    let sandbox = Sandbox::with_podyd();
    Pody.add(&sandbox, &ada());
    sandbox.kill_podyd();
    login::su_is_undecided(&sandbox, "ada");
    assert_eq!(sandbox.run("su root -c whoami").succeeds(), "root");
    // Who is root already needs no password: locks and expiry are known without podyd.
    assert_eq!(sandbox.run("su ada -c whoami").succeeds(), "ada");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn the_demo_tells_its_story_to_the_end() {
    let demo = Command::new("tests/sandbox")
        .args(["tests/demo", "--inside"])
        .current_dir(paths::repository())
        .env("CARGO_TARGET_DIR", paths::target())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{told}{}", String::from_utf8_lossy(&demo.stderr));
    let entries = told.lines().filter(|line| line.trim_start().starts_with("ada:*:")).count();
    assert_eq!(entries, 2, "before podyd is killed, and after: {told}");
    assert!(told.contains("hello, I am ada"), "{told}");
    assert!(told.lines().count() <= 50, "one screen: {told}");
}

fn ada() -> Person {
    Person { name: "ada".into(), password: "Analytical-Engine1".into() }
}
