//! The service for other nodes and programs, asked from the outside: by a person with curl, as the guide says, and by a tool
//! that reads the contract and makes up requests, most of them wrong.

use std::process::Command;

use tests::login::{Accounts, Person, Pody};
use tests::paths;
use tests::sandbox::Sandbox;
use tests::scratch::Scratch;

const TOKEN: &str = "the-token-that-all-nodes-share-01";

/// A node that serves others, and where.
fn service() -> (Sandbox, String) {
    let sandbox = Sandbox::plain();
    sandbox.install_pody();
    let address = format!("127.0.0.1:{}", servers::port());
    let settings = format!(
        "[remote_user_profile.service]\nenabled = true\nreadonly = false\nlisten = \"{address}\"\n\
         access_token = \"{TOKEN}\"\nmax_requests_per_second = 10000\n"
    );
    sandbox.write("/etc/pody/config.toml", &settings);
    sandbox.start_podyd();
    let person = Person { name: "ada".into(), password: "a long enough password".into() };
    Pody.add(&sandbox, &person);
    Pody.add_group(&sandbox, "physics", "ada");
    (sandbox, format!("http://{address}"))
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_person_with_curl_does_what_the_guide_says() {
    let (sandbox, url) = service();
    let token = format!("(umask 077; echo 'Authorization: Bearer {TOKEN}' > /root/pody.header)");
    sandbox.run(&token).succeeds();
    let curl = |options: &str, path: &str| {
        sandbox.run(&format!("curl -fsS -H @/root/pody.header {options} {url}{path}"))
    };
    assert_eq!(curl("", "/v1/users/ada | jq -r .gecos,.groups[0]").succeeds(), "\nphysics");

    let grace = r#"--json '{"name":"grace","gecos":"Grace Hopper","groups":["physics"]}'"#;
    assert_eq!(curl(grace, "/v1/users | jq -r .name").succeeds(), "grace");
    assert_eq!(sandbox.run("getent passwd grace | cut -d: -f5").succeeds(), "Grace Hopper", "at once");
    let key = "-H 'Idempotency-Key: 5a0c7e52-9d1b-4f5c-8f3e-0c8a2d9b7e11'";
    for _ in 0..2 {
        assert_eq!(
            curl(&format!("{key} --json '{{\"name\":\"eve\"}}'"), "/v1/users | jq -r .name").succeeds(),
            "eve"
        );
    }
    let password = "a long enough password";
    sandbox.write("/root/password.json", &format!("{{\"password\":\"{password}\"}}"));
    curl("-X PUT --json @/root/password.json", "/v1/users/grace/password").succeeds();
    let verdict = "/v1/users/grace/authenticate | jq -r .verdict";
    assert_eq!(curl("--json @/root/password.json", verdict).succeeds(), "granted");
    assert_eq!(curl("--json '{\"password\":\"wrong\"}'", verdict).succeeds(), "denied");

    let version = curl("-o /dev/null -w '%header{etag}'", "/v1/users/grace").succeeds();
    sandbox.run("podyctl user update grace --gecos 'Admiral Hopper'").succeeds();
    let stale = format!("-X PATCH -H 'If-Match: {version}' --json '{{\"gecos\":\"x\"}}'");
    assert!(curl(&stale, "/v1/users/grace").fails().stderr.contains("412"));
    curl("-X DELETE", "/v1/users/grace").succeeds();
    assert_eq!(sandbox.run("getent passwd grace").status, 2);

    let log = sandbox.podyd_log();
    for secret in [TOKEN, password] {
        assert!(!log.contains(secret), "a log tells a secret");
    }
}

/// Seeds and numbers of examples are fixed, so that what fails once fails again.
#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn requests_made_up_from_the_contract_are_answered_as_it_says() {
    let (sandbox, url) = service();
    sandbox.run("podyctl token create --name backup --owner ada > /root/token").succeeds();
    let tool = paths::target().join("servers/schemathesis/lib");
    assert!(
        tool.exists(),
        "Schemathesis is not there: run `tests/servers/install schemathesis` or `make test`"
    );
    let folder = Scratch::new();
    let judged = Command::new("python3")
        .arg(tool.join("bin/st"))
        .arg("--config-file")
        .arg(paths::repository().join("tests/tests/contract/schemathesis.toml"))
        .args(["run", &format!("{url}/v1/openapi.json"), "--url", &url])
        .args(["--seed", "1", "--max-examples", "10", "--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--continue-on-failure", "--warnings", "off"])
        .current_dir(&*folder)
        .env("PYTHONPATH", &tool)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PODY_TOKEN", TOKEN)
        .output()
        .expect("there is a python3");
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{said}\n{}", String::from_utf8_lossy(&judged.stderr));
    assert!(said.contains("No issues found"), "{said}");
    assert!(!sandbox.podyd_log().contains("panicked"), "{}", sandbox.podyd_log());
}
