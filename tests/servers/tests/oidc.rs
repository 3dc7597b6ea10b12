//! The OpenID provider that tests start is one: people approve and deny, keys turn over, answers can be replaced.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use reqwest::{Certificate, Client, StatusCode};
use serde_json::{Value, json};
use servers::{Answer, OidcOptions, OidcProvider};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[tokio::test]
async fn a_device_flow_ends_as_somebody_at_a_browser_says() {
    let provider = OidcProvider::start(OidcOptions::default()).await;
    let (device_code, user_code) = begin(&provider).await;
    assert_eq!(poll(&provider, &device_code).await["error"], "authorization_pending");
    provider.approve(&user_code, "sub-ada").await;
    let tokens = poll(&provider, &device_code).await;
    assert!(tokens["id_token"].is_string(), "{tokens}");

    let (device_code, user_code) = begin(&provider).await;
    provider.deny(&user_code).await;
    assert_eq!(poll(&provider, &device_code).await["error"], "access_denied");
    assert_eq!(provider.asked("/token").await, 3);
}

#[tokio::test]
async fn an_authorization_leads_back_with_a_code() {
    let provider = OidcProvider::start(OidcOptions::default()).await;
    let url = format!(
        "{}/auth?client_id=pody&response_type=code&scope=openid&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fcallback\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&state=x",
        provider.issuer()
    );
    let back = provider.log_in(&url, "sub-ada").await;
    assert!(back.starts_with("http://127.0.0.1:4711/callback?code="), "{back}");
}

#[tokio::test]
async fn a_provider_can_stop_and_turn_its_keys_over_and_say_what_a_test_wants() {
    let mut provider = OidcProvider::start(OidcOptions { alg: "ES256", ..OidcOptions::default() }).await;
    let keys = format!("{}/jwks", provider.issuer());
    let get = async |url: &str| http().get(url).send().await?.text().await;
    let first = get(&keys).await.unwrap();
    assert!(provider.key().await.contains("EC PRIVATE KEY"));
    provider.turn_keys_over().await;
    let second = get(&keys).await.unwrap();
    assert_ne!(first, second);

    provider.answer([("/jwks", Answer::json(503, &json!({ "a": 1 })))]).await;
    let answer = http().get(&keys).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.text().await.unwrap().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "{\"a\":1}")
    );
    provider.answer([]).await;
    assert_eq!(get(&keys).await.unwrap(), second);

    provider.stop().await;
    assert!(get(&keys).await.unwrap_err().is_connect());
    provider.start_again().await;
    assert_ne!(get(&keys).await.unwrap(), second);
}

#[tokio::test]
async fn a_provider_with_tls_shows_a_certificate_of_its_authority() {
    let provider = OidcProvider::start(OidcOptions { tls: true, ..OidcOptions::default() }).await;
    let discovery = format!("{}/.well-known/openid-configuration", provider.issuer());
    assert!(http().get(&discovery).send().await.unwrap_err().is_connect());
    let trusted = Certificate::from_pem(provider.authority().as_bytes()).unwrap();
    let http = Client::builder().no_proxy().add_root_certificate(trusted).build().unwrap();
    let document: Value = http.get(&discovery).send().await.unwrap().json().await.unwrap();
    assert_eq!(document["issuer"], provider.issuer());
}

/// Begins a device flow: the device's code, and the one that people type.
async fn begin(provider: &OidcProvider) -> (String, String) {
    let form = [("client_id", "pody"), ("scope", "openid profile")];
    let begun = post(&format!("{}/device/auth", provider.issuer()), &form).await;
    (begun["device_code"].as_str().unwrap().to_owned(), begun["user_code"].as_str().unwrap().to_owned())
}

async fn poll(provider: &OidcProvider, device_code: &str) -> Value {
    let form = [("client_id", "pody"), ("grant_type", GRANT), ("device_code", device_code)];
    post(&format!("{}/token", provider.issuer()), &form).await
}

async fn post(url: &str, form: &[(&str, &str)]) -> Value {
    http().post(url).form(form).send().await.unwrap().json().await.unwrap()
}

fn http() -> Client {
    Client::builder().no_proxy().build().unwrap()
}
