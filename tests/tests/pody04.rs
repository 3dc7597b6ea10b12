//! A node whose users are those of an original Pody: they log in here, also while that server is away; and the way from
//! there to a directory of one's own, on which everybody keeps uid and password.

use std::time::Duration;

use servers::Pody04;
use servers::pody04::{TOKEN, Trouble, credential};
use tests::login;
use tests::sandbox::Sandbox;
use tests::wait;

/// The list is asked for every few seconds.
const PATIENCE: Duration = Duration::from_secs(30);

const PASSWORD: &str = "Canary-of-a-Password1";

fn node_of(server: &Pody04) -> Sandbox {
    let node = Sandbox::plain();
    node.install_pody();
    let configuration = format!(
        "[password]\nmemory_kib = 7168\npasses = 5\n[remote_user_profile.provider]\nenabled = true\nendpoint = \"{}\"\n\
         access_token = \"{TOKEN}\"\ncompat = \"pody-0.4\"\n",
        server.url()
    );
    node.write("/etc/pody/config.toml", &configuration);
    node.start_podyd();
    node
}

fn knows(node: &Sandbox, name: &str) -> bool {
    node.run(&format!("getent passwd {name}")).status == 0
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn users_of_an_original_pody_log_in_here_even_while_it_is_away() {
    let mut server = Pody04::start();
    server.add("ada", PASSWORD);
    let node = node_of(&server);
    wait::until("ada", PATIENCE, || knows(&node, "ada"));
    assert_eq!(node.run("id -u ada; id -gn ada").succeeds(), "1900000001\nada");
    node.run("install -d -m 0700 -o ada -g ada /home/ada").succeeds();
    login::su(&node, "ada", "wrong").fails();
    assert!(login::su(&node, "ada", PASSWORD).succeeds().ends_with("ada"));

    let refused = node.run("podyctl user update ada --gecos x");
    assert!(refused.status == 5 && refused.stderr.contains("pody-user"), "{refused:?}");
    let doctor = node.run("podyctl doctor");
    assert!(doctor.status == 0 && doctor.stdout.contains("in the address of a request"), "{doctor:?}");

    server.add("Eve", PASSWORD);
    let status = || node.run("podyctl status");
    wait::until("Eve to be left out", PATIENCE, || status().stderr.contains("Eve: "));

    server.trouble(Trouble::Frozen);
    let comes_in = || login::su(&node, "ada", PASSWORD).status == 0;
    wait::until("the password, which is noted while nobody waits", PATIENCE, comes_in);
    for away in [Trouble::Frozen, Trouble::Status(501)] {
        server.trouble(away);
        assert!(login::su(&node, "ada", PASSWORD).succeeds().ends_with("ada"), "{away:?}");
        login::su(&node, "ada", "wrong").fails();
        assert!(knows(&node, "ada") && !knows(&node, "nobody-at-all"), "{away:?}");
    }
    server.stop();
    assert!(login::su(&node, "ada", PASSWORD).succeeds().ends_with("ada"));
    node.stop_podyd();
    node.run("podyd </dev/null >>/run/podyd.log 2>&1 &").succeeds();
    wait::until("podyd to know ada", PATIENCE, || node.run("podyctl user show ada").status == 0);
    assert!(login::su(&node, "ada", PASSWORD).succeeds().ends_with("ada"), "after a restart without it");

    let log = node.podyd_log();
    let sent = credential("ada", PASSWORD);
    for secret in [PASSWORD, TOKEN, &sent] {
        assert!(!log.contains(secret), "{log}");
    }
    let theirs = server.log().join("\n");
    assert!(theirs.contains(&sent), "it wants it so");
    assert!(!theirs.contains(PASSWORD) && !theirs.contains(TOKEN), "{theirs}");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn everybody_keeps_uid_and_password_on_the_way_to_a_directory_of_ones_own() {
    let server = Pody04::start();
    let people = ["ada", "bob"];
    for name in people {
        server.add(name, PASSWORD);
    }
    let before = node_of(&server);
    wait::until("both", PATIENCE, || people.iter().all(|name| knows(&before, name)));
    let ids = |node: &Sandbox| node.run("id ada; id bob").succeeds();

    let after = Sandbox::with_podyd();
    let line = |(number, name): (usize, &&str)| {
        let hash = credential(name, PASSWORD);
        format!(
            "{{\"name\": \"{name}\", \"uid\": {}, \"password_hash\": \"sha256:{hash}\"}}\n",
            1_900_000_001 + number
        )
    };
    after.write("/root/people.jsonl", &people.iter().enumerate().map(line).collect::<String>());
    after.run("podyctl user import /root/people.jsonl").succeeds();
    assert_eq!(ids(&after), ids(&before));
    after.run("install -d -m 0700 -o ada -g ada /home/ada").succeeds();
    assert!(login::su(&after, "ada", PASSWORD).succeeds().ends_with("ada"));
}
