//! Two nodes whose directory is a libSQL database that is reached over TLS: what one changes is seen on the other, and a
//! server that cannot be trusted is told of, while lookups and known logins go on.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod shared;

use protocol::login::{CheckAccount, Verdict};
use servers::Hrana;
use servers::hrana::Options;
use servers::tls::{Authority, Certified, Front};
use shared::*;
use tests::sandbox::Sandbox;
use tests::wait;

const PASSWORD: &str = "Analytical-Engine1";

const TOKEN: &str = "one-that-nobody-guesses";

/// Where a program finds whom this machine trusts, when an admin has run update-ca-certificates.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A database, and TLS before it.
struct Stage {
    authority: Authority,
    database: Hrana,
    port: u16,
    sandbox: Sandbox,
}

impl Stage {
    fn new() -> Self {
        let options = Options { auth_token: Some(TOKEN.into()), ..Options::default() };
        let (authority, database, sandbox) = (Authority::new(), Hrana::start(options), Sandbox::plain());
        sandbox.install_pody();
        sandbox.run("mkdir -p /etc/ssl/certs").succeeds();
        sandbox.write(TRUSTED, &authority.pem());
        Self { authority, database, port: servers::port(), sandbox }
    }

    fn front(&self, shown: &Certified) -> Front {
        Front::start(shown, self.port, self.database.address())
    }

    /// A node with podyd, which asks for changes each second.
    fn node(&self) -> Sandbox {
        let node = self.sandbox.node();
        let configuration = format!(
            "{CHEAP_HASH}[backend.libsql]\nurl = \"libsql://127.0.0.1:{}\"\nauthToken = \"{TOKEN}\"\n\
             syncIntervalSecs = 1\nautoMigrate = true\n",
            self.port
        );
        node.write("/etc/pody/config.toml", &configuration);
        node.start_podyd();
        node
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn nodes_share_a_libsql_database_over_tls() {
    let stage = Stage::new();
    let _front = stage.front(&stage.authority.certify("127.0.0.1"));
    let (a, b) = (stage.node(), stage.node());

    a.run(&format!("echo {PASSWORD} | podyctl user add ada --password-stdin")).succeeds();
    wait::until("the other node to see her", PATIENCE, || b.run("getent passwd ada").status == 0);
    assert_eq!(log_in(&b, "ada", PASSWORD).unwrap(), Verdict::Granted);
    b.run("podyctl user lock ada").succeeds();
    let check = CheckAccount { user: "ada".into(), service: "story".into() };
    wait::until("the lock to hold on the other node", PATIENCE, || {
        client(&a).call(&check).is_ok_and(|checked| checked.verdict == Verdict::AccountLocked)
    });
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_server_that_cannot_be_trusted_is_told_of_and_lookups_go_on() {
    let stage = Stage::new();
    let front = stage.front(&stage.authority.certify("127.0.0.1"));
    let node = stage.node();
    node.run(&format!("echo {PASSWORD} | podyctl user add ada --password-stdin")).succeeds();
    assert_eq!(log_in(&node, "ada", PASSWORD).unwrap(), Verdict::Granted);
    drop(front);

    let untrusted = [
        (Authority::new().certify("127.0.0.1"), "UnknownIssuer"),
        (stage.authority.certify("db.example.org"), "not valid for name"),
        (stage.authority.certify_until("127.0.0.1", (2020, 1, 1)), "expired"),
    ];
    for (shown, words) in untrusted {
        let _front = stage.front(&shown);
        let said = || node.run("podyctl status");
        wait::until(&format!("podyctl status to say {words}"), PATIENCE, || {
            let said = said();
            said.status == 6 && (said.stdout + &said.stderr).contains(words)
        });
        node.run("getent passwd ada").succeeds();
        assert_eq!(log_in(&node, "ada", PASSWORD).unwrap(), Verdict::Granted, "she has been here before");
        assert_eq!(node.run("podyctl group add physics").status, 6);
    }
}
