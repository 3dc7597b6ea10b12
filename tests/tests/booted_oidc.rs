//! People who log in at a certified OpenID provider on a booted Debian: by real sshd, login and sudo, which each show the
//! code in their own way.

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
    let runtime = Runtime::new().unwrap();
    let idp = runtime.block_on(OidcProvider::start(OidcOptions { tls: true, ..OidcOptions::default() }));
    let machine = Machine::with_pody();
    let port = idp.issuer().rsplit_once(':').unwrap().1.parse().unwrap();
    relay::begin(&machine.path("/proc/1/ns/net"), port);
    machine.write("/etc/pody/ca.pem", &idp.authority());
    set_up(&machine, idp.issuer());
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

/// ada, and bob whose shell says who he is and ends.
fn set_up(machine: &Machine, issuer: &str) {
    machine.write("/etc/ssh/sshd_config.d/pody.conf", "KbdInteractiveAuthentication yes\n");
    machine.write(
        "/etc/pody/config.toml",
        &format!(
            "[oidc]\nissuer = \"{issuer}\"\nclient_id = \"pody\"\nca_file = \"/etc/pody/ca.pem\"\nscopes = \"openid profile email groups\"\n\
             [oidc.users]\ngroup_map = [\"*\"]\n"
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
}
