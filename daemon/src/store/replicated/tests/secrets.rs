//! A replica on libSQL that answers for passwords and tokens while the database is away (`replicaPath`).

use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use crate::config::Offline;
use crate::directory::{NewToken, TokenLookup};
use crate::store::hrana::Endpoint;
use crate::store::sql::SqlDirectory;
use crate::testing::{Folder, NOW, add_user, find_user, name, new_user, rules, until};

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn source(server: &servers::Hrana, sync_interval: Option<Duration>) -> SqlDirectory {
    let endpoint = Endpoint { url: server.url(), auth_token: None };
    SqlDirectory::libsql(&endpoint, sync_interval).unwrap()
}

/// The directory there, with ada.
async fn primary(server: &servers::Hrana) -> SqlDirectory {
    let primary = source(server, None);
    primary.migrate().await.unwrap();
    add_user(&primary, "ada").await;
    primary
}

async fn is_current(node: &impl Directory) {
    until("the first copy is there", async || node.contact().unwrap().current_at.is_some()).await;
}

/// A node whose copy stands in for so long, by this clock.
async fn node_by(
    clock: &Clock,
    max_age: Duration,
    folder: &Folder,
    server: &servers::Hrana,
    sync_interval: Option<Duration>,
) -> (Arc<Replicated<SqlDirectory>>, tokio::task::JoinHandle<()>) {
    let replica = SqlDirectory::replica(&folder.join("secrets.sqlite")).await.unwrap();
    let memory = NodeStore::open(&folder.join("node.sqlite"), NOW).await.unwrap();
    let settings = Settings { offline: Offline { max_age }, ..Settings::default() };
    let directory = Replicated::new(Arc::new(source(server, sync_interval)), replica, false);
    let directory =
        Arc::new(directory.holding_secrets(memory, watch::channel(settings.into()).1, clock.clone()));
    let following = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.follow().await }
    });
    (directory, following)
}

async fn node(
    folder: &Folder,
    server: &servers::Hrana,
    sync_interval: Option<Duration>,
) -> (Arc<Replicated<SqlDirectory>>, tokio::task::JoinHandle<()>) {
    node_by(&Clock::set_to(NOW), A_WEEK, folder, server, sync_interval).await
}

fn new_token(owner: &str, number: u8) -> NewToken {
    NewToken {
        uuid: crate::service::new_uuid(),
        owner: name(owner),
        name: format!("token{number}").parse().unwrap(),
        hash: format!("{number:064x}").parse().unwrap(),
        scopes: "read".parse().unwrap(),
        networks: "".parse().unwrap(),
        expires_at: None,
        created_at: 0,
    }
}

async fn knows(directory: &impl Directory, token: &NewToken) -> bool {
    matches!(directory.token(&token.hash).await.unwrap(), TokenLookup::Found(_))
}

async fn hash_of(directory: &impl Directory, user: &str) -> Option<String> {
    directory.credential(name(user)).await.unwrap().and_then(|credential| credential.hash)
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_tokens_are_known_while_the_database_is_away_and_after_a_restart() {
    let folder = Folder::new();
    let mut server = servers::Hrana::start(servers::hrana::Options::default());
    let primary = primary(&server).await;
    primary.set_password(name("ada"), Some("first".into())).await.unwrap();
    let [one, other] = [new_token("ada", 1), new_token("ada", 2)];
    primary.create_token(one.clone()).await.unwrap();
    let (here, following) = node(&folder, &server, Some(Duration::from_millis(100))).await;
    is_current(&*here).await;
    assert_eq!(hash_of(&*here, "ada").await.as_deref(), Some("first"), "with the whole copy");
    assert!(knows(&*here, &one).await);

    primary.set_password(name("ada"), Some("second".into())).await.unwrap();
    primary.create_token(other.clone()).await.unwrap();
    primary.revoke_token(name("ada"), one.name.clone()).await.unwrap();
    until("the change is there", async || knows(&here.replica, &other).await).await;
    until("the revocation is there", async || !knows(&here.replica, &one).await).await;
    assert_eq!(hash_of(&here.replica, "ada").await.as_deref(), Some("second"));
    assert!(!knows(&*here, &one).await);

    server.stop();
    until("the server is missed", async || here.contact().unwrap().trouble.is_some()).await;
    assert!(knows(&*here, &other).await);
    following.abort();
    here.replica.close().await;
    let (here, following) = node(&folder, &server, None).await;
    assert!(knows(&*here, &other).await, "in the file, for the next podyd");
    assert_eq!(hash_of(&*here, "ada").await.as_deref(), Some("second"));
    following.abort();
}

/// Whoever was locked while this node was cut off does not get in by its copy for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_too_old_answers_for_nobody() {
    let folder = Folder::new();
    let mut server = servers::Hrana::start(servers::hrana::Options::default());
    let primary = primary(&server).await;
    let token = new_token("ada", 1);
    primary.create_token(token.clone()).await.unwrap();
    let clock = Clock::set_to(NOW);
    let (here, following) = node_by(&clock, A_WEEK, &folder, &server, None).await;
    is_current(&*here).await;
    server.stop();
    clock.advance(A_WEEK.as_secs().cast_signed() - 1);
    assert!(knows(&*here, &token).await);
    assert!(here.credential(name("ada")).await.unwrap().is_some());

    clock.advance(1);
    following.abort();
    here.replica.close().await;
    let (restarted, following) = node_by(&clock, A_WEEK, &folder, &server, None).await;
    for directory in [&here, &restarted] {
        for told in [
            directory.credential(name("ada")).await.unwrap_err(),
            directory.token(&token.hash).await.unwrap_err(),
        ] {
            assert!(
                matches!(&told, Error::Away(words) if words.contains("older than offline.max_age")),
                "{told}"
            );
        }
    }
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_goes_on_without_the_database_its_copy_answers_for_nobody() {
    let folder = Folder::new();
    let mut server = servers::Hrana::start(servers::hrana::Options::default());
    primary(&server).await;
    let (here, following) = node_by(&Clock::set_to(NOW), Duration::ZERO, &folder, &server, None).await;
    is_current(&*here).await;
    server.stop();
    let told = here.credential(name("ada")).await.unwrap_err();
    assert!(matches!(told, Error::Away(_)), "{told}");
    assert!(find_user(&*here, "ada").await.is_some(), "lookups go on");
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_owner_has_no_token_here_either() {
    let folder = Folder::new();
    let server = servers::Hrana::start(servers::hrana::Options::default());
    let primary = primary(&server).await;
    let token = new_token("ada", 1);
    primary.create_token(token.clone()).await.unwrap();
    let (here, following) = node(&folder, &server, Some(Duration::from_millis(100))).await;
    is_current(&*here).await;
    assert!(knows(&*here, &token).await);
    here.delete_user(name("ada"), None).await.unwrap();
    until("ada is gone", async || find_user(&*here, "ada").await.is_none()).await;
    assert!(!knows(&*here, &token).await);
    assert_eq!(hash_of(&*here, "ada").await, None);
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_interval_a_node_sees_its_own_writes_and_asks_for_nothing_else() {
    let folder = Folder::new();
    let server = servers::Hrana::start(servers::hrana::Options::default());
    let primary = primary(&server).await;
    let (here, following) = node(&folder, &server, None).await;
    is_current(&*here).await;
    add_user(&primary, "elsewhere").await;
    let rows = server.rows();
    assert!(find_user(&*here, "elsewhere").await.is_none());
    assert_eq!(server.rows(), rows, "nobody asks");
    let batch = Batch { users: vec![new_user("here")], ..Batch::default() };
    let (_, position) = here.create(batch, &rules(), false).await.unwrap();
    until("it is here", async || here.position().await.unwrap().has_reached(&position)).await;
    assert!(find_user(&*here, "here").await.is_some());
    assert!(find_user(&*here, "elsewhere").await.is_some(), "and what others wrote before");
    following.abort();
}
