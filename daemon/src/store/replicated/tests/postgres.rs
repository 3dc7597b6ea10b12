//! Replicas of a directory on a real PostgreSQL: what they follow, and what they do when there is nothing to follow.

use std::sync::Arc;

use sqlx::Connection;

use super::super::*;
use crate::store::sql::SqlDirectory;
use crate::testing::{
    Everything, Folder, add_group, add_user, find_user, join, name, new_user, rules, until,
};

/// A node of a cluster: its replica follows as long as this lives.
struct Node {
    folder: Arc<Folder>,
    directory: Arc<Replicated<SqlDirectory>>,
    following: tokio::task::JoinHandle<()>,
}

impl Node {
    async fn start(url: &str) -> Self {
        Self::start_in(Arc::new(Folder::new()), url).await
    }

    async fn start_in(folder: Arc<Folder>, url: &str) -> Self {
        let replica = SqlDirectory::sqlite(&folder.join("replica.sqlite")).await.unwrap();
        let source = SqlDirectory::postgres(url, 4).unwrap();
        let directory = Arc::new(Replicated::new(Arc::new(source), replica, false));
        let following = tokio::spawn({
            let directory = Arc::clone(&directory);
            async move { directory.follow().await }
        });
        Self { folder, directory, following }
    }

    async fn reaches(&self, position: &Position) {
        until("the replica is there", async || {
            self.directory.position().await.is_ok_and(|here| here.has_reached(position))
        })
        .await;
    }

    async fn is_a_copy(&self) {
        let now = self.directory.source.position().await.unwrap();
        self.reaches(&now).await;
        assert_eq!(Everything::of(&*self.directory).await, Everything::of(&*self.directory.source).await);
    }

    async fn stop(self) -> Arc<Folder> {
        self.following.abort();
        self.directory.replica.close().await;
        Arc::clone(&self.folder)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn fresh_url() -> String {
    let url = servers::postgres().await.fresh_database().await;
    SqlDirectory::postgres(&url, 2).unwrap().migrate().await.unwrap();
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_has_what_any_node_changed() {
    let url = fresh_url().await;
    let (one, other) = (Node::start(&url).await, Node::start(&url).await);
    one.is_a_copy().await;
    let here = &*one.directory.source;
    add_group(here, "physics").await;
    let ada = add_user(here, "ada").await;
    add_user(here, "bob").await;
    join(here, "physics", &["ada", "bob"]).await;
    other.is_a_copy().await;
    one.directory.set_password(name("ada"), Some("a hash".into())).await.unwrap();
    let rename = UserChange { name: Some(name("lovelace")), ..UserChange::default() };
    one.directory.update_user(name("ada"), rename, &rules()).await.unwrap();
    other.is_a_copy().await;
    let found = find_user(&*other.directory, "lovelace").await.unwrap();
    assert_eq!((&found.user.uuid, found.groups.len()), (&ada.user.uuid, 1));
    assert!(found.password_revision.is_some(), "that there is a password is known, and not its hash");
    let replica = other.directory.replica.credential(name("lovelace")).await.unwrap().unwrap();
    assert_eq!(replica.hash.as_deref(), Some(""));

    one.directory.delete_user(name("lovelace"), None).await.unwrap();
    one.directory.delete_group(name("physics"), None).await.unwrap();
    let position = other.directory.source.position().await.unwrap();
    other.reaches(&position).await;
    assert_eq!(find_user(&*other.directory, "lovelace").await, None);
    let gone = other.directory.present(&[ada.user.uuid], &[]).await.unwrap().gone_users;
    assert_eq!(gone.len(), 1, "whoever follows the replica learns who is gone");
    other.is_a_copy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_goes_on_where_it_was_and_reads_only_what_changed() {
    let url = fresh_url().await;
    let node = Node::start(&url).await;
    add_user(&*node.directory.source, "ada").await;
    node.is_a_copy().await;
    let folder = node.stop().await;
    let source = SqlDirectory::postgres(&url, 2).unwrap();
    add_user(&source, "bob").await;
    let node = Node::start_in(folder, &url).await;
    assert!(find_user(&*node.directory, "ada").await.is_some(), "from the first moment");
    node.is_a_copy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_said_not_to_exist_before_the_first_copy() {
    let node = Node::start("postgres://nobody:nothing@127.0.0.1:9/nowhere").await;
    until("the trouble is known", async || node.directory.contact().unwrap().trouble.is_some()).await;
    let asked = node.directory.user(Key::Name(name("ada"))).await;
    assert!(matches!(&asked, Err(Error::Away(words)) if words.contains("does not have")), "{asked:?}");
    let batch = Batch { users: vec![new_user("ada")], ..Batch::default() };
    let words = node.directory.create(batch, &rules(), false).await.unwrap_err().to_string();
    assert!(!words.contains("nothing"), "no password in {words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_restored_is_followed_as_it_is_now() {
    const TABLES: [&str; 7] =
        ["directory", "revisions", "users", "groups", "members", "credentials", "tombstones"];
    let url = fresh_url().await;
    let source = SqlDirectory::postgres(&url, 2).unwrap();
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let mut run = async |statements: String| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    };
    add_user(&source, "ada").await;
    run(TABLES.map(|table| format!("CREATE TABLE backup_{table} AS SELECT * FROM {table}")).join(";")).await;
    add_user(&source, "lost").await;
    let node = Node::start(&url).await;
    node.is_a_copy().await;
    let folder = node.stop().await;

    let emptied = TABLES.iter().rev().map(|table| format!("DELETE FROM {table}"));
    let filled = TABLES.iter().map(|table| format!("INSERT INTO {table} SELECT * FROM backup_{table}"));
    run(emptied.chain(filled).collect::<Vec<_>>().join(";")).await;
    // As many changes as were lost and more: the revisions alone look as if nothing had happened.
    run("DELETE FROM changes WHERE revision > 1; DELETE FROM ids WHERE id > 1900000000".into()).await;
    add_user(&source, "bob").await;
    add_user(&source, "eve").await;
    let node = Node::start_in(folder, &url).await;
    until("the lost one is gone", async || find_user(&*node.directory, "lost").await.is_none()).await;
    node.is_a_copy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_empties_no_replica() {
    let url = fresh_url().await;
    let node = Node::start(&url).await;
    add_user(&*node.directory.source, "ada").await;
    node.is_a_copy().await;
    let folder = node.stop().await;
    let node = Node::start_in(folder, &fresh_url().await).await;
    until("the trouble is known", async || node.directory.contact().unwrap().trouble.is_some()).await;
    assert!(node.directory.contact().unwrap().trouble.unwrap().contains("is empty"));
    assert!(find_user(&*node.directory, "ada").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_missed_by_no_lookup_and_followed_again() {
    let mut server = servers::Postgres::start(servers::Options::default()).await;
    let url = server.fresh_database().await;
    SqlDirectory::postgres(&url, 2).unwrap().migrate().await.unwrap();
    let node = Node::start(&url).await;
    add_user(&*node.directory.source, "ada").await;
    node.is_a_copy().await;
    server.kill().await;
    until("the trouble is known", async || node.directory.contact().unwrap().trouble.is_some()).await;
    assert!(find_user(&*node.directory, "ada").await.is_some());
    let credential = node.directory.credential(name("ada")).await;
    assert!(matches!(credential, Err(Error::Away(_))), "{credential:?}");
    server.start_again().await;
    until("it is followed again", async || node.directory.contact().unwrap().trouble.is_none()).await;
    add_user(&*node.directory.source, "bob").await;
    node.is_a_copy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_pooler_that_lends_connections_changes_are_looked_for() {
    let url = fresh_url().await;
    let pooler = servers::PgBouncer::start(&url).await;
    let (one, other) = (Node::start(pooler.url()).await, Node::start(pooler.url()).await);
    for user in ["ada", "bob", "kim"] {
        add_user(&*one.directory.source, user).await;
        other.is_a_copy().await;
        one.is_a_copy().await;
    }
    for node in [&one, &other] {
        assert!(node.directory.contact().unwrap().trouble.is_none());
    }
    let listening = "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let listening: i64 = sqlx::query_scalar(listening).fetch_one(&mut connection).await.unwrap();
    assert_eq!(listening, 0, "nobody's connection is told what it did not ask for");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_remembered_of_passwords_ends_with_the_history_that_it_was_of() {
    let url = fresh_url().await;
    let folder = Folder::new();
    let memory = NodeStore::open(&folder.join("node.sqlite"), 0).await.unwrap();
    let remembered = crate::store::Remembered { hash: "a hash".into(), password_revision: 1, proven_at: 0 };
    memory.remember("ada", &remembered).await.unwrap();
    let replica = SqlDirectory::sqlite(&folder.join("replica.sqlite")).await.unwrap();
    let source = Arc::new(SqlDirectory::postgres(&url, 2).unwrap());
    let directory = Replicated::new(source, replica, false).forgetting(memory.clone());
    directory.start_over().await.unwrap();
    assert!(memory.remembered("ada").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_at_the_same_position_is_noticed_and_copied() {
    let url = fresh_url().await;
    let node = Node::start(&url).await;
    let source = &node.directory.source;
    add_group(&**source, "physics").await;
    add_user(&**source, "ada").await;
    join(&**source, "physics", &["ada"]).await;
    node.is_a_copy().await;
    node.stop().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("DELETE FROM members").execute(&mut connection).await.unwrap();
    let folder = Folder::new();
    let replica = SqlDirectory::sqlite(&folder.join("replica.sqlite")).await.unwrap();
    let source = Arc::new(SqlDirectory::postgres(&url, 2).unwrap());
    let other = Replicated::new(source, replica, false);
    other.start_over().await.unwrap();
    // The rest of a restore.
    let rest =
        "INSERT INTO members SELECT g.uuid, u.uuid, 'admin' FROM groups g, users u WHERE g.name = 'physics'";
    sqlx::raw_sql(rest).execute(&mut connection).await.unwrap();
    other.catch_up(&mut None).await.unwrap();
    assert_eq!(Everything::of(&other).await, Everything::of(&*other.source).await);
}
