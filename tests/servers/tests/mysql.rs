//! MySQL, as far as it can be had: `make test-mysql` alone runs this, since its Debian is not the machine's.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod story;

use servers::{MySql, Options};

#[tokio::test]
async fn databases_of_one_server_are_separate() {
    story::databases_are_separate(servers::mysql().await).await;
}

#[tokio::test]
async fn a_server_that_was_killed_comes_back_with_its_data() {
    let options = Options { durable: true, ..Options::default() };
    story::killed_and_back(MySql::start(options).await).await;
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_thaws() {
    story::frozen(MySql::start(Options::default()).await).await;
}

#[tokio::test]
async fn a_server_can_refuse_writes_and_connections() {
    story::limited(MySql::start(Options::default()).await).await;
}

#[tokio::test]
async fn a_server_with_tls_is_trusted_by_its_authority_alone() {
    let options = Options { tls: true, ..Options::default() };
    story::tls(MySql::start(options).await, "disabled", "verify_identity").await;
}
