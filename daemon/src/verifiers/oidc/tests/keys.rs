//! Keys: fetched late, kept, and fetched again for a reason.

use serde_json::json;

use super::*;

#[tokio::test]
async fn nobody_is_asked_before_somebody_logs_in_and_then_once() {
    let (idp, provider) = start().await;
    assert_eq!(idp.asked("/.well-known/openid-configuration").await, 0);
    log_in(&idp, &provider, "sub-ada").await;
    log_in(&idp, &provider, "sub-bob").await;
    assert_eq!((idp.asked("/.well-known/openid-configuration").await, idp.asked("/jwks").await), (1, 1));
}

#[tokio::test]
async fn keys_may_turn_over_in_the_middle_of_a_login() {
    let (idp, provider) = start().await;
    log_in(&idp, &provider, "sub-bob").await;
    let mut login = provider.begin_device().await.unwrap();
    idp.approve(&login.user_code, "sub-ada").await;
    idp.turn_keys_over().await;
    let signed_in = provider.poll_device(&mut login).await.unwrap().unwrap();
    assert_eq!(signed_in.claims.subject, "sub-ada");
    assert_eq!(idp.asked("/jwks").await, 2);
}

#[tokio::test]
async fn made_up_keys_do_not_make_us_hammer_the_provider() {
    let (idp, provider) = start().await;
    let forger = Forger::of(&idp, &provider).await;
    let good = forger.token(&forger.claims());
    for number in 0..50 {
        let header = with(&forger.header(), json!({ "kid": format!("made up {number}") }));
        let error =
            provider.verify(&format!("{}.AAAA", unsigned(&header, &forger.claims()))).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::InvalidToken);
    }
    // One for the forger, one for the first token, one for all that could not be explained.
    assert_eq!(idp.asked("/jwks").await, 3);
    provider.verify(&good).await.unwrap();
    assert_eq!(idp.asked("/jwks").await, 3);
}

#[tokio::test]
async fn many_who_wait_for_a_provider_that_stands_still_wait_for_one_answer() {
    let (mut idp, _) = start().await;
    let timeout = std::time::Duration::from_secs(1);
    let provider = Arc::new(Provider::new(&Oidc { timeout, ..settings(&idp) }, Clock::System).unwrap());
    idp.freeze();
    let began = tokio::time::Instant::now();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move { provider.begin_device().await.unwrap_err().trouble })
        })
        .collect();
    for one in waiting {
        assert_eq!(one.await.unwrap(), Trouble::Away);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}
