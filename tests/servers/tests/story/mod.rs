//! What every database server has to go through, whatever its make.

use std::time::Duration;

use servers::{Database, Kind};
use sqlx::{AnyConnection, Connection, Executor};

/// Long enough for an answer that comes at all, where none is expected.
pub const MOMENT: Duration = Duration::from_millis(500);

pub async fn connect(url: &str) -> sqlx::Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(url).await
}

pub async fn number(connection: &mut AnyConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}

pub async fn databases_are_separate<K: Kind>(server: &Database<K>) {
    let mut one = connect(&server.fresh_database().await).await.unwrap();
    let mut other = connect(&server.fresh_database().await).await.unwrap();
    for connection in [&mut one, &mut other] {
        connection.execute("CREATE TABLE users (name VARCHAR(32))").await.unwrap();
    }
    one.execute("INSERT INTO users VALUES ('ada')").await.unwrap();
    assert_eq!(number(&mut one, "SELECT COUNT(*) FROM users").await, 1);
    assert_eq!(number(&mut other, "SELECT COUNT(*) FROM users").await, 0);
}

pub async fn killed_and_back<K: Kind>(mut server: Database<K>) {
    let url = server.fresh_database().await;
    let mut before = connect(&url).await.unwrap();
    before.execute("CREATE TABLE users (name VARCHAR(32))").await.unwrap();
    before.execute("INSERT INTO users VALUES ('ada')").await.unwrap();

    server.kill().await;
    before.execute("SELECT 1").await.unwrap_err();
    connect(&url).await.unwrap_err();

    server.start_again().await;
    let mut after = connect(&url).await.unwrap();
    assert_eq!(number(&mut after, "SELECT COUNT(*) FROM users").await, 1);

    server.stop().await;
    server.start_again().await;
    let mut last = connect(&url).await.unwrap();
    assert_eq!(number(&mut last, "SELECT COUNT(*) FROM users").await, 1);
}

pub async fn frozen<K: Kind>(mut server: Database<K>) {
    let mut connection = connect(&server.fresh_database().await).await.unwrap();
    server.freeze();
    {
        let mut question = std::pin::pin!(number(&mut connection, "SELECT 2"));
        assert!(tokio::time::timeout(MOMENT, &mut question).await.is_err());
        server.thaw();
        assert_eq!(question.await, 2);
    }
    // One that is dropped while it stands still ends all the same.
    server.freeze();
    let directory = server.directory().to_owned();
    drop(server);
    assert!(!directory.exists());
}

pub async fn limited<K: Kind>(mut server: Database<K>) {
    let url = server.fresh_database().await;
    let mut first = connect(&url).await.unwrap();
    first.execute("CREATE TABLE users (name VARCHAR(32))").await.unwrap();
    server.set_read_only(true).await;
    let mut second = connect(&url).await.unwrap();
    second.execute("INSERT INTO users VALUES ('ada')").await.unwrap_err();
    assert_eq!(number(&mut second, "SELECT COUNT(*) FROM users").await, 0);
    server.set_read_only(false).await;
    let mut third = connect(&url).await.unwrap();
    third.execute("INSERT INTO users VALUES ('ada')").await.unwrap();

    server.limit_connections(&url, 1).await;
    // Whether those that stand count depends on the product.
    let last = connect(&url).await;
    let refused = connect(&url).await;
    assert!(refused.is_err(), "{last:?}, {refused:?}");
}

/// `plain` and `verified` are what the product calls a connection without TLS, and one that checks whom it speaks with.
pub async fn tls<K: Kind>(server: Database<K>, plain: &str, verified: &str) {
    let url = server.fresh_database().await;
    let authority = server.authority();
    let verified = format!("?ssl-mode={verified}&ssl-ca={}", authority.display());
    let mut connection = connect(&format!("{url}{verified}")).await.unwrap();
    assert_eq!(number(&mut connection, "SELECT 3").await, 3);

    connect(&format!("{url}?ssl-mode={plain}")).await.unwrap_err();
    let other_name = url.replace("127.0.0.1", "localhost");
    let refused = connect(&format!("{other_name}{verified}")).await;
    assert!(format!("{refused:?}").contains("NotValidForName"), "{refused:?}");
}
