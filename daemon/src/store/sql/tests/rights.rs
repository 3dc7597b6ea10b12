//! Accounts with the rights that the guide gives them (docs/guide/grants), and no others.

use servers::{Database, Kind};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};

use super::super::*;
use super::relabel;
use crate::directory::Error;
use crate::service::new_uuid;
use crate::testing::{add_user, create_user, new_user};

/// The directory as three accounts see it.
struct Accounts {
    owner: SqlDirectory,
    writer: SqlDirectory,
    reader: SqlDirectory,
}

/// The statements of a page of the guide, about names that no other test has.
fn statements(page: &str, unique: &str) -> Vec<String> {
    let page: String = page.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let page = page.replace("pody_", &format!("pody_{unique}_"));
    let page = page.replace("DATABASE pody ", &format!("DATABASE pody_{unique} "));
    let page = page.replace("ON pody.*", &format!("ON pody_{unique}.*"));
    page.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

/// What no other test has in its names. MySQL's have 32 characters at the most.
fn unique() -> String {
    new_uuid().replace('-', "").split_off(20)
}

/// The URL of an administrator, made another account's.
fn url_of(admin: &str, unique: &str, role: &str) -> String {
    let (scheme, rest) = admin.split_once("://").unwrap();
    let place = rest.split_once('@').unwrap().1.split_once('/').unwrap().0;
    format!("{scheme}://pody_{unique}_{role}:{role}-secret@{place}/pody_{unique}")
}

async fn on_postgresql() -> Accounts {
    let (server, unique) = (servers::postgres().await, unique());
    let admin = server.admin_url();
    for statement in statements(include_str!("../../../../../docs/guide/grants/postgres-owner.sql"), &unique)
    {
        server.administer(&statement).await;
    }
    let account = |role| SqlDirectory::postgres(&url_of(&admin, &unique, role), 2).unwrap();
    let owner = account("owner");
    owner.migrate().await.unwrap();
    let inside = format!("{}/pody_{unique}", admin.rsplit_once('/').unwrap().0);
    let mut inside = PgConnection::connect(&inside).await.unwrap();
    for page in [
        include_str!("../../../../../docs/guide/grants/postgres-writer.sql"),
        include_str!("../../../../../docs/guide/grants/postgres-reader.sql"),
    ] {
        for statement in statements(page, &unique) {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut inside).await.unwrap();
        }
    }
    Accounts { owner, writer: account("writer"), reader: account("reader") }
}

/// On MySQL, or MariaDB.
async fn on_mysql<K: Kind>(server: &Database<K>) -> Accounts {
    let unique = unique();
    let admin = server.admin_url();
    let mut inside = MySqlConnection::connect(&admin).await.unwrap();
    for page in [
        include_str!("../../../../../docs/guide/grants/mysql-owner.sql"),
        include_str!("../../../../../docs/guide/grants/mysql-writer.sql"),
        include_str!("../../../../../docs/guide/grants/mysql-reader.sql"),
    ] {
        for statement in statements(page, &unique) {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut inside).await.unwrap();
        }
    }
    let account = |role| SqlDirectory::mysql(&url_of(&admin, &unique, role), 2).unwrap();
    let owner = account("owner");
    owner.migrate().await.unwrap();
    Accounts { owner, writer: account("writer"), reader: account("reader") }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_does_what_the_grants_say_on_postgresql() {
    everybody_does_what_the_grants_say(on_postgresql().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_does_what_the_grants_say_on_mariadb() {
    everybody_does_what_the_grants_say(on_mysql(servers::mariadb().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_does_what_the_grants_say_on_mysql() {
    everybody_does_what_the_grants_say(on_mysql(servers::mysql().await).await).await;
}

async fn everybody_does_what_the_grants_say(Accounts { owner, writer, reader }: Accounts) {
    let ada = add_user(&writer, "ada").await;
    writer.set_password(ada.user.name, Some("$argon2id$".into())).await.unwrap();
    crate::testing::add_group(&writer, "physics").await;
    crate::testing::join(&writer, "physics", &["ada"]).await;
    add_user(&writer, "bob").await;
    writer.delete_user("bob".parse().unwrap(), None).await.unwrap();
    for kim in ["kim", "kim2"] {
        writer.reserve(kim.parse().unwrap(), &crate::testing::rules(), 0).await.unwrap();
    }

    let everything = crate::testing::Everything::of(&reader).await;
    assert_eq!(everything.user_names(), ["ada"]);
    assert!(reader.credential(ada.user.name).await.unwrap().is_some());
    assert!(reader.migrate().await.unwrap().steps.is_empty(), "whoever has nothing to do needs no right");
    match create_user(&reader, new_user("eve")).await {
        Err(Error::Refused(told)) => {
            assert!(told.starts_with("the database account may only read"), "{told}");
            assert!(told.contains("on a node whose account may write"), "{told}");
        }
        other => panic!("{other:?}"),
    }

    // There is a step to carry out.
    relabel(&owner, "version - 100").await;
    for account in [&writer, &reader] {
        match account.migrate().await {
            Err(Error::Refused(told)) => assert!(told.contains("may not change the tables"), "{told}"),
            other => panic!("{other:?}"),
        }
    }
}
