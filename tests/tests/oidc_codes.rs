//! One-time codes, told with the real programs and a certified provider: a browser on this machine, ID tokens that programs
//! bring, and root's word while the provider is away. The codes are typed at su's prompt, through PAM.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod provider;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use provider::Story;
use tests::host::Outcome;
use tests::login::su;
use tests::wait;

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const PATIENCE: Duration = Duration::from_secs(30);

impl Story {
    /// A node where everybody whom the provider knows gets an account.
    fn begin() -> Self {
        Self::with("scopes = \"openid profile\"\n[oidc.users]\ncreate = true\nallow_everybody = true\n")
    }

    /// A local user who is none of ours logs in with a browser; what podyctl said.
    fn browse(&self, subject: &str, arguments: &str) -> Outcome {
        let node = &self.node;
        node.run(&format!(
            "rm -f /run/login.*
             (runuser -u nobody -- podyctl login --no-browser {arguments}; echo $? > /run/login.status) \
             </dev/null >/run/login.out 2>/run/login.err &"
        ))
        .succeeds();
        let read = |name: &str| std::fs::read_to_string(node.path(name)).unwrap_or_default();
        let url = || {
            read("/run/login.err")
                .split_whitespace()
                .find(|word| word.starts_with("http://"))
                .map(str::to_owned)
        };
        wait::until("podyctl to say where to go", PATIENCE, || url().is_some());
        let back = self.runtime.block_on(self.idp.log_in(&url().unwrap(), subject));
        let (address, path) = back.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut browser = TcpStream::connect(address).unwrap();
        write!(browser, "GET /{path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut page = String::new();
        browser.read_to_string(&mut page).unwrap();
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        wait::until("podyctl to end", PATIENCE, || !read("/run/login.status").is_empty());
        Outcome {
            command: "podyctl login".into(),
            status: read("/run/login.status").trim().parse().unwrap(),
            stdout: read("/run/login.out"),
            stderr: read("/run/login.err"),
        }
    }

    /// An ID token that a program has from the provider.
    fn id_token(&self, subject: &str) -> String {
        let issuer = self.idp.issuer();
        let redirect = "http://127.0.0.1:4711/callback";
        let url = format!(
            "{issuer}/auth?response_type=code&client_id=pody&redirect_uri={redirect}&scope=openid%20profile&state=s&\
             code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        let back = self.runtime.block_on(self.idp.log_in(&url, subject));
        let code = back.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap().to_owned();
        self.node
            .run(&format!(
                "curl -fsS -d grant_type=authorization_code -d client_id=pody -d redirect_uri={redirect} \
                 -d code={code} -d code_verifier={VERIFIER} {issuer}/token | jq -r .id_token"
            ))
            .succeeds()
    }

    fn exchange(&self, id_token: &str, arguments: &str) -> Outcome {
        self.node.write("/run/id-token", id_token);
        self.node.run(&format!("runuser -u nobody -- podyctl login --code {arguments} < /run/id-token"))
    }

    fn becomes(&self, name: &str, code: &str) -> bool {
        let ran = su(&self.node, name, code.trim());
        assert!(
            ran.status == 0 || ran.stdout.contains("failure") || ran.stdout.contains("denied"),
            "{ran:#?}"
        );
        ran.status == 0 && ran.stdout.lines().any(|line| line.trim() == name)
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn whoever_the_provider_knows_gets_a_code_that_pam_takes_once() {
    let story = Story::begin();
    let node = &story.node;
    node.run("echo 'correct horse battery' | podyctl user add bob --password-stdin").succeeds();

    let browsed = story.browse("sub-ada", "");
    assert!(browsed.status == 0 && browsed.stderr.contains("You are ada; for the next 60 s"), "{browsed:#?}");
    node.run("echo 'correct horse battery' | podyctl user passwd ada --password-stdin").succeeds();
    let code = browsed.stdout.trim();
    assert!(!story.becomes("bob", code), "another user");
    assert!(story.becomes("ada", &code.to_lowercase()));
    assert!(!story.becomes("ada", code), "twice");
    let browsed = story.browse("sub-ada", "--json --user bob");
    assert!(browsed.status == 5 && browsed.stdout.is_empty(), "{browsed:#?}");

    let token = story.id_token("sub-ada");
    let taken = story.exchange(&token, "--user bob");
    assert_eq!(taken.status, 5, "{taken:#?}");
    let code = story.exchange(&token, "").succeeds();
    assert!(story.becomes("ada", &code));
    assert_eq!(story.exchange(&token, "").status, 5, "the same token again");
    // Tokens of the same second are the same.
    let mut token = token;
    wait::until("another token", PATIENCE, || {
        let last = std::mem::replace(&mut token, story.id_token("sub-ada"));
        token != last
    });
    let (head, _) = token.rsplit_once('.').unwrap();
    assert_eq!(story.exchange(&format!("{head}.AAAA"), "").status, 5);
    let code = story.exchange(&token, "").succeeds();
    node.stop_podyd();
    node.start_podyd();
    assert!(!story.becomes("ada", &code), "a restart ends all codes");
    assert!(!node.podyd_log().contains(code.trim()) && !node.podyd_log().contains(head));
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn root_breaks_the_glass_while_the_provider_is_away() {
    let mut story = Story::begin();
    story.runtime.block_on(story.idp.stop());
    let node = &story.node;
    node.run("echo 'correct horse battery' | podyctl user add ada --password-stdin").succeeds();
    node.run("podyctl user add liz --no-password").succeeds();
    let away = node.run("runuser -u nobody -- podyctl login --no-browser");
    assert_eq!(away.status, 6, "{away:#?}");

    let glass = "podyctl break-glass ada --reason 'the provider is away'";
    let refused = node.run(&format!("runuser -u nobody -- {glass}"));
    assert_eq!(refused.status, 5, "{refused:#?}");
    assert_eq!(node.run("podyctl break-glass eve --reason why").status, 3);
    let code = node.run(glass).succeeds();
    assert!(story.becomes("ada", &code));
    assert!(!story.becomes("ada", &code));
    let log = node.podyd_log();
    for words in ["the provider is away", "user=ada", "was given", "was used"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert!(!log.contains(code.trim()), "{log}");

    // Somebody who would have to go to the provider, and then everybody.
    let asked = |name: &str| {
        let code =
            node.run(&format!("podyctl break-glass {name} --reason 'the provider is away'")).succeeds();
        let su = format!("runuser -u nobody -- su {name} -c {{id -un}}");
        let ran = node.converse(&su, &[("One-time code: ", code.trim())]);
        assert!(ran.status == 0 && ran.stdout.lines().any(|line| line.trim() == name), "{ran:#?}");
    };
    asked("liz");
    node.run("sed -i '1i [auth]\\nmode = \"oidc-only\"' /etc/pody/config.toml").succeeds();
    node.stop_podyd();
    node.start_podyd();
    asked("ada");
}
