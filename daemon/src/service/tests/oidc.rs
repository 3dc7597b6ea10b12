//! The OpenID provider, as those see it who set it up.

use std::sync::Arc;

use servers::{OidcOptions, OidcProvider};

use crate::config::{Oidc, Settings};
use crate::directory::Error;
use crate::service::Caller;
use crate::testing::{TestNode, name, secret};

#[tokio::test(flavor = "multi_thread")]
async fn admins_try_the_provider_that_is_set_now() {
    let node = TestNode::start().await;
    let error = node.service.check_oidc(&Caller::Root).await.unwrap_err();
    assert!(matches!(&error, Error::NotFound(why) if why.contains("OIDC_ISSUER")), "{error}");

    let idp = OidcProvider::start(OidcOptions::default()).await;
    let oidc =
        Oidc { issuer: idp.issuer().parse().unwrap(), client_id: "pody".parse().unwrap(), ..Oidc::default() };
    let settings = Settings { oidc, ..Settings::clone(&node.publishing.settings.borrow()) };
    node.publishing.settings.send_replace(Arc::new(settings));
    for caller in [Caller::Root, Caller::Admin(name("eve"))] {
        let (oidc, checks) = node.service.check_oidc(&caller).await.unwrap();
        assert_eq!(oidc.issuer.as_str(), idp.issuer());
        // The clock of a test's node stands in another year.
        let failed: Vec<_> =
            checks.iter().filter(|check| check.outcome.is_err()).map(|check| check.name).collect();
        assert_eq!(failed, ["clock"], "{checks:?}");
    }
    for caller in [Caller::User(name("bob")), Caller::Other(1000)] {
        let refused = node.service.check_oidc(&caller).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{caller:?}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_kept_until_its_settings_change() {
    let node = TestNode::start().await;
    assert!(node.service.provider().is_none());
    set(&node, |settings| settings.oidc = provider("https://a.example"));
    let first = node.service.provider().unwrap().unwrap();
    set(&node, |settings| settings.oidc_users.create = true);
    assert!(Arc::ptr_eq(&first, &node.service.provider().unwrap().unwrap()), "another setting is no reason");
    set(&node, |settings| settings.oidc.client_secret = "s".to_owned().into());
    let second = node.service.provider().unwrap().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(node.service.health(&Caller::Root).await.unwrap().warnings.is_empty());

    let missing = node.folder.join("ca.pem");
    set(&node, |settings| settings.oidc.ca_file = Some(missing));
    let warnings = node.service.health(&Caller::Root).await.unwrap().warnings.join("; ");
    assert!(warnings.contains("nobody can log in") && warnings.contains("ca.pem"), "{warnings}");
    set(&node, |settings| settings.oidc = Oidc::default());
    assert!(node.service.provider().is_none());
    assert!(node.service.health(&Caller::Root).await.unwrap().warnings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_nodes_word_for_somebody_is_checked_before_anybody_is_let_in() {
    let node = TestNode::start().await;
    let provision = async |caller: &Caller, token: &str| {
        node.service.arrive_by_token(caller, name("ada"), None, secret(token)).await.unwrap_err()
    };
    let none = provision(&Caller::Root, "a.b.c").await;
    assert!(matches!(&none, Error::Refused(why) if why.contains("no OpenID provider")), "{none}");
    let idp = OidcProvider::start(OidcOptions::default()).await;
    set(&node, |settings| settings.oidc = provider(idp.issuer()));
    for caller in [Caller::User(name("ada")), Caller::Other(1000)] {
        let refused = provision(&caller, "a.b.c").await;
        assert!(refused.to_string().contains("only root and Pody's admins"), "{refused}");
    }
    let forged = provision(&Caller::Root, "a.b.c").await;
    assert!(matches!(&forged, Error::Refused(why) if why.contains("ID token is refused")), "{forged}");
}

fn provider(issuer: &str) -> Oidc {
    Oidc { issuer: issuer.parse().unwrap(), client_id: "pody".parse().unwrap(), ..Oidc::default() }
}

fn set(node: &TestNode, change: impl FnOnce(&mut Settings)) {
    let mut settings = Settings::clone(&node.publishing.settings.borrow());
    change(&mut settings);
    node.publishing.settings.send_replace(Arc::new(settings));
}
