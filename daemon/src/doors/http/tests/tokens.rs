//! Who is asked for a token, and which are taken.

use axum::extract::FromRequestParts as _;
use axum::http::Request;

use super::super::bearer::Asking;
use super::*;
use crate::directory::{Networks, Scope, Scopes};
use crate::service::{Bearer, Caller, TokenRequest};
use crate::store::SqlDirectory;
use crate::testing::{SHARED_TOKEN, TestNode, add_user, name};

/// What becomes of a request with these Authorization headers.
async fn asking(http: &Arc<Http<SqlDirectory>>, headers: &[&str]) -> Result<Bearer, Response> {
    let mut request = Request::new(());
    for header in headers {
        request.headers_mut().append("authorization", HeaderValue::from_str(header).unwrap());
    }
    request.extensions_mut().insert(visitor_from("192.0.2.7"));
    let (mut parts, ()) = request.into_parts();
    match Asking::from_request_parts(&mut parts, http).await {
        Ok(Asking(Caller::Bearer(bearer))) => Ok(bearer),
        Ok(Asking(other)) => panic!("{other:?}"),
        Err(problem) => {
            let (parts, body) = problem.into_response().into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            Err(axum::http::Response::from_parts(parts, body).into())
        }
    }
}

/// A service, and a token of ada's that reads.
async fn service() -> (Arc<Http<SqlDirectory>>, String, TestNode) {
    let node = TestNode::start().await;
    add_user(node.directory(), "ada").await;
    let request = TokenRequest {
        owner: Some(name("ada")),
        name: "laptop".parse().unwrap(),
        scopes: Scopes::new([Scope::Read]).unwrap(),
        networks: Networks::default(),
        expires_at: None,
    };
    let (_, secret) = node.service.create_token(&Caller::Root, request).await.unwrap();
    node.publishing.settings.send_modify(|settings| {
        Arc::make_mut(settings).service.access_token = SHARED_TOKEN.to_owned().into();
    });
    let http = Http::new(Arc::clone(&node.service), watch::channel(false).1);
    (http, secret.expose().to_owned(), node)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shared_token_and_those_of_the_directory_are_taken() {
    let (http, token, _node) = service().await;
    let shared = asking(&http, &[&format!("Bearer {SHARED_TOKEN}")]).await.unwrap();
    assert_eq!(shared.scopes.to_string(), "read,authenticate,write,password");
    assert!(shared.readonly && !shared.own_passwords, "that is the default");
    let own = asking(&http, &[&format!("bearer {token}")]).await.unwrap();
    assert_eq!((own.token.as_str(), own.scopes.to_string().as_str()), ("ada/laptop", "read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_one_is_asked_for_and_a_wrong_one_is_refused() {
    let (http, token, node) = service().await;
    for none in [&[][..], &["Basic YWRhOng="], &["Bearer"]] {
        let refused = asking(&http, none).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"pody\"");
    }
    for wrong in
        ["Bearer x", "Bearer ", &format!("Bearer {SHARED_TOKEN}x"), &format!("Bearer {}", &token[..62])]
    {
        let refused = asking(&http, &[wrong]).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{wrong}");
        let told = body(refused).await;
        assert!(told["code"] == "wrong_token" && !told.to_string().contains(&token[..20]), "{told}");
    }
    let both = asking(&http, &[&format!("Bearer {SHARED_TOKEN}"), "Bearer x"]).await.unwrap_err();
    assert_eq!(both.status(), StatusCode::BAD_REQUEST);
    node.service.revoke_token(&Caller::Root, Some(name("ada")), "laptop".parse().unwrap()).await.unwrap();
    let revoked = asking(&http, &[&format!("Bearer {token}")]).await.unwrap_err();
    assert!(body(revoked).await["detail"].as_str().unwrap().contains("revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_away_is_no_reason_to_refuse_anybody() {
    let (http, token, node) = service().await;
    node.directory().close().await;
    let away = asking(&http, &[&format!("Bearer {token}")]).await.unwrap_err();
    assert_eq!(
        (away.status(), &away.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    assert!(asking(&http, &[&format!("Bearer {SHARED_TOKEN}")]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_the_token_and_what_may_be_changed() {
    let (http, _, node) = service().await;
    node.publishing.settings.send_modify(|settings| {
        let service = &mut Arc::make_mut(settings).service;
        service.access_token = "another".to_owned().into();
        (service.readonly, service.own_passwords) = (false, true);
    });
    assert!(asking(&http, &[&format!("Bearer {SHARED_TOKEN}")]).await.is_err());
    let bearer = asking(&http, &["Bearer another"]).await.unwrap();
    assert!(!bearer.readonly && bearer.own_passwords);
}
