//! Tokens that look right: each differs from a good one by one thing.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_token_proves_something_only_if_all_of_it_is_right() {
    let (idp, provider) = start().await;
    let forger = Forger::of(&idp, &provider).await;
    let (header, claims, now) = (forger.header(), forger.claims(), Clock::System.unix_seconds());
    let with_claims = |changes| forger.token(&with(&claims, changes));
    let with_header = |changes| forger.signed(&with(&header, changes), &claims);

    let good = [
        ("nothing changed", with_claims(json!({}))),
        ("a list of one audience", with_claims(json!({ "aud": ["pody"] }))),
        ("issued to this client", with_claims(json!({ "azp": "pody" }))),
        ("ended within the skew", with_claims(json!({ "exp": now - 30 }))),
        ("issued within the skew", with_claims(json!({ "iat": now + 30 }))),
        ("valid since now", with_claims(json!({ "nbf": now }))),
        ("no key named, of one", with_header(json!({ "kid": null }))),
        ("a verified address, in words", with_claims(json!({ "email": "a@b", "email_verified": "true" }))),
        ("one group, in words", with_claims(json!({ "groups": "staff" }))),
    ];
    for (what, token) in &good {
        let claims = provider.verify(token).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(claims.subject, "sub-ada", "{what}");
    }

    let signature = good[0].1.rsplit_once('.').unwrap().1;
    let others = with(&claims, json!({ "sub": "sub-eve" }));
    let bad = [
        ("no signature", format!("{}.", unsigned(&json!({ "alg": "none" }), &claims))),
        ("no signature, spelt otherwise", format!("{}.", unsigned(&json!({ "alg": "None" }), &claims))),
        ("signed with the public key", forger.signed_with_the_public_key(&claims, &modulus(&idp).await)),
        ("another's claims under a good signature", format!("{}.{signature}", unsigned(&header, &others))),
        ("RS256 said to be PS256", with_header(json!({ "alg": "PS256" }))),
        ("RS256 said to be ES256", with_header(json!({ "alg": "ES256" }))),
        ("another audience", with_claims(json!({ "aud": "another" }))),
        ("no audience", with_claims(json!({ "aud": null }))),
        ("an audience of nobody", with_claims(json!({ "aud": [] }))),
        ("another audience, too", with_claims(json!({ "aud": ["pody", "another"] }))),
        ("issued to another client", with_claims(json!({ "azp": "another" }))),
        ("another issuer", with_claims(json!({ "iss": "https://another.example" }))),
        ("nearly the issuer", with_claims(json!({ "iss": format!("{}/", idp.issuer()) }))),
        ("no issuer", with_claims(json!({ "iss": null }))),
        ("ended", with_claims(json!({ "exp": now - 70 }))),
        ("no end", with_claims(json!({ "exp": null }))),
        ("issued in the future", with_claims(json!({ "iat": now + 200, "exp": now + 900 }))),
        ("not valid yet", with_claims(json!({ "nbf": now + 200 }))),
        ("an unknown key", with_header(json!({ "kid": "unknown" }))),
        ("an access token", with_header(json!({ "typ": "at+jwt" }))),
        ("what is not understood and critical", with_header(json!({ "crit": ["b64"], "b64": false }))),
        ("a key of its own", with_header(json!({ "kid": "x", "jwk": { "kty": "oct", "k": "AAAA" } }))),
        ("nobody", with_claims(json!({ "sub": null }))),
        ("nobody, by name", with_claims(json!({ "sub": "" }))),
        ("a subject without end", with_claims(json!({ "sub": "x".repeat(256) }))),
        ("a subject that commands terminals", with_claims(json!({ "sub": "\u{1b}[2J" }))),
        ("a name that commands terminals", with_claims(json!({ "preferred_username": "ada\n" }))),
        ("a name without end", with_claims(json!({ "name": "x".repeat(256) }))),
        ("groups that are a number", with_claims(json!({ "groups": 7 }))),
        ("groups that are numbers", with_claims(json!({ "groups": ["staff", 7] }))),
        ("groups without end", with_claims(json!({ "groups": vec!["g"; 1001] }))),
        ("a token without end", with_claims(json!({ "x": "x".repeat(33_000) }))),
        ("no token", "a.b.c".to_owned()),
        ("nothing", String::new()),
    ];
    for (what, token) in bad {
        let error = provider.verify(&token).await.map(|claims| panic!("{what}: {claims:?}")).unwrap_err();
        assert_eq!(error.trouble, Trouble::InvalidToken, "{what}: {error}");
        let shown = error.to_string();
        assert!(
            !shown.contains(char::is_control) && !shown.contains(signature) && shown.len() < 600,
            "{what}: {shown}"
        );
    }

    idp.turn_keys_over().await;
    let stranger = Forger { key: Forger::of(&idp, &provider).await.key, ..forger };
    let error = provider.verify(&stranger.token(&claims)).await.unwrap_err();
    assert_eq!(
        error.trouble,
        Trouble::InvalidToken,
        "signed with a key that another name belongs to: {error}"
    );
}

/// The public key, as anybody can read it.
async fn modulus(idp: &OidcProvider) -> String {
    let keys: Value = reqwest::get(format!("{}/jwks", idp.issuer())).await.unwrap().json().await.unwrap();
    keys["keys"][0]["n"].as_str().unwrap().to_owned()
}
