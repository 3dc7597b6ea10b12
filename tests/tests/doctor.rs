//! `podyctl doctor` on a node that is well, and on one where each thing is wrong that it can see.

use protocol::node::{Finding, Severity};
use tests::sandbox::Sandbox;

const TOKEN: &str = "replace-with-a-long-random-token";

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_node_that_is_well_has_no_findings_and_what_is_wrong_is_found() {
    let node = Sandbox::with_podyd();
    assert_eq!(node.run("podyctl doctor").succeeds(), "Nothing was found that needs looking after.");

    let service = format!("[remote_user_profile.service]\nenabled = true\naccess_token = \"{TOKEN}\"\n");
    node.stop_podyd();
    node.write("/etc/pody/config.toml", &service);
    node.start_podyd();
    let found = findings(&node, "podyctl doctor --json", 1);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(severity(&found, "remote_user_profile.service"), Some(Severity::Problem), "the guide's token");
    assert!(found.iter().any(|one| one.severity == Severity::Warning && one.finding.contains("without TLS")));
    let others = findings(&node, "runuser -u nobody -- podyctl doctor --json", 0);
    assert!(others.iter().all(|one| !one.finding.contains("access_token")), "{others:?}");

    node.run("chmod 0644 /etc/pody/config.toml; rm /etc/pody/id-ranges; /usr/share/pody/nsswitch disable")
        .succeeds();
    node.run("pam-auth-update --package --remove pody pody-password").succeeds();
    node.kill_podyd();
    let found = findings(&node, "podyctl doctor --json", 1);
    for (subject, expected) in [
        ("configuration", Severity::Problem),
        ("nsswitch.conf", Severity::Problem),
        ("podyd", Severity::Problem),
        ("PAM", Severity::Warning),
        ("id-ranges", Severity::Note),
    ] {
        assert_eq!(severity(&found, subject), Some(expected), "{subject}: {found:?}");
    }
}

/// What is found; no finding shows the token.
fn findings(node: &Sandbox, command: &str, status: i32) -> Vec<Finding> {
    let ran = node.run(command);
    assert_eq!(ran.status, status, "{ran:?}");
    assert!(!ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN), "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("an array of findings")
}

fn severity(findings: &[Finding], subject: &str) -> Option<Severity> {
    findings.iter().find(|found| found.subject == subject).map(|found| found.severity)
}
