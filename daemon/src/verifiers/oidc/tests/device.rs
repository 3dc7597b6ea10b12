//! Device flows.

use std::time::Duration;

use serde_json::json;
use servers::{Answer, OidcOptions, OidcProvider};
use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn whoever_is_approved_has_the_claims_of_the_provider() {
    let (idp, provider) = start().await;
    let mut login = provider.begin_device().await.unwrap();
    assert!(login.verification_uri.starts_with(idp.issuer()), "{login:?}");
    assert!(login.verification_uri_complete.as_ref().unwrap().contains(&login.user_code));
    assert!(provider.poll_device(&mut login).await.unwrap().is_none());
    idp.approve(&login.user_code, "sub-ada").await;
    let signed_in =
        provider.finish_device(&mut login, Instant::now() + crate::testing::PATIENCE).await.unwrap();

    let claims = &signed_in.claims;
    assert_eq!((claims.issuer.as_str(), claims.subject.as_str()), (idp.issuer(), "sub-ada"));
    assert_eq!(claims.preferred_username.as_deref(), Some("ada"));
    assert_eq!(
        (claims.name.as_deref(), claims.email.as_deref()),
        (Some("Ada Lovelace"), Some("ada@example.test"))
    );
    assert!(claims.email_verified);
    assert_eq!(claims.groups, Some(vec!["staff".to_owned(), "engines".to_owned()]));
    assert_eq!(provider.verify(signed_in.id_token.expose()).await.unwrap(), *claims);

    let shown = format!("{signed_in:?} {login:?} {provider:?}");
    assert!(
        !shown.contains(signed_in.id_token.expose()) && !shown.contains(login.device_code.expose()),
        "{shown}"
    );
}

#[tokio::test]
async fn whoever_says_little_of_themselves_claims_little() {
    let (idp, provider) = start().await;
    let bob = log_in(&idp, &provider, "sub-bob").await.claims;
    assert_eq!((bob.email_verified, bob.groups), (false, Some(vec![])));
    let eve = log_in(&idp, &provider, "sub-eve").await.claims;
    assert_eq!(
        (eve.subject.as_str(), eve.preferred_username, eve.email, eve.groups),
        ("sub-eve", None, None, None)
    );
}

#[tokio::test]
async fn a_client_with_a_secret_proves_it_and_other_signatures_are_known() {
    let idp = OidcProvider::start(OidcOptions { alg: "ES256", ..OidcOptions::default() }).await;
    let right = confidential(&idp, "a secret of the client: + & % = ?");
    let provider = Provider::new(&right, Clock::System).unwrap();
    assert_eq!(log_in(&idp, &provider, "sub-ada").await.claims.subject, "sub-ada");
    let wrong = Provider::new(&confidential(&idp, "guessed-and-secret"), Clock::System).unwrap();
    let error = wrong.begin_device().await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Misconfigured);
    assert!(
        error.to_string().contains("oidc.client_secret") && !error.to_string().contains("guessed"),
        "{error}"
    );
}

#[tokio::test]
async fn a_no_at_the_provider_is_a_no() {
    let (idp, provider) = start().await;
    let mut login = provider.begin_device().await.unwrap();
    idp.deny(&login.user_code).await;
    let error = provider.poll_device(&mut login).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Denied, "{error}");
}

#[tokio::test]
async fn a_login_that_nobody_approves_expires() {
    let lifetimes = json!({ "DeviceCode": 1 });
    let idp = OidcProvider::start(OidcOptions { lifetimes, ..OidcOptions::default() }).await;
    let provider = client_of(&idp);
    let mut login = provider.begin_device().await.unwrap();
    // Told by the provider, though our own clock would let it go on.
    login.ends += Duration::from_secs(60);
    crate::testing::until("the provider has forgotten the login", async || {
        provider.poll_device(&mut login).await.is_err_and(|error| error.trouble == Trouble::Expired)
    })
    .await;
    login.ends = Instant::now();
    let error =
        provider.finish_device(&mut login, Instant::now() + crate::testing::PATIENCE).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Expired, "{error}");
    let asked = idp.asked("/token").await;
    assert_eq!(provider.poll_device(&mut login).await.unwrap_err().trouble, Trouble::Expired);
    assert_eq!(idp.asked("/token").await, asked, "what is over by our own clock is not asked for");
}

#[tokio::test]
async fn a_provider_that_is_asked_too_often_is_asked_less() {
    let (idp, provider) = start().await;
    let mut login = provider.begin_device().await.unwrap();
    let refused = |error: &str| Answer::json(400, &json!({ "error": error }));
    idp.answer([("/token", refused("slow_down"))]).await;
    for seconds in [10, 15] {
        assert!(provider.poll_device(&mut login).await.unwrap().is_none());
        assert_eq!(login.interval, Duration::from_secs(seconds));
    }
    idp.answer([]).await;
    assert!(provider.poll_device(&mut login).await.unwrap().is_none());
    assert_eq!(login.interval, Duration::from_secs(15), "it stays so");
    assert!(login.next_poll() > Instant::now() + Duration::from_secs(13));
}

#[tokio::test]
async fn whoever_waits_does_so_until_the_deadline_and_no_longer() {
    let (idp, provider) = start().await;
    let begun = json!({
        "device_code": "x", "user_code": "ABCD", "verification_uri": idp.issuer(), "expires_in": 600, "interval": 0,
    });
    let pending = Answer::json(400, &json!({ "error": "authorization_pending" }));
    idp.answer([("/device/auth", Answer::json(200, &begun)), ("/token", pending)]).await;
    let mut login = provider.begin_device().await.unwrap();
    assert_eq!(login.interval, Duration::from_secs(1), "nobody is asked without a pause");
    let (began, deadline) = (Instant::now(), Instant::now() + Duration::from_millis(1500));
    let error = provider.finish_device(&mut login, deadline).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Expired, "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!((2..=3).contains(&idp.asked("/token").await));
}

#[tokio::test]
async fn what_a_provider_wants_shown_cannot_command_a_terminal() {
    let (idp, provider) = start().await;
    let begun = json!({
        "device_code": "x", "user_code": "ABCD", "verification_uri": "https://a.example/device", "expires_in": 600,
    });
    for change in [
        json!({ "user_code": "AB\u{1b}[2JCD" }),
        json!({ "user_code": "" }),
        json!({ "user_code": "A".repeat(65) }),
        json!({ "verification_uri": "http://a.example/device" }),
        json!({ "verification_uri": "javascript:alert(1)" }),
        json!({ "verification_uri": format!("https://a.example/{}", "a".repeat(512)) }),
        json!({ "verification_uri_complete": "https://a.example/\u{7}" }),
        json!({ "device_code": null }),
    ] {
        idp.answer([("/device/auth", Answer::json(200, &with(&begun, change.clone())))]).await;
        let error = provider.begin_device().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Misconfigured, "{change}: {error}");
    }
}
