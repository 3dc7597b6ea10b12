//! Logins on a node whose users are an original Pody's, which judges passwords and never says when one was set.

use std::sync::Arc;
use std::time::Duration;

use servers::Pody04;
use servers::pody04::TOKEN;

use super::{PASSWORD, WRONG, verdict};
use crate::config::{Compat, Provider, Secret, Settings};
use crate::directory::{Directory, Error};
use crate::service::{Caller, PasswordChange, Verdict};
use crate::store::{NodeStore, Pody04Directory, Remembered, Replicated, SqlDirectory};
use crate::testing::{Folder, NOW, TestNode, find_user, secret, until};

const NEW: &str = "another horse";
const WEEK: i64 = 7 * 24 * 60 * 60;

type Node = TestNode<Replicated<Pody04Directory>>;

/// A node that has the user ada from this server.
async fn node_of(server: &Pody04) -> Node {
    let provider = Provider {
        enabled: true,
        endpoint: server.url().parse().unwrap(),
        access_token: Secret::from(TOKEN.to_owned()),
        timeout: Duration::from_secs(2),
        compat: Compat::Pody04,
        ..Provider::default()
    };
    let folder = Folder::new();
    let uids = NodeStore::open(&folder.join("uids.sqlite"), NOW).await.unwrap();
    let source = Pody04Directory::new(&provider, &Settings::default(), uids).unwrap();
    let replica = SqlDirectory::sqlite(&folder.join("replica.sqlite")).await.unwrap();
    let directory = Arc::new(Replicated::new(Arc::new(source), replica, false));
    tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.follow().await }
    });
    server.add("ada", PASSWORD);
    let node = TestNode::start_with(folder, directory).await;
    until("ada is known here", async || node.publishing.look().is_ok() && node.publishing.shows("ada")).await;
    node
}

async fn remembered(node: &Node) -> Option<Remembered> {
    let uuid = find_user(node.directory(), "ada").await.unwrap().user.uuid;
    node.service.node.remembered(&uuid).await.unwrap()
}

async fn ada_logs_in(node: &Node, password: &str) {
    let before = remembered(node).await.map(|remembered| remembered.hash);
    assert_eq!(verdict(node, "ada", password).await, Verdict::Granted);
    until("it is remembered", async || remembered(node).await.map(|now| now.hash) != before).await;
}

async fn server_dies(node: &Node, server: &mut Pody04) {
    server.stop();
    until("it is missed", async || node.directory().contact().unwrap().trouble.is_some()).await;
}

/// Whether nobody can say now if this is ada's password.
async fn is_undecided(node: &Node, password: &str) -> bool {
    verdict(node, "ada", password).await == Verdict::Unavailable
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logged_in_here_lately_gets_in_while_it_is_away() {
    let mut server = Pody04::start();
    let node = node_of(&server).await;
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    ada_logs_in(&node, PASSWORD).await;
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    server_dies(&node, &mut server).await;
    assert_eq!(
        verdict(&node, "ada", PASSWORD).await,
        Verdict::Granted,
        "a slip of the finger forgets nothing"
    );
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    node.clock.advance(WEEK + 1);
    assert!(is_undecided(&node, PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_there_is_forgotten_when_that_shows() {
    let mut server = Pody04::start();
    let node = node_of(&server).await;
    ada_logs_in(&node, PASSWORD).await;
    server.set_password("ada", NEW);
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Denied);
    until("it is forgotten", async || remembered(&node).await.is_none()).await;
    ada_logs_in(&node, NEW).await;
    server.set_password("ada", PASSWORD);
    ada_logs_in(&node, PASSWORD).await;
    server_dies(&node, &mut server).await;
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted, "the last one that was right");
    assert_eq!(verdict(&node, "ada", NEW).await, Verdict::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_changed_from_here_and_one_is_told_where() {
    let server = Pody04::start();
    let node = node_of(&server).await;
    let change = PasswordChange { old: Some(secret(PASSWORD)), new: Some(secret(NEW)) };
    let refused = node.service.change_password(&Caller::Root, "ada", change).await;
    let Err(Error::ReadOnly(words)) = refused else { panic!("{refused:?}") };
    assert!(words.contains("pody-user"), "{words}");
}
