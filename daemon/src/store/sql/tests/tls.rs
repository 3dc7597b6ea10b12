//! Who the server is, is checked as the URL asks for.

use std::path::Path;

use servers::tls::Authority;
use servers::{MariaDb, MySql, Options, Postgres};

use super::super::*;
use crate::directory::Error;
use crate::testing::Folder;

const TLS: Options = Options { durable: false, max_connections: 20, tls: true };

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_proves_who_it_is() {
    let server = Postgres::start(TLS).await;
    let with_tls = server.fresh_database().await;
    let plain = servers::postgres().await.fresh_database().await;
    let parameters = |authority: &Path| format!("sslmode=verify-full&sslrootcert={}", authority.display());
    check(SqlDirectory::postgres, &with_tls, &plain, &server.authority(), parameters).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_proves_who_it_is() {
    let server = MariaDb::start(TLS).await;
    proves_who_it_is(&server.fresh_database().await, &server.authority()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_it_is_is_proven_on_mysql() {
    let server = MySql::start(TLS).await;
    proves_who_it_is(&server.fresh_database().await, &server.authority()).await;
}

async fn proves_who_it_is(with_tls: &str, authority: &Path) {
    // MySQL would make itself a certificate.
    let plain = servers::mariadb().await.fresh_database().await;
    let parameters = |authority: &Path| format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={}", authority.display());
    check(SqlDirectory::mysql, with_tls, &plain, authority, parameters).await;
}

async fn check(
    open: fn(&str, u32) -> Result<SqlDirectory>,
    url: &str,
    plain: &str,
    authority: &Path,
    parameters: impl Fn(&Path) -> String,
) {
    let folder = Folder::new();
    let wrong_authority = folder.join("wrong.pem");
    std::fs::write(&wrong_authority, Authority::new().pem()).unwrap();

    let right = open(&format!("{url}?{}", parameters(authority)), 2).unwrap();
    right.migrate().await.unwrap();
    assert_eq!(right.counts().await.unwrap().users, 0);

    let elsewhere = url.replace("127.0.0.1", "localhost");
    for (url, authority, word) in [
        (url, wrong_authority.as_path(), "certificate"),
        (elsewhere.as_str(), authority, "certificate"),
        (plain, authority, "TLS"),
    ] {
        let wrong = open(&format!("{url}?{}", parameters(authority)), 2).unwrap();
        let Err(Error::Away(told)) = wrong.counts().await else { panic!("{word}: it must not connect") };
        assert!(told.starts_with("the database does not answer") && told.contains(word), "{told}");
        let password = url.split(['/', ':', '@']).nth(4).unwrap();
        assert!(password.len() > 10 && !told.contains(password), "{told}");
    }
}
