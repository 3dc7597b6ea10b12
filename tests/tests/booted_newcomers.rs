//! Somebody who does not exist logs in by ssh on a booted Debian: approves it in a browser, and is somebody from then on.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

use std::fs;
use std::thread;
use std::time::Duration;

use servers::{OidcOptions, OidcProvider};
use tests::conversation::Conversation;
use tests::host::Outcome;
use tests::login;
use tests::machine::Machine;
use tests::wait;
use tokio::runtime::{Builder, Runtime};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a person is asked before the program waits.
const PROMPT: &str = "Then press Enter here: ";

/// A machine and the provider that its people log in at, in a network of their own.
struct Stage {
    machine: Machine,
    idp: OidcProvider,
    runtime: Runtime,
}

impl Stage {
    fn set() -> Self {
        let machine = Machine::with_pody();
        machine.enter_network();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let idp = runtime.block_on(OidcProvider::start(OidcOptions { tls: true, ..OidcOptions::default() }));
        let configuration = format!(
            "[oidc]\nissuer = \"{}\"\nclient_id = \"pody\"\nscopes = \"openid profile email groups\"\n\
             ca_file = \"/etc/pody/ca.pem\"\n\
             [oidc.users]\ncreate = true\nallow_everybody = true\ngroup_map = [\"*\"]\n",
            idp.issuer()
        );
        machine.write("/etc/pody/ca.pem", &idp.authority());
        machine.write("/etc/pody/config.toml", &configuration);
        machine.write("/etc/ssh/sshd_config.d/pody.conf", "KbdInteractiveAuthentication yes\nUsePAM yes\n");
        machine
            .run("systemctl restart podyd ssh && pam-auth-update --package --enable pody-mkhomedir")
            .succeeds();
        Self { machine, idp, runtime }
    }

    /// Somebody types `ssh NAME@node COMMAND`, presses Enter when asked, and does something about the code that is shown.
    fn ssh(&self, name: &str, command: &str, act: impl FnOnce(&OidcProvider, &Runtime, &str)) -> Outcome {
        let log = format!("/run/ssh-{name}");
        let _ = fs::remove_file(self.machine.path(&log));
        let script = format!(
            "set timeout 90\nlog_file -noappend {log}\n\
             spawn -noecho ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
             -o PreferredAuthentications=keyboard-interactive -o NumberOfPasswordPrompts=1 {name}@localhost {command}\n\
             expect {{{PROMPT}}} {{send \\r}} timeout {{exit 90}} eof {{exit 91}}\n\
             expect timeout {{exit 92}} eof\nexit [lindex [wait] 3]\n"
        );
        self.machine.write(&format!("/run/talk-{name}"), &script);
        thread::scope(|threads| {
            let talk = threads.spawn(|| self.machine.run(&format!("expect -f /run/talk-{name}")));
            let shown = || fs::read_to_string(self.machine.path(&log)).unwrap_or_default();
            let is_asked = || shown().contains(PROMPT) || talk.is_finished();
            wait::until("a code to be shown", PATIENCE, is_asked);
            let message = shown();
            if let Some((message, _)) = message.split_once(PROMPT) {
                act(&self.idp, &self.runtime, message.split_whitespace().last().unwrap());
            }
            talk.join().unwrap()
        })
    }

    fn ssh_approved(&self, name: &str, command: &str, subject: &str) -> Outcome {
        self.ssh(name, command, |idp, runtime, code| runtime.block_on(idp.approve(code, subject)))
    }
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn somebody_who_does_not_exist_logs_in_by_ssh_and_is_somebody_from_then_on() {
    let stage = Stage::set();
    let machine = &stage.machine;
    login::is_unknown(machine, "ada");
    let first = stage.ssh_approved("ada", "{id; pwd; stat -c %U:%a .}", "sub-ada").succeeds();
    for expected in ["uid=19", "(ada)", "(engines)", "/home/ada", "ada:700"] {
        assert!(first.contains(expected), "{expected}: {first}");
    }
    login::is_known(machine, "ada");
    let uid = machine.run("id -u ada").succeeds();
    assert!(first.contains(&format!("uid={uid}(ada)")), "sshd saw the same: {first}");
    let again = stage.ssh_approved("ada", "{id -u; id -nG}", "sub-ada").succeeds();
    assert!(again.contains(&uid) && again.contains("engines"), "{again}");
    machine.run("systemctl restart podyd").succeeds();
    assert_eq!(machine.run("id -u ada").succeeds(), uid);
    assert_eq!(machine.run("podyctl reservations --json").succeeds().trim(), "[]");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn somebody_who_does_not_exist_logs_in_at_the_console() {
    let stage = Stage::set();
    let machine = &stage.machine;
    login::is_unknown(machine, "ada");
    // It runs what a shell of hers runs, and ends.
    machine.write("/etc/profile.d/ends.sh", "test -t 0 && { id; pwd; exit; }\n");
    let asked = Conversation::begin(machine, "/bin/login ada", PROMPT);
    let code = asked.word_after("enter the code");
    stage.runtime.block_on(stage.idp.approve(&code, "sub-ada"));
    let ran = asked.answer("");
    for expected in ["uid=19", "(ada)", "(engines)", "/home/ada"] {
        assert!(ran.stdout.contains(expected), "{expected}: {ran:#?}");
    }
    let uid = machine.run("id -u ada").succeeds();
    assert!(ran.stdout.contains(&format!("uid={uid}(ada)")), "login saw the same: {ran:#?}");
}

#[test]
#[ignore = "needs root: boots a Debian"]
fn whoever_is_denied_or_is_somebody_else_is_nobody_afterwards() {
    let stage = Stage::set();
    let machine = &stage.machine;
    let denied = stage.ssh("bob", "id", |idp, runtime, code| runtime.block_on(idp.deny(code))).fails();
    assert!(denied.stdout.contains("says that this login was denied"), "{denied:?}");
    let other = stage.ssh_approved("carol", "id", "sub-ada").fails();
    assert!(other.stdout.contains("ada"), "who may log in instead is said: {other:?}");
    for name in ["bob", "carol", "ada"] {
        assert_eq!(machine.run(&format!("podyctl user show {name}")).status, 3, "{name}");
    }
    // A home that is there already, with a key in it, makes nobody an account.
    machine
        .run(
            "test -e ~/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
             install -d -m 0755 /home/dave/.ssh && install -m 0644 ~/.ssh/id_ed25519.pub /home/dave/.ssh/authorized_keys",
        )
        .succeeds();
    let by_key = login::ssh_by_key(machine, "dave");
    assert!(by_key.status != 0 && !by_key.stdout.contains("dave"), "{by_key:?}");
    let journal = machine.run("journalctl --no-pager -t sshd").succeeds();
    assert!(journal.contains("publickey") || journal.contains("dave"), "{journal}");
    assert!(machine.run("podyctl reservations").succeeds().contains("dave"));
}
