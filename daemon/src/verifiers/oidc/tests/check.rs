//! What an admin is told of a provider before anybody logs in.

use serde_json::json;
use servers::{Answer, OidcOptions};

use super::*;

/// The steps, and a word of each that failed.
fn told(checks: &[Check]) -> Vec<(&'static str, String)> {
    let words = |check: &Check| check.outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
    checks.iter().map(|check| (check.name, words(check))).collect()
}

/// The one step that failed.
async fn failure(settings: &Oidc, clock: Clock) -> (&'static str, String) {
    let all = told(&check(settings, clock).await);
    let mut failed: Vec<_> = all.iter().filter(|(_, why)| !why.is_empty()).cloned().collect();
    assert_eq!(failed.len(), 1, "{all:?}");
    failed.remove(0)
}

#[tokio::test]
async fn a_provider_that_fits_passes_every_step() {
    let (idp, _) = start().await;
    let checks = check(&settings(&idp), Clock::System).await;
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["settings", "discovery", "clock", "signatures", "keys", "device flow"]);
    assert!(checks.iter().all(|check| check.outcome.is_ok()), "{checks:?}");
    let right = confidential(&idp, "a secret of the client: + & % = ?");
    let checks = check(&right, Clock::System).await;
    assert!(checks.iter().all(|check| check.outcome.is_ok()), "{checks:?}");
    assert!(!format!("{checks:?}").contains("a secret of"));
}

#[tokio::test]
async fn each_trouble_is_named_at_its_step() {
    let (mut idp, _) = start().await;
    let own = settings(&idp);
    let client = |name: &str| Oidc { client_id: name.parse().unwrap(), ..own.clone() };
    let off = Clock::set_to(Clock::System.unix_seconds() + 1000);
    for (settings, clock, step, word) in [
        (client("unknown"), Clock::System, "device flow", "oidc.client_id"),
        (client("no-device"), Clock::System, "device flow", "is not allowed for this client"),
        (confidential(&idp, "guessed"), Clock::System, "device flow", "oidc.client_secret"),
        (
            Oidc { ca_file: Some("/nowhere/ca.pem".into()), ..own.clone() },
            Clock::System,
            "settings",
            "/nowhere/ca.pem",
        ),
        (own.clone(), off, "clock", "ahead of"),
    ] {
        let (failed, why) = failure(&settings, clock).await;
        assert!(failed == step && why.contains(word), "{failed}: {why}");
    }

    idp.answer([("/jwks", Answer::json(200, &json!({ "keys": [] })))]).await;
    let (failed, why) = failure(&own, Clock::System).await;
    assert!(failed == "keys" && why.contains("no key"), "{failed}: {why}");
    idp.stop().await;
    let (failed, why) = failure(&own, Clock::System).await;
    assert!(failed == "discovery" && why.contains("cannot be reached"), "{failed}: {why}");

    let idp =
        OidcProvider::start(OidcOptions { device_flow: false, clients: json!([]), ..OidcOptions::default() })
            .await;
    let (failed, why) = failure(&settings(&idp), Clock::System).await;
    assert!(failed == "device flow" && why.contains("offers no device flow"), "{failed}: {why}");
}
