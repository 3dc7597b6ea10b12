//! People who log in at a certified OpenID provider, through PAM as it stands on this machine: somebody reads a code, types
//! it into the provider's page, and presses Enter.

mod provider;

use std::time::{Duration, Instant};

use provider::Story;
use serde_json::json;
use servers::Answer;
use tests::conversation::Conversation;
use tests::host::Outcome;
use tests::login::{self, Accounts, Person, Pody};
use tests::sandbox::Sandbox;
use tests::wait;

const ENTER: &str = "press Enter here: ";

/// No login takes longer to end by itself where the provider has a second for each answer and codes are good for three.
const IN_TIME: Duration = Duration::from_secs(30);

impl Story {
    /// A node where ada has no password and is the provider's sub-ada, and liz has a password.
    fn begin() -> Self {
        let story = Self::with(
            "scopes = \"openid profile email groups\"\ntimeout = \"1s\"\n[oidc.users]\ngroup_map = [\"*\"]\n",
        );
        let (node, issuer) = (&story.node, story.idp.issuer());
        node.run(
            "podyctl user add ada --no-password --shell /bin/bash && install -d -o ada -g ada /home/ada",
        )
        .succeeds();
        node.run(&format!("podyctl identity link ada {issuer} sub-ada")).succeeds();
        Pody.add(node, &liz());
        story
    }

    fn su(&self) -> Conversation<'_> {
        su(&self.node)
    }

    fn approve(&self, su: &Conversation<'_>, subject: &str) {
        self.runtime.block_on(self.idp.approve(&su.word_after("enter the code"), subject));
    }

    fn answer<const N: usize>(&self, answers: [(&str, Answer); N]) {
        self.runtime.block_on(self.idp.answer(answers));
    }

    /// The next codes are good for so long, and nobody can approve them.
    fn let_codes_end_soon(&self) {
        let issuer = self.idp.issuer();
        let begun = json!({ "device_code": "x", "user_code": "ABCD-EFGH", "verification_uri": issuer, "expires_in": 3,
            "interval": 1 });
        self.answer([("/device/auth", Answer::json(200, &begun))]);
    }
}

/// An unprivileged program becomes ada.
fn su(node: &Sandbox) -> Conversation<'_> {
    Conversation::begin(node, "runuser -u nobody -- su ada -c {id -un}", ENTER)
}

#[track_caller]
fn refused(su: &Outcome, words: &str) {
    assert!(su.status != 0 && su.stdout.contains(words), "{words}: {su:#?}");
}

fn liz() -> Person {
    Person { name: "liz".into(), password: "Analytical-Engine1".into() }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn whoever_has_no_password_logs_in_by_approving_elsewhere_and_nobody_else_does() {
    let story = Story::begin();
    let asked = story.su();
    let shown = asked.shown();
    let host = story.node.run("hostname").succeeds();
    for words in [story.idp.issuer(), "ada logs in to", &host, " ▄▄▄▄▄ "] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    story.approve(&asked, "sub-ada");
    let ran = asked.answer("");
    assert!(ran.status == 0 && ran.stdout.trim_end().ends_with("ada"), "{ran:#?}");
    assert_eq!(story.node.run("id -nG ada").succeeds(), "ada engines", "as the provider says");

    let asked = story.su();
    story.runtime.block_on(story.idp.deny(&asked.word_after("enter the code")));
    refused(&asked.answer(""), "says that this login was denied");
    let asked = story.su();
    story.approve(&asked, "sub-bob");
    refused(&asked.answer(""), "you are bob here, and not ada: log in as bob");

    assert!(login::su(&story.node, "liz", &liz().password).succeeds().ends_with("liz"));
    story.node.write("/etc/pam.d/batch", "auth required pam_pody.so\n");
    let batch = story.node.run("timeout 20 pamtester batch ada authenticate </dev/null");
    assert!(batch.status != 0 && batch.status != 124, "{batch:#?}");
    let said = format!("{}{}", batch.stdout, batch.stderr);
    assert!(said.contains("which is not possible through batch"), "{batch:#?}");
    let log = story.node.podyd_log();
    assert!(log.contains("approved at 127.0.0.1") && !log.contains("eyJ"), "no token stands in a log: {log}");
}

/// What stands before a code on a terminal, and behind which it is typed.
const CODE: &str = "with a browser: ";

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn whoever_was_approved_comes_back_by_a_code_until_the_provider_ends_the_account() {
    let mut story = Story::begin();
    let configuration = std::fs::read_to_string(story.node.path("/etc/pody/config.toml")).unwrap();
    let configuration = configuration.replace("timeout =", "recheck_interval = \"1s\"\ntimeout =")
        + "[oidc.login]\nrelogin_window = \"1h\"\nrelogin_services = [\"su\"]\n";
    story.node.write("/etc/pody/config.toml", &configuration);
    story.node.signal_podyd("HUP");
    let mut granted = String::new();
    wait::until("the settings to count", IN_TIME, || {
        let asked = story.su();
        story.approve(&asked, "sub-ada");
        granted = asked.answer("").stdout;
        granted.contains("For the next 60 minutes, this code logs you in to")
    });
    let code = granted.lines().find_map(|line| line.strip_prefix("    ")).unwrap().trim().to_owned();
    let come_back = |node, typed: &str| {
        let asked = Conversation::begin(node, "runuser -u nobody -- su ada -c {id -un}", CODE);
        assert!(asked.shown().contains("Re-login code, or just Enter"), "{}", asked.shown());
        asked.answer(typed)
    };
    story.idp.freeze();
    let ran = come_back(&story.node, &code);
    assert!(ran.status == 0 && ran.stdout.trim_end().ends_with("ada"), "{ran:#?}");
    assert!(!ran.stdout.contains(&code), "nobody reads it over her shoulder: {ran:#?}");
    refused(&come_back(&story.node, "7K2M-9QXR-4TDA-0WHE"), "This code is not good, or not any more");
    story.idp.thaw();
    story.node.run("podyctl login --forget --user ada").succeeds();
    let asked = story.su();
    story.approve(&asked, "sub-ada");
    assert_eq!(asked.answer("").status, 0, "a token that no frozen provider has used up");

    assert_eq!(story.node.run("su ada -c 'id -un'").succeeds(), "ada", "root needs no provider");
    story.runtime.block_on(story.idp.set_accounts(json!({})));
    wait::until("the account to be refused", IN_TIME, || story.node.run("su ada -c true").status != 0);
    assert!(story.node.run("id ada").succeeds().contains("(ada)"), "who she is stays known");
    for told in ["podyctl status", "podyctl doctor", "podyctl user show ada"] {
        assert!(story.node.run(&format!("{told} 2>&1")).stdout.contains("OpenID"), "{told}");
    }
    let log = story.node.podyd_log();
    assert!(
        log.contains("a re-login code was used") && log.contains("the provider has ended this user"),
        "{log}"
    );
    assert!(!log.contains(&code) && !log.contains("eyJ"), "no code and no token stands in a log: {log}");
    story.node.stop_podyd();
    story.node.start_podyd();
    assert_ne!(story.node.run("su ada -c true").status, 0, "after a restart, too");
    story.node.run("podyctl user unlock ada").succeeds();
    assert_eq!(story.node.run("su ada -c 'id -un'").succeeds(), "ada");
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn whatever_becomes_of_the_provider_a_login_ends_in_time_and_passwords_count() {
    let story = Story::begin();
    let asked = story.su();
    story.runtime.block_on(story.idp.turn_keys_over());
    story.approve(&asked, "sub-ada");
    assert_eq!(asked.answer("").status, 0, "keys that changed meanwhile are fetched");

    let asked = story.su();
    story.answer([("/token", Answer::garbage())]);
    refused(&asked.answer(""), "not set up as they must be");
    story.let_codes_end_soon();
    let began = Instant::now();
    refused(&story.su().answer(""), "Nobody has approved this login");

    let Story { runtime, mut idp, node } = story;
    let asked = su(&node);
    idp.freeze();
    refused(&asked.answer(""), "127.0.0.1 does not answer");
    refused(&su(&node).end(), "127.0.0.1 does not answer");
    assert!(login::su(&node, "liz", &liz().password).succeeds().ends_with("liz"));
    idp.thaw();
    let asked = su(&node);
    runtime.block_on(idp.stop());
    refused(&asked.answer(""), "127.0.0.1 does not answer");
    assert!(began.elapsed() < 3 * IN_TIME, "{:?}", began.elapsed());
    assert!(login::su(&node, "liz", &liz().password).succeeds().ends_with("liz"));
    assert_eq!(node.run("su ada -c 'id -un'").succeeds(), "ada", "root needs no provider");
}
