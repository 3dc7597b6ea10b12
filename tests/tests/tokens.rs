//! A bearer token from its creation to its end, with the real programs: who gets one, what an admin sees of it, and that
//! its text is nowhere but where it was sent.

use tests::login::{Accounts, Person, Pody};
use tests::sandbox::Sandbox;

/// What `podyctl token check` says of the token in a file.
fn check(sandbox: &Sandbox, file: &str, options: &str) -> (i32, String) {
    let outcome = sandbox.run(&format!("podyctl token check {options} < {file}"));
    (outcome.status, outcome.stdout + &outcome.stderr)
}

#[track_caller]
fn is_refused(sandbox: &Sandbox, file: &str, options: &str, why: &str) {
    let (status, said) = check(sandbox, file, options);
    assert!(status == 5 && said.contains(why), "{status}: {said}");
}

#[track_caller]
fn is_accepted(sandbox: &Sandbox, file: &str, options: &str) {
    let (status, said) = check(sandbox, file, options);
    assert!(status == 0, "{status}: {said}");
}

fn sandbox_with_ada() -> Sandbox {
    let sandbox = Sandbox::with_podyd();
    Pody.add(&sandbox, &Person { name: "ada".into(), password: "Analytical-Engine1".into() });
    sandbox
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_token_is_made_used_seen_and_revoked() {
    let sandbox = sandbox_with_ada();
    let create = "podyctl token create --name backup --owner ada --scope read,write --from 192.0.2.0/24";
    let said = sandbox.run(&format!("umask 077; {create} > /root/token")).succeeds();
    assert_eq!(said, "");
    assert_eq!(
        sandbox.run("grep -cxE 'pody_[a-z2-7]{58}' /root/token; wc -l < /root/token").succeeds(),
        "1\n1"
    );

    is_accepted(&sandbox, "/root/token", "");
    is_refused(&sandbox, "/root/token", "--scope authenticate", "not for authenticate, but for read,write");
    is_refused(&sandbox, "/root/token", "--from 198.51.100.7", "may not be used from 198.51.100.7");
    sandbox.run("sed 's/.$/0/' /root/token > /tmp/mistyped; cut -c 1-40 /root/token > /tmp/cut").succeeds();
    is_refused(&sandbox, "/tmp/mistyped", "", "mistyped");
    is_refused(&sandbox, "/tmp/cut", "", "cut off");

    let last_use = "podyctl token list --json | jq -r '.[0].last_used_from'";
    assert_eq!(sandbox.run(last_use).succeeds(), "null", "a look is no use");
    is_accepted(&sandbox, "/root/token", "--scope read --from 192.0.2.7 --use");
    // What was not yet written down is written at the end.
    sandbox.stop_podyd();
    sandbox.start_podyd();
    assert_eq!(sandbox.run(last_use).succeeds(), "192.0.2.7");

    sandbox.run("podyctl token revoke backup --owner ada").succeeds();
    is_refused(&sandbox, "/root/token", "", "it was revoked in revision");
    assert_eq!(sandbox.run("podyctl token list --json | jq length").succeeds(), "0");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_user_has_tokens_of_their_own_and_they_go_with_the_user() {
    let sandbox = sandbox_with_ada();
    let as_ada = |command: &str| sandbox.run(&format!("runuser -u ada -- {command}"));
    as_ada("podyctl token create --name laptop --scope write").fails();
    as_ada("podyctl token create --name laptop --owner root").fails();
    sandbox.run("runuser -u ada -- podyctl token create --name laptop > /root/token").succeeds();
    as_ada("podyctl token create --name laptop").fails();
    assert!(as_ada("podyctl token list").succeeds().contains("laptop"));
    sandbox.run("runuser -u ada -- podyctl token check < /root/token").succeeds();

    Pody.lock(&sandbox, "ada");
    is_refused(&sandbox, "/root/token", "", "it was revoked");
    Pody.unlock(&sandbox, "ada");
    is_refused(&sandbox, "/root/token", "", "it was revoked");

    sandbox.run("podyctl token create --name laptop --owner ada > /root/token").succeeds();
    is_accepted(&sandbox, "/root/token", "");
    Pody.remove(&sandbox, "ada");
    is_refused(&sandbox, "/root/token", "", "it was revoked");
    sandbox.run("podyctl user add ada --reuse-name --no-password").succeeds();
    is_refused(&sandbox, "/root/token", "", "ada's laptop");
}

/// A canary: whoever reads logs, backups or `ps` finds no token.
#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn the_text_of_a_token_is_nowhere_but_where_it_was_sent() {
    let sandbox = sandbox_with_ada();
    sandbox
        .run("sed -i 's/^#*level = .*/level = \"debug\"/' /etc/pody/config.toml; pkill -HUP -x podyd")
        .succeeds();
    // The shell ends before it is looked at: podyctl takes no token as an argument.
    sandbox
        .run(
            "mkdir /root/said
             podyctl token create --name backup --owner ada > /root/token 2> /root/said/said
             podyctl token create --name json --owner ada --json > /root/json 2>> /root/said/said
             jq -r .secret /root/json >> /root/token
             for token in $(cat /root/token); do
                 echo $token | podyctl token check --scope read --from 192.0.2.7 --use
                 echo $token | podyctl token check --scope write
                 echo x$token | podyctl token check
                 echo ${token}x | podyctl token check
             done > /root/said/checked 2>&1
             podyctl token list > /root/said/listed; podyctl token list --json >> /root/said/listed
             podyctl status --json > /root/said/status; podyctl user export > /root/said/exported
             podyctl token revoke backup --owner ada
             cat /root/token | podyctl token check >> /root/said/checked 2>&1; true",
        )
        .succeeds();
    let kept = "/var/lib/pody /var/cache/pody /run/pody/generation /etc/pody /tmp/podyd.log /root/said";
    // Without the end, which a cut line may lack.
    sandbox.run("cut -c 6-40 /root/token > /root/parts").succeeds();
    assert_eq!(sandbox.run("wc -l < /root/parts").succeeds(), "2");
    let found = sandbox.run(&format!("grep -rlaF -f /root/parts {kept}"));
    assert_eq!((found.status, found.stdout.as_str()), (1, ""), "{found:?}");
    // The same search finds what is there.
    let hash = "tail -n 1 /root/token | tr -d '\\n' | sha256sum | cut -c 1-64 > /root/hash";
    let found = sandbox.run(&format!("{hash}; grep -rlaF -f /root/hash {kept}")).succeeds();
    assert!(found.contains("/var/lib/pody/directory.sqlite"), "{found}");
    let found = sandbox.run("grep -laF -f /root/parts /root/json").succeeds();
    assert_eq!(found, "/root/json");
    assert!(sandbox.podyd_log().contains("token created"));
}
