//! `podyctl setup` on a machine that has Pody's files and nothing else: by a person at a terminal and by a file of answers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::thread;
use std::time::Duration;

use servers::{OidcOptions, OidcProvider};
use tests::host::Outcome;
use tests::login::su;
use tests::sandbox::Sandbox;
use tests::wait;
use tokio::runtime::Runtime;

const PASSWORD: &str = "a long enough password";
const PATIENCE: Duration = Duration::from_secs(60);

/// A node as it is after `make install`, with podyd running: programs do not know of Pody yet.
fn fresh() -> Sandbox {
    let node = Sandbox::plain();
    node.install_files("");
    node.run("systemd-sysusers; systemd-tmpfiles --create pody.conf");
    node.run("/usr/share/pody/nsswitch disable").succeeds();
    node.start_podyd();
    node
}

/// Every file where setup may write, with its owner, mode, size and time.
fn tree(node: &Sandbox) -> BTreeSet<String> {
    let files = "find /etc /usr/share/pam-configs /var/lib/pam -printf '%p %m %u %g %T@ %s\\n'";
    node.run(files).succeeds().lines().map(str::to_owned).collect()
}

#[track_caller]
fn is_unchanged(node: &Sandbox, before: &BTreeSet<String>) {
    let now = tree(node);
    let changed: Vec<_> = now.symmetric_difference(before).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

/// podyctl on a terminal that is 200 columns wide, where questions do not break.
fn setup(options: &str) -> String {
    format!("sh -c {{stty columns 200; exec podyctl setup {options}}}")
}

fn mode(node: &Sandbox, path: &str) -> String {
    node.run(&format!("stat -c '%a %U %G' {path}")).succeeds()
}

fn answers(node: &Sandbox, text: &str) -> Outcome {
    node.write("/root/answers.json", text);
    node.run("chmod 0600 /root/answers.json; podyctl setup --answers /root/answers.json")
}

/// Does something that asks for podyd to be restarted, which nobody but the test can do here.
fn restarting(node: &Sandbox, act: impl FnOnce() -> Outcome + Send) -> Outcome {
    let config = || fs::read_to_string(node.path("/etc/pody/config.toml")).unwrap_or_default();
    let before = config();
    thread::scope(|threads| {
        let acting = threads.spawn(act);
        wait::until("the new configuration, or the end", PATIENCE, || {
            acting.is_finished() || config() != before
        });
        if !acting.is_finished() {
            node.stop_podyd();
            node.run("podyd </dev/null >/run/podyd.log 2>&1 &").succeeds();
        }
        acting.join().expect("what it panics with stands above")
    })
}

fn admin(name: &str) -> String {
    format!("{{\"name\": \"{name}\", \"gecos\": \"Ada Lovelace\", \"password\": \"{PASSWORD}\"}}")
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_person_takes_what_stands_in_brackets_and_logs_in_as_the_first_admin() {
    let node = fresh();
    let before = tree(&node);
    let conversation = [
        ("Your choice", ""),
        ("login name", "root"),
        ("login name", "Ada"),
        ("login name", "ada"),
        ("Full name", "Ada Lovelace"),
        ("Password for ada", "short"),
        ("The same again", "short"),
        ("Password for ada", PASSWORD),
        ("The same again", "something else"),
        ("Password for ada", PASSWORD),
        ("The same again", PASSWORD),
        ("Do you have one?", ""),
        ("nsswitch.conf", ""),
        ("(PAM)", ""),
    ];
    let with = |last: &'static str| {
        let mut conversation = conversation.to_vec();
        conversation.push(("Carry this out?", last));
        conversation
    };
    let ran = node.converse(&setup(""), &with(""));
    assert!(ran.status == 1 && ran.stdout.contains("nothing was changed"), "{ran:#?}");
    for words in
        ["/etc/passwd", "8 characters", "+ passwd:", "+ common-auth: [success=end", "ada (Ada Lovelace)"]
    {
        assert!(ran.stdout.contains(words), "{words}: {ran:#?}");
    }
    assert!(!ran.stdout.contains(PASSWORD) && !ran.stdout.contains("something else"), "{ran:#?}");
    let ran = node.converse(&setup("--dry-run"), &conversation);
    assert!(ran.status == 0 && ran.stdout.contains("--dry-run"), "{ran:#?}");
    is_unchanged(&node, &before);

    let ran = node.converse(&setup(""), &with("y"));
    assert!(ran.status == 0 && ran.stdout.contains("This node is set up"), "{ran:#?}");
    assert!(node.run("getent passwd ada").succeeds().contains("Ada Lovelace"));
    assert!(node.run("podyctl user show ada").succeeds().contains("admin"));
    su(&node, "ada", PASSWORD).succeeds();
    assert_eq!(node.run("podyctl doctor --json").succeeds(), "[]");

    let again = node.run("podyctl setup --answers /dev/null");
    assert_eq!(again.status, 2, "{again:?}");
    let again = answers(&node, "{}");
    assert!(again.status == 4 && again.stderr.contains("ada is an admin"), "{again:?}");
    let log = node.podyd_log();
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn whoever_hangs_up_has_changed_nothing() {
    let node = fresh();
    let before = tree(&node);
    let questions = [
        ("Your choice", ""),
        ("login name", "ada"),
        ("Full name", ""),
        ("Password for ada", PASSWORD),
        ("The same again", PASSWORD),
        ("Do you have one?", ""),
        ("nsswitch.conf", ""),
        ("(PAM)", ""),
        ("Carry this out?", ""),
    ];
    for key in ["\\x03", "\\x04"] {
        for (number, (question, _)) in questions.iter().enumerate() {
            let mut script = String::from("set timeout 30\n");
            writeln!(script, "spawn -noecho {}", setup("")).unwrap();
            for (question, answer) in &questions[..number] {
                writeln!(script, "expect {{{question}}} {{send {{{answer}}}; send \\r}} timeout {{exit 90}} eof {{exit 91}}").unwrap();
            }
            writeln!(
                script,
                "expect {{{question}}} {{send \"{key}\"}} timeout {{exit 90}} eof {{exit 91}}
                 expect eof {{}} timeout {{exit 92}}
                 set ended [wait]
                 if {{[llength $ended] > 4}} {{exit 130}}
                 exit [lindex $ended 3]"
            )
            .unwrap();
            node.write("/run/hang-up", &script);
            let ran = node.run("expect -f /run/hang-up").fails();
            assert!(!ran.stdout.contains("done:"), "{question}: {ran:#?}");
        }
    }
    is_unchanged(&node, &before);

    // Whoever ends it while a password is asked for sees again what is typed.
    node.write("/run/and-then", "trap : INT\npodyctl setup\nstty -a");
    for end in ["\u{3}", "\u{4}"] {
        let conversation =
            [("Your choice", ""), ("login name", "ada"), ("Full name", ""), ("Password for ada", end)];
        let ran = node.converse("sh /run/and-then", &conversation);
        assert!(ran.stdout.contains(" echo ") && !ran.stdout.contains("-echo "), "{ran:#?}");
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn who_cannot_be_asked_and_who_may_not_is_told_so() {
    let node = fresh();
    let before = tree(&node);
    let nobody = node.run("podyctl setup </dev/null");
    assert!(nobody.status == 2 && nobody.stderr.contains("--answers-example"), "{nobody:?}");
    let other = node.run("runuser -u nobody -- podyctl setup --answers /dev/null");
    assert!(other.status == 5 && other.stderr.contains("only root"), "{other:?}");
    node.run("podyctl setup --answers-example >/run/example.json && chmod 0644 /run/example.json").succeeds();
    let open = node.run("podyctl setup --answers /run/example.json");
    assert!(open.status == 2 && open.stderr.contains("others can read it"), "{open:?}");
    for (text, expected) in [
        ("{\"diretory\": {}}".to_owned(), "unknown field `diretory`"),
        ("{}".to_owned(), "admin is missing"),
        (format!("{{\"admin\": {}}}", admin("root")), "/etc/passwd"),
        (format!("{{\"admin\": {}}}", admin("ada").replace(PASSWORD, "short")), "8 characters"),
        (format!("{{\"directory\": {{\"kind\": \"database\", \"url\": \"{PASSWORD}\"}}}}"), "postgres://"),
    ] {
        let refused = answers(&node, &text);
        assert!(refused.status == 2 && refused.stderr.contains(expected), "{text}: {refused:?}");
        assert!(!refused.stderr.contains(PASSWORD), "{refused:?}");
    }
    // Whoever edits by hand is told what to do, and asked nothing before.
    let as_it_was = node.run("cp -a /etc/pody/config.toml /run/config.toml");
    let with_provider = "{\"oidc\": {\"issuer\": \"https://127.0.0.1:1\", \"client_id\": \"pody\"}}";
    for by_hand in
        ["oidc = { timeout = \"3s\" }\n", "[ oidc ]\ntimeout = \"3s\"\n", "oidc.timeout = \"3s\"\n"]
    {
        node.write("/etc/pody/config.toml", by_hand);
        for refused in [answers(&node, with_provider), node.converse(&setup(""), &[])] {
            let said = format!("{}{}", refused.stdout, refused.stderr);
            assert!(refused.status == 2 && !said.contains("duplicate key"), "{by_hand}: {refused:?}");
            for words in ["has [oidc] in a form that", "    [oidc]", "    issuer = ", "    client_id = "] {
                assert!(said.contains(words), "{by_hand}: {words}: {refused:?}");
            }
        }
        let other = answers(&node, "{}");
        assert!(other.stderr.contains("admin is missing"), "whoever wants no provider: {other:?}");
    }
    node.write("/etc/pody/config.toml", "[oidc\n");
    let broken = node.converse(&setup(""), &[]);
    assert!(broken.status == 2 && broken.stdout.contains("cannot be read"), "{broken:?}");
    let restored = if as_it_was.status == 0 { "cp -a /run/config.toml" } else { "rm" };
    node.run(&format!("{restored} /etc/pody/config.toml")).succeeds();

    node.run("podyctl user add bob --no-password").succeeds();
    let moves = "{\"directory\": {\"kind\": \"database\", \"url\": \"postgres://a:b@127.0.0.1:1/c\"}}";
    let refused = answers(&node, moves);
    assert!(refused.status == 4 && refused.stderr.contains("podyctl db copy"), "{refused:?}");
    let taken = answers(&node, &format!("{{\"admin\": {}}}", admin("bob")));
    assert!(taken.status == 4 && taken.stderr.contains("bob is a user already"), "{taken:?}");
    is_unchanged(&node, &before);

    node.stop_podyd();
    let away = node.run("podyctl setup --answers /dev/fd/0 <<< '{}'");
    assert_ne!(away.status, 0);
    node.run("AUTH_MODE=oidc-only OIDC_ISSUER=https://127.0.0.1:9 OIDC_CLIENT_ID=pody podyd </dev/null >/run/podyd.log 2>&1 &")
        .succeeds();
    wait::until("podyd to answer", PATIENCE, || node.run("podyctl status").status == 0);
    let refused = answers(&node, &format!("{{\"admin\": {}}}", admin("ada")));
    assert!(refused.status == 5 && refused.stderr.contains("oidc-only"), "{refused:?}");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_database_is_tried_and_its_password_stays_out_of_the_configuration() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(servers::postgres());
    let url = runtime.block_on(server.fresh_database());
    let (user_and_password, place) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (user, password) = user_and_password.split_once(':').unwrap();
    let open = format!("postgres://{user}@{place}");
    let node = fresh();

    let database = ("Your choice", "2");
    let questions = [
        database,
        ("Its URL", "db.example.org"),
        ("Its URL", &open),
        ("The password of", "guess"),
        database,
        ("Its URL", &open),
        ("The password of", password),
        ("login name", "ada"),
        ("Full name", ""),
        ("Password for ada", PASSWORD),
        ("The same again", PASSWORD),
        ("Do you have one?", "n"),
        ("nsswitch.conf", "y"),
        ("(PAM)", "n"),
        ("Carry this out?", "y"),
    ];
    let ran = restarting(&node, || node.converse(&setup(""), &questions));
    assert!(ran.status == 0 && ran.stdout.contains("This node is set up"), "{ran:#?}\n{}", node.podyd_log());
    for words in [
        "begins with postgres://",
        "failed",
        "there are none yet",
        "Restart podyd now",
        "done: the database's tables",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:#?}");
    }
    assert!(!ran.stdout.contains(password) && !ran.stdout.contains("guess"), "{ran:#?}");
    let config = node.run("cat /etc/pody/config.toml").succeeds();
    assert!(config.contains("\n[backend.postgres]\n") && !config.contains(password), "{config}");
    assert_eq!(
        config.lines().count(),
        node.run("cat /etc/pody/config.toml.before-setup").succeeds().lines().count() + 1
    );
    assert_eq!(mode(&node, "/etc/pody/postgres-url"), "640 root pody");
    assert_eq!(mode(&node, "/etc/pody/config.toml"), mode(&node, "/etc/pody/config.toml.before-setup"));
    assert!(node.run("podyctl status").succeeds().contains("sql"));
    assert!(node.run("podyctl user show ada").succeeds().contains("ada"));
    assert!(!node.podyd_log().contains(password));

    // The next node finds an admin there.
    let other = fresh();
    let text = format!("{{\"directory\": {{\"kind\": \"database\", \"url\": \"{url}\"}}, \"pam\": false}}");
    let ran = restarting(&other, || answers(&other, &text));
    assert!(ran.status == 0 && ran.stdout.contains("admin: none is made"), "{ran:#?}");
    wait::until("ada", PATIENCE, || other.run("getent passwd ada").status == 0);
    let again = answers(&other, &text);
    assert_eq!(again.status, 4, "{again:?}");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_provider_is_tried_and_podyd_takes_it_over_without_a_restart() {
    const SECRET: &str = "a secret of the client: + & % = ?";
    let runtime = Runtime::new().unwrap();
    let idp = runtime.block_on(OidcProvider::start(OidcOptions { tls: true, ..OidcOptions::default() }));
    let issuer = idp.issuer();
    let node = fresh();
    node.write("/etc/pody/ca.pem", &idp.authority());
    let before = tree(&node);
    let with = |secret: &str, issuer: &str| {
        format!(
            "{{\"admin\": {}, \"oidc\": {{\"issuer\": \"{issuer}\", \"client_id\": \"pody-secret\", \"client_secret\": \
             \"{secret}\", \"ca_file\": \"/etc/pody/ca.pem\"}}}}",
            admin("ada")
        )
    };
    for (secret, issuer, expected) in [
        ("guessed", issuer.to_owned(), "device flow"),
        (SECRET, format!("{issuer}/elsewhere"), "discovery"),
        (SECRET, "login.example.com".to_owned(), "oidc.issuer"),
    ] {
        let refused = answers(&node, &with(secret, &issuer));
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(refused.status != 0 && said.contains(expected) && !said.contains("guessed"), "{refused:#?}");
        is_unchanged(&node, &before);
    }

    let questions = [
        ("Your choice", "1"),
        ("login name", "ada"),
        ("Full name", ""),
        ("Password for ada", PASSWORD),
        ("The same again", PASSWORD),
        ("Do you have one?", "y"),
        ("Its issuer", "https://127.0.0.1:1"),
        ("client id", ""),
        ("The client's secret", ""),
        ("vouches", ""),
        ("Do you have one?", "y"),
        ("Its issuer", issuer),
        ("client id", "pody-secret"),
        ("The client's secret", SECRET),
        ("vouches", "/etc/pody/ca.pem"),
        ("nsswitch.conf", ""),
        ("(PAM)", ""),
        ("Carry this out?", "y"),
    ];
    let ran = node.converse(&setup(""), &questions);
    assert!(ran.status == 0 && ran.stdout.contains("This node is set up"), "{ran:#?}\n{}", node.podyd_log());
    assert!(!ran.stdout.contains(SECRET), "{ran:#?}");
    node.run("podyctl oidc check").succeeds();
    assert_eq!(mode(&node, "/etc/pody/oidc-secret"), "640 root pody");
    assert!(!node.run("cat /etc/pody/config.toml").succeeds().contains(SECRET));
    assert!(!node.podyd_log().contains(SECRET));
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn a_step_that_fails_says_what_was_done_and_how_to_go_on() {
    let node = fresh();
    node.run("printf '#!/bin/sh\\necho broken >&2; exit 7\\n' >/usr/sbin/pam-auth-update").succeeds();
    let ran = answers(&node, &format!("{{\"admin\": {}}}", admin("ada")));
    assert_eq!(ran.status, 1, "{ran:#?}");
    for words in ["done: ada is the first admin", "done: programs see"] {
        assert!(ran.stdout.contains(words), "{words}: {ran:#?}");
    }
    for words in ["broken", "NOT done: Pody's users can log in", "sudo pam-auth-update --package"] {
        assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn the_directory_of_another_node_is_tried_and_nobody_is_made_an_admin_of_it() {
    const TOKEN: &str = "the-token-that-all-nodes-share-01";
    let address = format!("127.0.0.1:{}", servers::port());
    let serving = fresh();
    let service = format!(
        "[remote_user_profile.service]\nenabled = true\nlisten = \"{address}\"\naccess_token = \"{TOKEN}\"\n"
    );
    serving.stop_podyd();
    serving.write("/etc/pody/config.toml", &service);
    serving.start_podyd();
    serving.run(&format!("echo '{PASSWORD}' | podyctl user add ada --password-stdin")).succeeds();

    let node = fresh();
    let before = tree(&node);
    let text = |token: &str| {
        format!(
            "{{\"directory\": {{\"kind\": \"node\", \"endpoint\": \"http://{address}\", \"access_token\": \"{token}\"}}}}"
        )
    };
    let refused = answers(&node, &text("another-token-that-nobody-knows-02"));
    assert!(refused.status == 1 && refused.stdout.contains("failed"), "{refused:#?}");
    assert!(!format!("{refused:?}").contains("another-token"), "{refused:#?}");
    is_unchanged(&node, &before);

    let ran = restarting(&node, || answers(&node, &text(TOKEN)));
    assert!(ran.status == 0 && ran.stdout.contains("admin: none is made"), "{ran:#?}\n{}", node.podyd_log());
    wait::until("ada", PATIENCE, || node.run("getent passwd ada").status == 0);
    su(&node, "ada", PASSWORD).succeeds();
    let config = node.run("cat /etc/pody/config.toml").succeeds();
    assert!(config.contains("\nenabled = true\n") && !config.contains(TOKEN), "{config}");
    assert_eq!(mode(&node, "/etc/pody/provider-token"), "640 root pody");
}
