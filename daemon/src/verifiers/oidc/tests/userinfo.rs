//! What a provider says of somebody at its userinfo endpoint alone.

use std::time::Duration;

use servers::Answer;
use tokio::time::Instant;

use super::*;

const USERINFO: &str = "/me";

async fn start_telling_apart() -> (OidcProvider, Oidc) {
    let options = OidcOptions { claims_by_userinfo: true, ..OidcOptions::default() };
    let idp = OidcProvider::start(options).await;
    let settings = Oidc { userinfo: true, timeout: Duration::from_secs(1), ..settings(&idp) };
    (idp, settings)
}

fn client(settings: &Oidc) -> Provider {
    Provider::new(settings, Clock::System).unwrap()
}

#[tokio::test]
async fn what_the_token_leaves_out_is_asked_for_where_that_is_wanted() {
    let (idp, settings) = start_telling_apart().await;
    let told = log_in(&idp, &client(&settings), "sub-ada").await.claims;
    assert_eq!(told.groups, Some(vec!["staff".to_owned(), "engines".to_owned()]));
    assert_eq!((told.email.as_deref(), told.email_verified), (Some("ada@example.test"), true));
    assert_eq!(
        (told.preferred_username.as_deref(), told.name.as_deref()),
        (Some("ada"), Some("Ada Lovelace"))
    );
    assert_eq!((told.subject.as_str(), told.issuer.as_str()), ("sub-ada", idp.issuer()));
    assert_eq!(told.texts("groups"), ["staff", "engines"], "lists of claims find them, too");

    let asked = idp.asked(USERINFO).await;
    let unasked = log_in(&idp, &client(&Oidc { userinfo: false, ..settings }), "sub-ada").await.claims;
    assert_eq!((unasked.groups, unasked.email), (None, None));
    assert_eq!(idp.asked(USERINFO).await, asked);
}

#[tokio::test]
async fn every_wrong_answer_lets_nobody_in_and_ends_in_time() {
    let (idp, settings) = start_telling_apart().await;
    let said = |said: Value| Answer::json(200, &said);
    for (what, answer, trouble) in [
        ("somebody else", said(json!({ "sub": "sub-bob", "groups": ["staff"] })), Trouble::InvalidToken),
        ("nobody", said(json!({ "groups": ["staff"] })), Trouble::InvalidToken),
        ("no list", said(json!({ "sub": "sub-ada", "groups": 7 })), Trouble::InvalidToken),
        ("no text", said(json!({ "sub": "sub-ada", "email": ["ada@example.test"] })), Trouble::InvalidToken),
        ("a terminal's", said(json!({ "sub": "sub-ada", "name": "\u{1b}[2J" })), Trouble::InvalidToken),
        ("too long", said(json!({ "sub": "sub-ada", "email": "x".repeat(300) })), Trouble::InvalidToken),
        ("garbage", Answer::garbage(), Trouble::Misconfigured),
        ("a list", said(json!([])), Trouble::Misconfigured),
        ("not this token", Answer::json(401, &json!({})), Trouble::Misconfigured),
        ("no end", Answer::forever(), Trouble::Misconfigured),
        ("elsewhere", Answer::redirect(&format!("{}/jwks", idp.issuer())), Trouble::Misconfigured),
        ("not now", Answer::json(503, &json!({})), Trouble::Away),
        ("nothing", Answer::never(), Trouble::Away),
    ] {
        idp.answer([(USERINFO, answer)]).await;
        let provider = client(&settings);
        let mut login = provider.begin_device().await.unwrap();
        idp.approve(&login.user_code, "sub-ada").await;
        let (asked, deadline) = (idp.asked("/token").await, Instant::now() + Duration::from_secs(60));
        let error = provider.finish_device(&mut login, deadline).await.unwrap_err();
        assert_eq!(error.trouble, trouble, "{what}: {error}");
        assert!(!error.to_string().contains('\u{1b}'), "{what}: {error}");
        assert_eq!(idp.asked("/token").await, asked + 1, "{what}: a code is good for one question");
        idp.answer([]).await;
    }
}
