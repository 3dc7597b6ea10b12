//! A node that takes no passwords (`auth.mode = "oidc-only"`): each way in which one could still count is tried while it does,
//! which proves the way, and then when it must not.

use std::time::{Duration, Instant};

use tests::login::{Accounts, Person, Pody, passwd, passwd_by_root, su};
use tests::sandbox::Sandbox;

const TOKEN: &str = "the-token-that-all-nodes-share-01";
const PASSWORD: &str = "a long enough password";

/// Nobody listens there: a provider that is away.
const PROVIDER: &str = "AUTH_MODE=oidc-only OIDC_ISSUER=https://127.0.0.1:9 OIDC_CLIENT_ID=pody";

/// A way in which a password counts. It is taken with a user of its own, whom the last step made.
struct Door {
    name: &'static str,
    is_open: fn(&Node, user: &str) -> bool,
}

struct Node {
    sandbox: Sandbox,
    url: String,
}

impl Node {
    fn start() -> Self {
        let sandbox = Sandbox::plain();
        sandbox.install_pody();
        let address = format!("127.0.0.1:{}", servers::port());
        sandbox.write(
            "/etc/pody/config.toml",
            &format!(
                "[remote_user_profile.service]\nenabled = true\nreadonly = false\nlisten = \"{address}\"\n\
                 access_token = \"{TOKEN}\"\nmax_requests_per_second = 10000\n[auth.lockout]\nsource_failures = 1000\n"
            ),
        );
        sandbox.write("/root/pody.header", &format!("Authorization: Bearer {TOKEN}\n"));
        sandbox.start_podyd();
        Self { sandbox, url: format!("http://{address}") }
    }

    fn does(&self, script: &str) -> bool {
        self.sandbox.run(script).status == 0
    }

    fn http(&self, method: &str, path: &str, body: &str) -> bool {
        self.sandbox.write("/root/body.json", body);
        let url = &self.url;
        self.does(&format!(
            "curl -fsS -X {method} -H @/root/pody.header --json @/root/body.json {url}{path} > /root/answer"
        ))
    }
}

const DOORS: [Door; 12] = [
    Door { name: "PAM, a login", is_open: |node, user| su(&node.sandbox, user, PASSWORD).status == 0 },
    Door {
        name: "PAM, passwd by its owner",
        is_open: |node, user| passwd(&node.sandbox, user, PASSWORD, "another good password").status == 0,
    },
    Door {
        name: "PAM, passwd by root",
        is_open: |node, user| passwd_by_root(&node.sandbox, user, "another good password").status == 0,
    },
    Door {
        name: "podyctl, a new user",
        is_open: |node, user| {
            node.does(&format!("echo '{PASSWORD}' | podyctl user add {user}-new --password-stdin"))
        },
    },
    Door {
        name: "podyctl, by an admin",
        is_open: |node, user| {
            node.does(&format!("echo '{PASSWORD}' | podyctl user passwd {user} --password-stdin"))
        },
    },
    Door {
        name: "podyctl, by its owner",
        is_open: |node, user| {
            let script = format!(
                "printf '%s\\n' '{PASSWORD}' 'another good password' | runuser -u {user} -- podyctl user passwd --password-stdin"
            );
            node.does(&script)
        },
    },
    Door {
        name: "an import of hashes",
        is_open: |node, user| {
            let line = format!("{user}-imported:$(openssl passwd -6 '{PASSWORD}')");
            node.does(&format!(
                "echo \"{line}\" > /root/htpasswd && podyctl user import --format htpasswd /root/htpasswd"
            ))
        },
    },
    Door {
        name: "HTTP, set",
        is_open: |node, user| {
            node.http(
                "PUT",
                &format!("/v1/users/{user}/password"),
                &format!("{{\"password\":\"{PASSWORD}\"}}"),
            )
        },
    },
    Door {
        name: "HTTP, set by its hash",
        is_open: |node, user| {
            let hash = node.sandbox.run(&format!("openssl passwd -6 '{PASSWORD}'")).succeeds();
            node.http(
                "PUT",
                &format!("/v1/users/{user}/password"),
                &format!("{{\"password_hash\":\"{hash}\"}}"),
            )
        },
    },
    Door {
        name: "HTTP, authenticate",
        is_open: |node, user| {
            let body = format!("{{\"password\":\"{PASSWORD}\"}}");
            node.http("POST", &format!("/v1/users/{user}/authenticate"), &body)
                && node.does("jq -e '.verdict == \"granted\"' /root/answer")
        },
    },
    Door {
        name: "HTTP, a new user",
        is_open: |node, user| {
            node.http(
                "POST",
                "/v1/users",
                &format!("{{\"name\":\"{user}-http\",\"password\":\"{PASSWORD}\"}}"),
            )
        },
    },
    Door {
        name: "HTTP, a user and password instead of a token",
        // It never is: what this door takes is a token.
        is_open: |node, user| node.does(&format!("curl -fsS -u '{user}:{PASSWORD}' {}/v1/users", node.url)),
    },
];

/// Each door is tried with a user who has a password, the same before and after.
fn open_doors(node: &Node, round: &str) -> Vec<&'static str> {
    let tried =
        DOORS.iter().enumerate().filter(|(number, door)| (door.is_open)(node, &format!("{round}{number}")));
    tried.map(|(_, door)| door.name).collect()
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn no_password_counts_through_any_door() {
    let node = Node::start();
    for number in 0..DOORS.len() {
        for round in ["before", "after"] {
            let person = Person { name: format!("{round}{number}"), password: PASSWORD.into() };
            Pody.add(&node.sandbox, &person);
        }
    }
    let never = "HTTP, a user and password instead of a token";
    let ways: Vec<&str> = DOORS.iter().map(|door| door.name).filter(|name| *name != never).collect();
    assert_eq!(open_doors(&node, "before"), ways, "each is a way while passwords count");

    let settings = node.sandbox.run("cat /etc/pody/config.toml").succeeds();
    let provider = "[oidc]\nissuer = \"https://127.0.0.1:9\"\nclient_id = \"pody\"\n";
    let settings = settings.replace("[auth.lockout]", "[auth]\nmode = \"oidc-only\"\n[auth.lockout]");
    node.sandbox.write("/etc/pody/config.toml", &format!("{settings}\n{provider}"));
    node.sandbox.stop_podyd();
    node.sandbox.start_podyd();
    assert_eq!(open_doors(&node, "after"), [] as [&str; 0]);
    assert!(!node.sandbox.podyd_log().contains(PASSWORD));
}

/// What is there when a container starts: programs, and variables.
#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_node_boots_with_nothing_but_variables() {
    for state in ["mount -t tmpfs tmpfs /var/lib/pody", "mount -t tmpfs -o ro tmpfs /var/lib/pody"] {
        let sandbox = Sandbox::plain();
        sandbox.install_pody();
        sandbox.run(&format!("rm -f /etc/pody/config.toml; mkdir -p /var/lib/pody && {state}")).succeeds();
        let started = Instant::now();
        sandbox.run(&format!("{PROVIDER} podyd </dev/null >/run/podyd.log 2>&1 &")).succeeds();
        tests::wait::until("podyd to answer", Duration::from_secs(20), || {
            sandbox.run("podyctl status").status == 0
        });
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{state}: it does not wait for a provider that is away"
        );
        assert_eq!(sandbox.run("getent passwd ada").status, 2, "{state}");
        sandbox.run("podyctl user add ada && getent passwd ada").succeeds();
        let log = sandbox.podyd_log();
        assert_eq!(
            log.contains("nothing can be written to the state directory"),
            state.contains("ro"),
            "{log}"
        );

        sandbox.stop_podyd();
        sandbox
            .run("umount /var/lib/pody; mount -t tmpfs tmpfs /var/lib/pody; rm -rf /run/pody/state")
            .succeeds();
        sandbox.run(&format!("{PROVIDER} podyd </dev/null >/run/podyd.log 2>&1 &")).succeeds();
        tests::wait::until("podyd to answer", Duration::from_secs(20), || {
            sandbox.run("podyctl status").status == 0
        });
        let forgotten = || sandbox.run("getent passwd ada").status == 2;
        tests::wait::until("what was in memory to be forgotten", Duration::from_secs(10), forgotten);
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn what_is_missing_is_named_and_nothing_starts() {
    let sandbox = Sandbox::plain();
    sandbox.install_pody();
    for (variables, said) in [
        ("AUTH_MODE=oidc-only", ["OIDC_ISSUER", "OIDC_CLIENT_ID"]),
        ("AUTH_MODE=oidc-only OIDC_CLIENT_SECRET=x", ["OIDC_ISSUER", "OIDC_CLIENT_ID"]),
        ("AUTH_MODE=oidc-only OIDC_ISSUER=https://a.example", ["OIDC_CLIENT_ID", "environment"]),
        ("AUTH_MODE=oidc", ["standalone", "oidc-only"]),
    ] {
        let refused = sandbox.run(&format!("{variables} podyd"));
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(said.iter().all(|word| refused.stderr.contains(word)), "{refused:?}");
    }
}
