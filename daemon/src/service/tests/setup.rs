//! What podyd says to a first setup: who may, and whether a configuration that is not in force would do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::create;
use crate::config::{Auth, AuthMode, Settings};
use crate::directory::Error;
use crate::service::{Caller, NewAccount};
use crate::testing::{TestNode, name};

const ROOT: Caller = Caller::Root;

fn files(text: &str) -> BTreeMap<PathBuf, crate::config::Secret> {
    BTreeMap::from([(PathBuf::from("/etc/pody/secret"), text.to_owned().into())])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_set_up_by_root_while_it_has_no_admin() {
    let node = TestNode::start().await;
    create(&node, "ada", NewAccount::default()).await;
    let state = node.service.setup_state(&ROOT).await.unwrap();
    assert_eq!((state.section, state.users), (None, 1));
    for caller in [Caller::Admin(name("eve")), Caller::User(name("ada")), Caller::Other(1000)] {
        let refused = node.service.setup_state(&caller).await.unwrap_err();
        assert!(matches!(&refused, Error::Refused(why) if why.contains("only root")), "{refused}");
        assert!(matches!(node.service.reload(&caller), Err(Error::Refused(_))));
    }
    create(&node, "eve", NewAccount { is_admin: true, ..NewAccount::default() }).await;
    let conflict = node.service.setup_state(&ROOT).await.unwrap_err();
    assert!(matches!(&conflict, Error::Conflict(why) if why.contains("eve is an admin")), "{conflict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_nothing_to_set_up_where_no_password_counts() {
    let node = TestNode::start().await;
    let settings = node.service.current_settings();
    let auth = Auth { mode: AuthMode::OidcOnly, ..settings.auth.clone() };
    node.publishing.settings.send_replace(Arc::new(Settings { auth, ..Settings::clone(&settings) }));
    let nothing = BTreeMap::new();
    for refused in [
        node.service.setup_state(&ROOT).await.map(drop),
        node.service.try_directory(&ROOT, "", &nothing).await.map(drop),
        node.service.try_provider(&ROOT, "", &nothing).await.map(drop),
        node.service.compare(&ROOT, "", &nothing).map(drop),
    ] {
        assert!(matches!(&refused, Err(Error::Refused(why)) if why.contains("oidc-only")), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_configuration_would_change_is_told_and_what_is_wrong_with_it() {
    let node = TestNode::start().await;
    let compare = |config: &str| node.service.compare(&ROOT, config, &files("a-secret"));
    let oidc = "[oidc]\nissuer = \"https://a.example\"\nclient_id = \"pody\"\nclient_secret_file = \"/etc/pody/secret\"\n";
    let own = "[auth.lockout]\nuser_failures = 3\n";
    let difference = compare(&format!("{own}{oidc}")).unwrap();
    assert_eq!(difference.applied, ["oidc.issuer", "oidc.client_id", "oidc.client_secret"]);
    assert_eq!(difference.needs_restart, [""; 0]);
    let node_of = "[remote_user_profile.provider]\nenabled = true\nendpoint = \"https://a.example\"\n\
                   access_token_file = \"/etc/pody/secret\"\n";
    assert_eq!(compare(&format!("{own}{node_of}")).unwrap().needs_restart, ["remote_user_profile.provider"]);
    for (wrong, expected) in [
        (
            node_of.replace("/etc/pody/secret", "/etc/pody/nowhere"),
            "access_token_file: /etc/pody/nowhere cannot be read",
        ),
        ("[nonsense]\n".to_owned(), "nonsense: is not a setting"),
    ] {
        let error = compare(&wrong).unwrap_err();
        assert!(error.to_string().contains(expected) && !error.to_string().contains("a-secret"), "{error}");
    }
}

#[cfg(feature = "backend-postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_tried_before_anything_hangs_on_it() {
    use crate::directory::Directory;
    use crate::store::SqlDirectory;

    let node = TestNode::start().await;
    let url = servers::postgres().await.fresh_database().await;
    let config = "[backend.postgres]\nurlFile = \"/etc/pody/secret\"\n";
    let attempt = async |url: &str| node.service.try_directory(&ROOT, config, &files(url)).await;

    let tried = attempt(&url).await.unwrap();
    assert!(
        tried.needs_tables && tried.users.is_none() && tried.steps.iter().all(|step| step.outcome.is_ok())
    );
    let (rest, database) = url.rsplit_once('/').unwrap();
    let (who, host) = rest.rsplit_once('@').unwrap();
    let (user, password) = who.rsplit_once(':').unwrap();
    for wrong in [
        format!("{user}:guess@{host}/{database}"),
        format!("{who}@{host}/nowhere"),
        format!("{who}@127.0.0.1:1/{database}"),
    ] {
        let tried = attempt(&wrong).await.unwrap();
        let error = tried.steps[0].outcome.as_ref().unwrap_err().to_string();
        assert!(tried.steps.len() == 1 && !error.contains(password) && !error.contains("guess"), "{error}");
    }
    let nonsense = attempt("ftp://x").await.unwrap_err();
    assert!(nonsense.to_string().contains("postgres://"), "{nonsense}");
    assert!(node.service.try_directory(&ROOT, "", &BTreeMap::new()).await.is_err(), "it names none");

    let directory = Arc::new(SqlDirectory::postgres(&url, 2).unwrap());
    directory.migrate().await.unwrap();
    let other = TestNode::start_with(crate::testing::Folder::new(), Arc::clone(&directory)).await;
    create(&other, "ada", NewAccount { is_admin: true, ..NewAccount::default() }).await;
    let tried = attempt(&url).await.unwrap();
    assert_eq!((tried.needs_tables, tried.users, tried.admin), (false, Some(1), Some(name("ada"))));
    assert_eq!(tried.location, directory.describe().1);
}
