//! The servers start, and their databases are strangers to one another.

use sqlx::{Connection, Executor, MySqlConnection, PgConnection};

#[tokio::test]
async fn databases_of_one_postgresql_are_separate() {
    let server = servers::postgres().await;
    let mut one = PgConnection::connect(&server.fresh_database().await).await.unwrap();
    let mut other = PgConnection::connect(&server.fresh_database().await).await.unwrap();
    one.execute("CREATE TABLE users (name TEXT)").await.unwrap();
    other.execute("CREATE TABLE users (name TEXT)").await.unwrap();
    one.execute("INSERT INTO users VALUES ('ada')").await.unwrap();
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut other).await.unwrap();
    assert_eq!(users, 0);
}

#[tokio::test]
async fn databases_of_one_mariadb_are_separate() {
    let server = servers::mariadb().await;
    let mut one = MySqlConnection::connect(&server.fresh_database().await).await.unwrap();
    let mut other = MySqlConnection::connect(&server.fresh_database().await).await.unwrap();
    one.execute("CREATE TABLE users (name TEXT)").await.unwrap();
    other.execute("CREATE TABLE users (name TEXT)").await.unwrap();
    one.execute("INSERT INTO users VALUES ('ada')").await.unwrap();
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut other).await.unwrap();
    assert_eq!(users, 0);
}
