//! Logins on a node of a cluster, with its PostgreSQL and without.

use std::sync::Arc;
use std::time::Duration;

use identity::State;

use super::{PASSWORD, WRONG, create, log_in, login, password, verdict};
use crate::config::{Offline, Settings};
use crate::directory::{Directory, Error, UserChange};
use crate::service::{Caller, Decision, NewAccount, PasswordChange, Verdict};
use crate::store::{Replicated, SqlDirectory};
use crate::testing::{Folder, TestNode, add_user, name, rules, until};

const WEEK: i64 = 7 * 24 * 60 * 60;

type Node = TestNode<Replicated<SqlDirectory>>;

/// A node that follows a server of its own, with the user ada, who has a password.
async fn node_and_server() -> (Node, servers::Postgres, SqlDirectory) {
    let server = servers::Postgres::start(servers::Options::default()).await;
    let url = server.fresh_database().await;
    let source = SqlDirectory::postgres(&url, 4).unwrap();
    source.migrate().await.unwrap();
    let folder = Folder::new();
    let replica = SqlDirectory::sqlite(&folder.join("replica.sqlite")).await.unwrap();
    let shared = SqlDirectory::postgres(&url, 4).unwrap();
    let directory = Arc::new(Replicated::new(Arc::new(shared), replica, false));
    tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.follow().await }
    });
    let node = TestNode::start_with(folder, directory).await;
    create(&node, "ada", NewAccount { password: password(PASSWORD), ..NewAccount::default() }).await;
    (node, server, source)
}

/// Logs ada in, and waits until that is remembered.
async fn ada_logs_in(node: &Node) {
    assert_eq!(verdict(node, "ada", PASSWORD).await, Verdict::Granted);
    let uuid = node.service.directory.credential(name("ada")).await.unwrap().unwrap().uuid;
    until("it is remembered", async || node.service.node.remembered(&uuid).await.unwrap().is_some()).await;
}

async fn server_dies(node: &Node, server: &mut servers::Postgres) {
    server.kill().await;
    until("it is missed", async || node.directory().contact().unwrap().trouble.is_some()).await;
}

/// What somebody with the right password is told when that cannot be decided.
async fn undecided(node: &Node, user: &str) -> String {
    let Decision { verdict, message } = log_in(node, login(user), PASSWORD).await;
    assert_eq!(verdict, Verdict::Unavailable);
    message.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logged_in_here_lately_gets_in_while_the_database_is_away() {
    let (node, mut server, source) = node_and_server().await;
    add_user(&source, "bob").await;
    ada_logs_in(&node).await;
    until("bob is known here", async || node.publishing.shows("bob")).await;
    server_dies(&node, &mut server).await;
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
    assert_eq!(verdict(&node, "ada", WRONG).await, Verdict::Denied);
    assert_eq!(verdict(&node, "nobody", PASSWORD).await, Verdict::Unknown);
    undecided(&node, "bob").await;
    let change = PasswordChange { old: None, new: password("another horse") };
    let refused = node.service.set_password(&Caller::Root, name("ada"), change).await;
    assert!(matches!(refused, Err(Error::Away(_))), "{refused:?}");

    node.clock.advance(WEEK - 1);
    assert_eq!(verdict(&node, "ada", PASSWORD).await, Verdict::Granted);
    node.clock.advance(1);
    undecided(&node, "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_of_another_password_is_worth_nothing() {
    let (node, mut server, source) = node_and_server().await;
    ada_logs_in(&node).await;
    source.set_password(name("ada"), Some("a hash of another password".into())).await.unwrap();
    let position = source.position().await.unwrap();
    node.publishing.published.reaches(&position, Duration::from_secs(30)).await.unwrap();
    server_dies(&node, &mut server).await;
    undecided(&node, "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_locked_elsewhere_stays_out_while_the_database_is_away() {
    let (node, mut server, source) = node_and_server().await;
    ada_logs_in(&node).await;
    let lock = UserChange { state: Some(State::Locked), ..UserChange::default() };
    let position = source.update_user(name("ada"), lock, &rules()).await.unwrap();
    node.publishing.published.reaches(&position, Duration::from_secs(30)).await.unwrap();
    server_dies(&node, &mut server).await;
    let account = node.service.check_account(&Caller::Root, "ada", "su").await.unwrap();
    assert_eq!(account.verdict, Verdict::AccountLocked);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_forbidden_nothing_is_remembered() {
    let (node, mut server, _) = node_and_server().await;
    ada_logs_in(&node).await;
    let offline = Offline { max_age: Duration::ZERO };
    let settings = Settings { offline, ..Settings::clone(&node.publishing.settings.borrow()) };
    node.publishing.settings.send_replace(Arc::new(settings));
    server_dies(&node, &mut server).await;
    undecided(&node, "ada").await;
}
