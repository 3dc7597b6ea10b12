//! The clock of the machine that a database is on.

use super::*;
use crate::clock::Clock;
use crate::store::hrana::Endpoint;

#[tokio::test(flavor = "multi_thread")]
async fn every_server_shows_its_clock_and_a_file_of_this_node_has_none() {
    let hrana = servers::Hrana::start(servers::hrana::Options::default());
    let endpoint = Endpoint { url: hrana.url(), auth_token: None };
    for directory in [
        SqlDirectory::postgres(&servers::postgres().await.fresh_database().await, 2).unwrap(),
        SqlDirectory::mysql(&servers::mariadb().await.fresh_database().await, 2).unwrap(),
        SqlDirectory::libsql(&endpoint, None).unwrap(),
    ] {
        directory.migrate().await.unwrap();
        let shown = directory.server_seconds().await.unwrap().unwrap();
        assert!(shown.abs_diff(Clock::System.unix_seconds()) < 60, "{:?}: {shown}", directory.describe());
    }
    let folder = Folder::new();
    let local = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    assert_eq!(local.server_seconds().await.unwrap(), None);
}
