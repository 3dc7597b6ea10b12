//! Users and groups as admins make them: done means visible.

use base64::Engine as _;

use super::{create, password, verdict};
use crate::directory::{Batch, Directory, Error, UserChange};
use crate::service::{Caller, NewAccount, Verdict};
use crate::testing::{Everything, TestNode, add_group, find_group, find_user, name, names, new_user};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_visible_to_lookups() {
    let node = TestNode::start().await;
    let (service, root, publishing) = (&node.service, &Caller::Root, &node.publishing);
    let members = || {
        let loaded = publishing.look().unwrap();
        let group = loaded.view().group_by_name(b"physics").unwrap();
        group.map(|group| group.members.iter().map(|name| name.unwrap().to_vec()).collect::<Vec<_>>())
    };
    service.create_group(root, name("physics"), None, false).await.unwrap();
    assert_eq!(members(), Some(vec![]));
    let account = NewAccount { groups: names(&["physics"]), ..NewAccount::default() };
    let ada = service.create_user(root, name("ada"), account).await.unwrap();
    assert!(publishing.shows("ada") && members() == Some(vec![b"ada".to_vec()]));
    assert_eq!((ada.user.shell.as_str(), ada.user.home.as_str()), ("/bin/bash", "/home/ada"));
    let rename = UserChange { name: Some(name("countess")), ..UserChange::default() };
    service.update_user(root, name("ada"), rename).await.unwrap();
    assert!(publishing.shows("countess") && !publishing.shows("ada"));
    assert_eq!(members(), Some(vec![b"countess".to_vec()]));
    service.set_members(root, name("physics"), names(&["countess"]), false).await.unwrap();
    assert_eq!(members(), Some(vec![]));
    service.delete_user(root, name("countess"), None).await.unwrap();
    assert!(!publishing.shows("countess"));
    service.delete_group(root, name("physics"), None).await.unwrap();
    assert_eq!(members(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_cannot_join_is_not_created() {
    let node = TestNode::start().await;
    let account = NewAccount { groups: names(&["nowhere"]), ..NewAccount::default() };
    let refused = node.service.create_user(&Caller::Root, name("ada"), account).await;
    assert!(matches!(refused, Err(Error::NotFound(_))));
    let account = NewAccount { password: password("short"), ..NewAccount::default() };
    let refused = node.service.create_user(&Caller::Root, name("ada"), account).await;
    assert!(matches!(refused, Err(Error::InvalidInput { field: "password", .. })));
    assert_eq!(Everything::of(node.directory()).await, Everything::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_visible_at_its_end_and_a_dry_run_never() {
    let node = TestNode::start().await;
    add_group(node.directory(), "physics").await;
    let batch = |user: &str| Batch { users: vec![new_user(user)], ..Batch::default() };
    node.service.import(&Caller::Root, batch("ada"), true, true).await.unwrap();
    assert!(find_user(node.directory(), "ada").await.is_none());
    node.service.import(&Caller::Root, batch("ada"), false, false).await.unwrap();
    node.service.import(&Caller::Root, batch("bob"), false, true).await.unwrap();
    assert!(node.publishing.shows("ada") && node.publishing.shows("bob"));
    assert!(find_group(node.directory(), "physics").await.unwrap().members.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_the_hashes_and_an_import_of_them_the_passwords() {
    let node = TestNode::start().await;
    create(&node, "ada", NewAccount { password: password("correct horse"), ..NewAccount::default() }).await;
    create(&node, "bob", NewAccount::default()).await;
    let page = node.service.export(&Caller::Root, None, 10).await.unwrap();
    let hashes: Vec<_> = page.items.iter().map(|(_, hash)| hash.clone()).collect();
    assert!(hashes[0].as_ref().unwrap().starts_with("$argon2id$") && hashes[1].is_none());

    let other = TestNode::start().await;
    let mut ada = new_user("ada");
    ada.password = hashes[0].clone();
    let batch = Batch { users: vec![ada], ..Batch::default() };
    other.service.import(&Caller::Root, batch, false, true).await.unwrap();
    assert_eq!(verdict(&other, "ada", "correct horse").await, Verdict::Granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_of_an_original_pody_are_read_and_nothing_is_left_behind() {
    let node = TestNode::start().await;
    let path = node.folder.join("users.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::sqlite::SqlitePool::connect_with(options).await.unwrap();
    for statement in [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, credential TEXT, is_admin INTEGER)",
        "INSERT INTO users VALUES (7, 'ada', 'c0ffee', 1), (8, 'Bad Name', '', 0)",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let content = base64::engine::general_purpose::STANDARD.encode(std::fs::read(&path).unwrap());
    let users = node.service.read_pody_database(&Caller::Root, &content).await.unwrap();
    assert_eq!((users[0].id, users[0].name.as_str(), users[0].is_admin), (7, "ada", true));
    assert_eq!(users[0].password_hash, "sha256:c0ffee");
    assert_eq!(users[1].name, "Bad Name", "who is refused, and why, is told by the import");

    for nonsense in ["not base64!", "bm90IGEgZGF0YWJhc2U=", ""] {
        let refused = node.service.read_pody_database(&Caller::Root, nonsense).await;
        assert!(matches!(refused, Err(Error::InvalidInput { field: "content", .. })), "{refused:?}");
    }
    for hostile in [
        "CREATE VIEW users AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) \
         SELECT id, '' AS username, '' AS credential, 0 AS is_admin FROM n WHERE id < 0",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, is_admin INTEGER, \
         credential TEXT GENERATED ALWAYS AS (hex(zeroblob(100000000))))",
    ] {
        std::fs::remove_file(&path).unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let pool = sqlx::sqlite::SqlitePool::connect_with(options).await.unwrap();
        sqlx::query(hostile).execute(&pool).await.unwrap();
        pool.close().await;
        let content = base64::engine::general_purpose::STANDARD.encode(std::fs::read(&path).unwrap());
        let refused = node.service.read_pody_database(&Caller::Root, &content).await;
        assert!(matches!(refused, Err(Error::InvalidInput { field: "content", .. })), "{refused:?}");
    }
    let left = std::fs::read_dir(&*node.folder).unwrap().flatten();
    assert!(left.map(|entry| entry.file_name()).all(|file| !file.to_string_lossy().starts_with("import-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_health_is_shown_to_everybody() {
    let node = TestNode::start().await;
    create(&node, "ada", NewAccount::default()).await;
    let health = node.service.health(&Caller::Other(1000)).await.unwrap();
    let (position, counts) = health.state.unwrap();
    assert_eq!((position.revision, health.published_revision, counts.users), (1, 1, 1));
    assert_eq!((health.directory.0, health.hidden.len(), health.warnings.len()), ("local", 0, 0));
    assert_eq!(node.directory().position().await.unwrap(), position);
}
