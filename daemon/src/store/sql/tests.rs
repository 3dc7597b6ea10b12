//! What the conformance suite does not tell: tables that do not fit, rights, and servers that fail.

#[cfg(all(feature = "backend-postgres", feature = "backend-mysql"))]
mod schema;

use super::*;
use crate::testing::Folder;

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_sqlite_ended_by_itself_spoils_nothing_after_it() {
    let folder = Folder::new();
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    let mut session = directory.write().await.unwrap();
    // As a full disk does, behind our back.
    session.execute("ROLLBACK", &[]).await.unwrap();
    assert!(session.finish(Ok(())).await.is_err());
    for _ in 0..3 {
        directory.write().await.unwrap().finish(Ok(())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_in_the_middle_of_a_change_leaves_nothing_of_it() {
    let folder = Folder::new();
    let directory = SqlDirectory::sqlite(&folder.join("directory.sqlite")).await.unwrap();
    for _ in 0..3 {
        let mut session = directory.write().await.unwrap();
        change::next_revision(&mut session).await.unwrap();
    }
    assert_eq!(directory.position().await.unwrap().revision, 0);
}
