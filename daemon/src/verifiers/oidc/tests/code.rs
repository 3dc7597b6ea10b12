//! Authorization codes, by a browser on this machine.

use serde_json::json;
use servers::Answer;

use super::*;

/// A browser goes to the provider and comes back; what it brings.
async fn browse(idp: &OidcProvider, login: &CodeLogin, subject: &str) -> String {
    let back = idp.log_in(login.url.as_str(), subject).await;
    let (place, query) = back.split_once('?').unwrap();
    assert_eq!(place, "http://127.0.0.1:4711/callback");
    query.to_owned()
}

async fn begin(provider: &Provider) -> CodeLogin {
    provider.begin_code("http://127.0.0.1:4711/callback".parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_browser_brings_a_code_that_is_exchanged_once() {
    let (idp, provider) = start().await;
    let login = begin(&provider).await;
    let query = browse(&idp, &login, "sub-ada").await;
    let shown = format!("{login:?}");
    assert!(!shown.contains(login.verifier.secret()) && !shown.contains(login.state.secret()), "{shown}");
    let signed_in = provider.finish_code(login, &query).await.unwrap();
    assert_eq!(signed_in.claims.subject, "sub-ada");

    // The same code for another login: PKCE and state are its own.
    let error = provider.finish_code(begin(&provider).await, &query).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Denied, "{error}");
    let mut other = begin(&provider).await;
    let state = query.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap();
    other.state = openidconnect::CsrfToken::new(state.to_owned());
    let error = provider.finish_code(other, &query).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Expired, "{error}");
}

#[tokio::test]
async fn a_token_of_another_login_is_not_taken() {
    let (idp, provider) = start().await;
    let first = begin(&provider).await;
    let query = browse(&idp, &first, "sub-ada").await;
    let replayed = provider.finish_code(first, &query).await.unwrap().id_token;

    for token in [replayed.expose().to_owned(), {
        let forger = Forger::of(&idp, &provider).await;
        forger.token(&forger.claims())
    }] {
        let second = begin(&provider).await;
        let query = browse(&idp, &second, "sub-ada").await;
        idp.answer([("/token", Answer::json(200, &json!({ "id_token": token })))]).await;
        let error = provider.finish_code(second, &query).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::InvalidToken, "{error}");
        assert!(error.to_string().contains("nonce"), "{error}");
        idp.answer([]).await;
    }
}

#[tokio::test]
async fn what_a_browser_brings_is_an_answer_to_the_question() {
    let (idp, provider) = start().await;
    let (issuer, asked) = (idp.issuer().replace(':', "%3A"), idp.asked("/token").await);
    for (query, trouble) in [
        ("code=x", Trouble::Denied),
        ("code=x&state=guessed", Trouble::Denied),
        ("code=x&state={state}&iss=https%3A%2F%2Fanother.example", Trouble::Denied),
        ("state={state}&iss={issuer}", Trouble::Denied),
        ("error=access_denied&state={state}&code=x", Trouble::Denied),
        ("error=temporarily_unavailable&state={state}", Trouble::Away),
        ("error=invalid_scope&error_description=%1b%5b2J&state={state}", Trouble::Misconfigured),
    ] {
        let login = begin(&provider).await;
        let query = query.replace("{state}", login.state.secret()).replace("{issuer}", &issuer);
        let error = provider.finish_code(login, &query).await.unwrap_err();
        assert_eq!(error.trouble, trouble, "{query}: {error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    assert_eq!(idp.asked("/token").await, asked, "none of these is a code for this login");
}
