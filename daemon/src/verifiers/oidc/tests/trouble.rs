//! Providers that are away, and servers that are none.

use std::time::Duration;

use serde_json::json;
use servers::{Answer, OidcOptions};
use tokio::time::Instant;

use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Longer than the shortest timeout, and far shorter than anybody's patience.
const IN_TIME: Duration = Duration::from_secs(8);

fn impatient(idp: &OidcProvider) -> Provider {
    Provider::new(&Oidc { timeout: Duration::from_secs(1), ..settings(idp) }, Clock::System).unwrap()
}

/// What no endpoint should say, and what that means.
fn worse(idp: &OidcProvider) -> Vec<(&'static str, Answer, Trouble)> {
    vec![
        ("nothing", Answer::never(), Trouble::Away),
        ("garbage", Answer::garbage(), Trouble::Misconfigured),
        ("no end", Answer::forever(), Trouble::Misconfigured),
        ("elsewhere", Answer::redirect(&format!("{}/jwks", idp.issuer())), Trouble::Misconfigured),
        ("not now", Answer::json(503, &json!({})), Trouble::Away),
        ("too often", Answer::json(429, &json!({})), Trouble::Away),
        ("not here", Answer::json(404, &json!({})), Trouble::Misconfigured),
        ("null", Answer::json(200, &json!(null)), Trouble::Misconfigured),
    ]
}

#[tokio::test]
async fn every_wrong_answer_ends_in_time_and_as_what_it_is() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let token = {
        let forger = Forger::of(&idp, &impatient(&idp)).await;
        forger.token(&forger.claims())
    };
    for (what, answer, trouble) in worse(&idp) {
        for path in [DISCOVERY, "/jwks", "/device/auth", "/token"] {
            let (idp, token) = (&idp, &token);
            let provider = impatient(idp);
            let attempt = async {
                match path {
                    "/token" => {
                        let mut login = provider.begin_device().await?;
                        idp.answer([(path, answer.clone())]).await;
                        provider.poll_device(&mut login).await.map(drop)
                    }
                    "/jwks" => {
                        idp.answer([(path, answer.clone())]).await;
                        provider.verify(token).await.map(drop)
                    }
                    _ => {
                        idp.answer([(path, answer.clone())]).await;
                        provider.begin_device().await.map(drop)
                    }
                }
            };
            let began = Instant::now();
            let error = attempt.await.expect_err(what);
            assert!(began.elapsed() < IN_TIME, "{path} says {what}: {:?}", began.elapsed());
            assert_eq!(error.trouble, trouble, "{path} says {what}: {error}");
            assert!(error.to_string().len() < 600, "{error}");
            idp.answer([]).await;
        }
    }
}

#[tokio::test]
async fn a_description_is_of_the_provider_that_was_asked() {
    let idp = OidcProvider::start(OidcOptions::default()).await;
    let url = format!("{}{DISCOVERY}", idp.issuer());
    let own: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    for (change, word) in [
        (json!({ "issuer": "https://another.example" }), "https://another.example"),
        (json!({ "issuer": format!("{}/", idp.issuer()) }), "to the letter"),
        (json!({ "token_endpoint": "http://another.example/token" }), "without TLS"),
        (json!({ "jwks_uri": "http://another.example/jwks" }), "without TLS"),
        (json!({ "device_authorization_endpoint": "file:///etc/passwd" }), "without TLS"),
        (json!({ "jwks_uri": null }), "jwks_uri"),
        (json!({ "device_authorization_endpoint": null }), "offers no device flow"),
    ] {
        idp.answer([(DISCOVERY, Answer::json(200, &with(&own, change)))]).await;
        let error = impatient(&idp).begin_device().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Misconfigured, "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn a_provider_that_stands_still_or_is_gone_is_away_until_it_is_back() {
    let mut idp = OidcProvider::start(OidcOptions::default()).await;
    let provider = impatient(&idp);
    let mut login = provider.begin_device().await.unwrap();
    idp.freeze();
    let began = Instant::now();
    let error = provider.poll_device(&mut login).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Away, "{error}");
    assert!(began.elapsed() < IN_TIME);
    idp.thaw();
    idp.approve(&login.user_code, "sub-ada").await;
    let deadline = Instant::now() + crate::testing::PATIENCE;
    assert_eq!(provider.finish_device(&mut login, deadline).await.unwrap().claims.subject, "sub-ada");

    idp.stop().await;
    let error = client_of(&idp).begin_device().await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Away, "{error}");
    idp.start_again().await;
    provider.begin_device().await.unwrap();
}

#[tokio::test]
async fn only_a_certificate_of_a_known_authority_is_believed() {
    let idp = OidcProvider::start(OidcOptions { tls: true, ..OidcOptions::default() }).await;
    let error = client_of(&idp).begin_device().await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Misconfigured, "{error}");
    assert!(error.to_string().contains("oidc.ca_file"), "{error}");

    let folder = crate::testing::Folder::new();
    let ca_file = Some(folder.join("ca.pem"));
    let trusting = Oidc { ca_file, ..settings(&idp) };
    let error = Provider::new(&trusting, Clock::System).unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
    std::fs::write(folder.join("ca.pem"), "no certificate").unwrap();
    assert!(Provider::new(&trusting, Clock::System).is_err());
    std::fs::write(folder.join("ca.pem"), idp.authority()).unwrap();
    let provider = Provider::new(&trusting, Clock::System).unwrap();
    assert_eq!(log_in(&idp, &provider, "sub-ada").await.claims.subject, "sub-ada");

    // The authority is known, and vouches for another host.
    let issuer = idp.issuer().replace("127.0.0.1", "localhost").parse().unwrap();
    let provider = Provider::new(&Oidc { issuer, ..trusting }, Clock::System).unwrap();
    let error = provider.begin_device().await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Misconfigured, "{error}");
}
