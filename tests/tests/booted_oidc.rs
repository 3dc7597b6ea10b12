//! People who log in at a certified OpenID provider on a booted Debian: by real sshd, login and sudo, which each show the
//! code in their own way.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

use servers::{OidcOptions, OidcProvider};
use tests::conversation::Conversation;
use tests::login;
use tests::machine::Machine;
use tests::relay;
use tokio::runtime::Runtime;

const ENTER: &str = "press Enter here: ";

/// As a person would, but for keys of hosts, which nobody knows here.
const SSH: &str = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
                   -o PreferredAuthentications=keyboard-interactive";

#[test]
#[ignore = "needs root: boots a Debian"]
fn sshd_login_and_sudo_show_a_code_and_let_in_whoever_is_approved() {
    let (runtime, idp, machine) = set_up("");
    let approve = |conversation: &Conversation<'_>, subject: &str| {
        runtime.block_on(idp.approve(&conversation.word_after("enter the code"), subject));
    };

    let ssh = Conversation::begin(&machine, &format!("{SSH} ada@localhost id -un"), ENTER);
    let shown = ssh.shown();
    let drawn: Vec<&str> = shown.lines().filter(|line| line.starts_with('█')).collect();
    assert!(
        drawn.len() > 10 && drawn.iter().all(|line| line.chars().count() == drawn[0].chars().count()),
        "{shown}"
    );
    assert!(shown.contains(idp.issuer()) && shown.contains(" from "), "{shown}");
    approve(&ssh, "sub-ada");
    let ran = ssh.answer("");
    assert!(ran.status == 0 && ran.stdout.trim_end().ends_with("ada"), "{ran:#?}");
    assert_eq!(machine.run("id -nG ada").succeeds(), "ada engines");

    let ssh = Conversation::begin(&machine, &format!("{SSH} ada@localhost id -un"), ENTER);
    runtime.block_on(idp.deny(&ssh.word_after("enter the code")));
    let ran = ssh.answer("");
    assert!(ran.status != 0 && ran.stdout.contains("this login was denied"), "{ran:#?}");
    assert_eq!(ran.stdout.matches("enter the code").count(), 1, "sshd does not begin another: {ran:#?}");
    let ssh = Conversation::begin(&machine, &format!("{SSH} ada@localhost id -un"), ENTER);
    approve(&ssh, "sub-bob");
    let ran = ssh.answer("");
    assert!(ran.status != 0 && ran.stdout.contains("log in as bob"), "{ran:#?}");

    login::is_refused(login::ssh_by_password(&machine, "ada", "guess"));
    login::authorize_key(&machine, "ada");
    assert_eq!(login::ssh_by_key(&machine, "ada").succeeds(), "ada", "keys are as good as ever");

    login::may_sudo(&machine, "ada");
    let sudo = Conversation::begin(&machine, "runuser -u ada -- sudo id -un", ENTER);
    approve(&sudo, "sub-ada");
    let ran = sudo.answer("");
    assert!(ran.status == 0 && ran.stdout.trim_end().ends_with("root"), "{ran:#?}");

    let console = Conversation::begin(&machine, "login bob", ENTER);
    approve(&console, "sub-bob");
    let ran = console.answer("");
    assert!(ran.stdout.contains("(bob)"), "{ran:#?}");
}

/// What stands before a re-login code.
const CODE: &str = "with a browser: ";

const WRONG: &str = "7K2M-9QXR-4TDA-0WHE";

#[test]
#[ignore = "needs root: boots a Debian"]
fn whoever_was_approved_comes_back_through_sshd_by_a_code_until_the_account_is_locked() {
    let (runtime, idp, machine) = set_up("[oidc.login]\nrelogin_window = \"1h\"\n");
    let approve = |conversation: &Conversation<'_>| {
        runtime.block_on(idp.approve(&conversation.word_after("enter the code"), "sub-bob"));
    };
    let ssh = format!("{SSH} bob@localhost");
    let first = Conversation::begin(&machine, &ssh, ENTER);
    approve(&first);
    let ran = first.answer("");
    assert!(ran.status == 0 && ran.stdout.contains("this code logs you in to"), "{ran:#?}");
    let code = ran.stdout.lines().find_map(|line| line.strip_prefix("    ")).unwrap().trim().to_owned();

    let asked = runtime.block_on(idp.asked("/device/auth"));
    let ran = Conversation::begin(&machine, &ssh, CODE).answer(&code);
    assert!(ran.status == 0 && ran.stdout.contains("(bob)"), "{ran:#?}");
    assert_eq!(runtime.block_on(idp.asked("/device/auth")), asked, "the provider is not asked");

    // A wrong one, and then nothing.
    let script = format!(
        "set timeout 60\nspawn -noecho {ssh}\n\
         expect {{{CODE}}} {{send {WRONG}\\r}} timeout {{exit 93}} eof {{exit 94}}\n\
         expect {{{CODE}}} {{send \\r}} timeout {{exit 95}} eof {{exit 96}}\n\
         interact\nexit [lindex [wait] 3]\n"
    );
    machine.write("/run/wrong-code", &script);
    let third = Conversation::begin(&machine, "expect -f /run/wrong-code", ENTER);
    approve(&third);
    let ran = third.answer("");
    assert!(ran.status == 0 && ran.stdout.contains("This code is not good"), "{ran:#?}");
    assert!(ran.stdout.contains("(bob)"), "{ran:#?}");

    let is_not_taken = |command: &str, said: &str| {
        let asked = Conversation::begin(&machine, command, ENTER);
        assert!(!asked.shown().contains("Re-login code"), "{command}: {}", asked.shown());
        let ran = asked.answer(&code);
        assert!(ran.status != 0 && ran.stdout.contains(said), "{command}: {ran:#?}");
    };
    login::may_sudo(&machine, "bob");
    is_not_taken("runuser -u bob -- sudo id -un", "1 incorrect password attempt");
    let once = format!("{SSH} -o NumberOfPasswordPrompts=1 bob@localhost");
    for change in ["lock", "unlock"] {
        machine.run(&format!("podyctl user {change} bob")).succeeds();
        is_not_taken(&once, "This code is not good");
    }
    let journal = machine.run("journalctl --no-pager").succeeds();
    assert!(journal.contains("a re-login code was used") && !journal.contains(&code), "{journal}");
}

/// ada, and bob whose shell says who he is and ends, on a machine and at its provider.
fn set_up(settings: &str) -> (Runtime, OidcProvider, Machine) {
    let runtime = Runtime::new().unwrap();
    let idp = runtime.block_on(OidcProvider::start(OidcOptions { tls: true, ..OidcOptions::default() }));
    let machine = Machine::with_pody();
    let issuer = idp.issuer();
    let port = issuer.rsplit_once(':').unwrap().1.parse().unwrap();
    relay::begin(&machine.path("/proc/1/ns/net"), port);
    machine.write("/etc/pody/ca.pem", &idp.authority());
    machine.write("/etc/ssh/sshd_config.d/pody.conf", "KbdInteractiveAuthentication yes\n");
    machine.write(
        "/etc/pody/config.toml",
        &format!(
            "[oidc]\nissuer = \"{issuer}\"\nclient_id = \"pody\"\nca_file = \"/etc/pody/ca.pem\"\nscopes = \"openid profile email groups\"\n\
             [oidc.users]\ngroup_map = [\"*\"]\n{settings}"
        ),
    );
    machine.run("systemctl restart ssh && systemctl reload podyd").succeeds();
    for (user, shell) in [("ada", "/bin/bash"), ("bob", "/usr/bin/id")] {
        machine
            .run(&format!(
                "podyctl user add {user} --no-password --shell {shell}
                 podyctl identity link {user} {issuer} sub-{user}
                 install -d -m 0700 -o {user} -g {user} /home/{user}"
            ))
            .succeeds();
    }
    (runtime, idp, machine)
}
