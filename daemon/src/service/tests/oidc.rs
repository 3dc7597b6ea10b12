//! The OpenID provider, as those see it who set it up.

use std::sync::Arc;

use servers::{OidcOptions, OidcProvider};

use crate::config::{Oidc, Settings};
use crate::directory::Error;
use crate::service::Caller;
use crate::testing::{TestNode, name};

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
