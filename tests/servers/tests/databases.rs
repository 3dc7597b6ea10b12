//! PostgreSQL and MariaDB start, keep strangers apart, and can be hurt as tests want.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod story;

use servers::tls::Authority;
use servers::{MariaDb, Options, PgBouncer, Postgres};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgListener, PgSslMode};
use sqlx::{ConnectOptions, Executor};

#[tokio::test]
async fn databases_of_one_server_are_separate() {
    story::databases_are_separate(servers::postgres().await).await;
    story::databases_are_separate(servers::mariadb().await).await;
}

#[tokio::test]
async fn a_server_keeps_its_temporary_files_to_itself() {
    let server = MariaDb::start(Options::default()).await;
    let options: MySqlConnectOptions = server.admin_url().parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let directory: String = sqlx::query_scalar("SELECT @@tmpdir").fetch_one(&mut connection).await.unwrap();
    assert_eq!(directory, server.directory().display().to_string());
}

#[tokio::test]
async fn a_server_that_was_killed_comes_back_with_its_data() {
    story::killed_and_back(Postgres::start(durable()).await).await;
    story::killed_and_back(MariaDb::start(durable()).await).await;
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_thaws() {
    story::frozen(Postgres::start(Options::default()).await).await;
    story::frozen(MariaDb::start(Options::default()).await).await;
}

#[tokio::test]
async fn a_server_can_refuse_writes_and_connections() {
    story::limited(Postgres::start(Options::default()).await).await;
    story::limited(MariaDb::start(Options::default()).await).await;
}

#[tokio::test]
async fn a_server_with_tls_is_trusted_by_its_authority_alone() {
    let options = Options { tls: true, ..Options::default() };
    story::tls(Postgres::start(options.clone()).await, "disable", "verify-full").await;
    story::tls(MariaDb::start(options).await, "disabled", "verify_identity").await;
}

#[tokio::test]
async fn a_stranger_s_authority_vouches_for_nobody() {
    let server = Postgres::start(Options { tls: true, ..Options::default() }).await;
    let url = server.fresh_database().await;
    let stranger = Authority::new().pem().into_bytes();
    let options: PgConnectOptions = url.parse().unwrap();
    let refused = options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(stranger).connect().await;
    assert!(format!("{refused:?}").contains("InvalidCertificate"), "{refused:?}");
}

#[tokio::test]
async fn a_notification_does_not_pass_a_pool_of_transactions() {
    let server = servers::postgres().await;
    let url = server.fresh_database().await;
    let pooler = PgBouncer::start(&url).await;
    let mut through = story::connect(pooler.url()).await.unwrap();
    assert_eq!(story::number(&mut through, "SELECT 1").await, 1);

    let (mut pooled, mut direct) = (listen(pooler.url()).await, listen(&url).await);
    story::connect(&url).await.unwrap().execute("NOTIFY changes").await.unwrap();
    direct.recv().await.unwrap();
    let waited = tokio::time::timeout(story::MOMENT, pooled.recv()).await;
    assert!(waited.is_err(), "{waited:?}");
}

async fn listen(url: &str) -> PgListener {
    let mut listener = PgListener::connect(url).await.unwrap();
    listener.listen("changes").await.unwrap();
    listener
}

fn durable() -> Options {
    Options { durable: true, ..Options::default() }
}
