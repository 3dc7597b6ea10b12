//! A node and a certified OpenID provider: whether they fit is told before anybody logs in.

use servers::{OidcOptions, OidcProvider};
use tests::sandbox::Sandbox;
use tokio::runtime::Runtime;

const SECRET: &str = "a secret of the client: + & % = ?";

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn an_admin_tries_a_provider_until_it_fits() {
    let runtime = Runtime::new().unwrap();
    let mut idp = runtime.block_on(OidcProvider::start(OidcOptions { tls: true, ..OidcOptions::default() }));
    let issuer = idp.issuer().to_owned();
    let node = Sandbox::with_podyd();
    let none = node.run("podyctl oidc check");
    assert_eq!(none.status, 3, "{none:?}");
    assert!(none.stderr.contains("OIDC_ISSUER"), "{none:?}");

    let configure = |text: &str| {
        node.write("/etc/pody/config.toml", text);
        node.stop_podyd();
        node.start_podyd();
    };
    let failed = |expected: &str| {
        let ran = node.run("podyctl oidc check --json");
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stdout.contains(expected) && !ran.stdout.contains("guessed"), "{expected}: {ran:?}");
    };
    let base = format!("[oidc]\nissuer = \"{issuer}\"\nclient_id = \"pody-secret\"\n");
    configure(&base);
    failed("oidc.ca_file");
    node.write("/etc/pody/ca.pem", &idp.authority());
    let trusting = format!("{base}ca_file = \"/etc/pody/ca.pem\"\n");
    configure(&format!("{trusting}client_secret = \"guessed\"\n"));
    failed("oidc.client_secret");

    configure(&format!("{trusting}client_secret = \"{SECRET}\"\n"));
    let all = node.run("podyctl oidc check").succeeds();
    for step in ["settings", "discovery", "clock", "signatures", "keys", "device flow"] {
        assert!(all.contains(step), "{step}: {all}");
    }
    let others = node.run("runuser -u nobody -- podyctl oidc check");
    assert_eq!(others.status, 5, "{others:?}");

    idp.freeze();
    failed("does not answer within 5 s");
    let started = std::time::Instant::now();
    node.stop_podyd();
    node.start_podyd();
    assert!(started.elapsed() < std::time::Duration::from_secs(4), "a start does not wait for the provider");
    idp.thaw();
    runtime.block_on(idp.stop());
    failed("cannot be reached");
    assert!(!node.podyd_log().contains(SECRET));
}
