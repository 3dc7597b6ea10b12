//! A replica on libSQL that answers for passwords and tokens while the database is away (`replicaPath`).

use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use crate::directory::{NewToken, TokenLookup};
use crate::store::hrana::Endpoint;
use crate::store::sql::SqlDirectory;
use crate::testing::{Folder, add_user, find_user, name, new_user, rules, until};

fn source(server: &servers::Hrana, sync_interval: Option<Duration>) -> SqlDirectory {
    let endpoint = Endpoint { url: server.url(), auth_token: None };
    SqlDirectory::libsql(&endpoint, sync_interval).unwrap()
}

async fn node(
    folder: &Folder,
    server: &servers::Hrana,
    sync_interval: Option<Duration>,
) -> (Arc<Replicated<SqlDirectory>>, tokio::task::JoinHandle<()>) {
    let replica = SqlDirectory::replica(&folder.join("secrets.sqlite")).await.unwrap();
    let directory =
        Arc::new(Replicated::new(Arc::new(source(server, sync_interval)), replica, false).holding_secrets());
    let following = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.follow().await }
    });
    (directory, following)
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
    let primary = source(&server, None);
    primary.migrate().await.unwrap();
    add_user(&primary, "ada").await;
    primary.set_password(name("ada"), Some("first".into())).await.unwrap();
    let [one, other] = [new_token("ada", 1), new_token("ada", 2)];
    primary.create_token(one.clone()).await.unwrap();
    let (here, following) = node(&folder, &server, Some(Duration::from_millis(100))).await;
    until("the first copy is there", async || here.contact().unwrap().current_at.is_some()).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_owner_has_no_token_here_either() {
    let folder = Folder::new();
    let server = servers::Hrana::start(servers::hrana::Options::default());
    let primary = source(&server, None);
    primary.migrate().await.unwrap();
    add_user(&primary, "ada").await;
    let token = new_token("ada", 1);
    primary.create_token(token.clone()).await.unwrap();
    let (here, following) = node(&folder, &server, Some(Duration::from_millis(100))).await;
    until("the first copy is there", async || here.contact().unwrap().current_at.is_some()).await;
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
    let primary = source(&server, None);
    primary.migrate().await.unwrap();
    let (here, following) = node(&folder, &server, None).await;
    until("the first copy is there", async || here.contact().unwrap().current_at.is_some()).await;
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
