//! `auth.mode = "oidc-only"`: whatever a password could be made, taken or checked by is refused.

use std::sync::Arc;

use super::{PASSWORD, create, login, password};
use crate::config::{Auth, AuthMode, Settings};
use crate::directory::{Batch, Directory, Error, NewUser};
use crate::service::{Caller, NewAccount, PasswordChange, Step};
use crate::testing::{TestNode, name, new_user, secret};

/// A node that had passwords, and takes none any more.
async fn node_that_had_passwords() -> (TestNode, String) {
    let node = TestNode::start().await;
    create(&node, "ada", NewAccount { password: password(PASSWORD), ..NewAccount::default() }).await;
    let step = node.service.begin_login(&Caller::Root, login("ada")).await.unwrap();
    let Step::AskPassword { login } = step else { panic!("{step:?}") };
    let settings = node.service.current_settings();
    let auth = Auth { mode: AuthMode::OidcOnly, ..settings.auth.clone() };
    node.publishing.settings.send_replace(Arc::new(Settings { auth, ..Settings::clone(&settings) }));
    (node, login)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_makes_takes_or_checks_a_password() {
    let (node, login_from_before) = node_that_had_passwords().await;
    let (service, ada, root) = (&node.service, name("ada"), &Caller::Root);
    let hash = service.directory.credential(ada).await.unwrap().unwrap().hash.unwrap();
    let change =
        |old: Option<&str>, new: Option<&str>| PasswordChange { old: old.map(secret), new: new.map(secret) };
    let (old, new) = (Some(PASSWORD), Some("another horse"));
    let account = NewAccount { password: password(PASSWORD), ..NewAccount::default() };
    let refused: Vec<(&str, Result<(), Error>)> = vec![
        (
            "a login that began before",
            service.answer_login(root, &login_from_before, secret(PASSWORD)).await.map(drop),
        ),
        ("another node asks", service.authenticate(root, ada, "node7", secret(PASSWORD)).await.map(drop)),
        (
            "passwd, the old one alone",
            service.change_password(root, "ada", change(old, None)).await.map(drop),
        ),
        ("passwd, both", service.change_password(root, "ada", change(old, new)).await.map(drop)),
        ("passwd by root", service.change_password(root, "ada", change(None, new)).await.map(drop)),
        ("set by an admin", service.set_password(root, ada, change(None, new)).await.map(drop)),
        ("set by its owner", service.set_password(&Caller::User(ada), ada, change(old, new)).await.map(drop)),
        ("set by its hash", service.set_password_hash(root, ada, None, hash.clone()).await.map(drop)),
        ("a new user with one", service.create_user(root, name("bob"), account).await.map(drop)),
        ("an import", service.keepable_hash(hash.clone()).map(drop)),
    ];
    for (what, outcome) in refused {
        let Err(Error::Refused(why)) = outcome else { panic!("{what}: {outcome:?}") };
        assert!(why.contains("oidc-only"), "{what}: {why}");
    }
    let bob = NewUser { password: Some(hash.clone()), ..new_user("bob") };
    let batch = Batch { users: vec![bob], ..Batch::default() };
    let (refused, _) = service.create_batch(root, batch, false).await.unwrap();
    assert!(matches!(&refused[0].error, Error::Refused(_)), "a batch of another node: {refused:?}");
    assert!(service.directory.user(crate::directory::Key::Name(name("bob"))).await.unwrap().is_none());
    assert_eq!(
        service.directory.credential(ada).await.unwrap().unwrap().hash,
        Some(hash),
        "nothing has changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_left_over_can_be_taken_away() {
    let (node, _) = node_that_had_passwords().await;
    let change = PasswordChange { old: None, new: None };
    node.service.set_password(&Caller::Root, name("ada"), change).await.unwrap();
    assert_eq!(node.service.directory.credential(name("ada")).await.unwrap().unwrap().hash, None);
}
