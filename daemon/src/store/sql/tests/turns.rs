//! Nodes that write all the time, on one server.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::*;
use crate::testing::{add_user, name};

const NODES: u64 = 10;
const WRITES: u64 = 60;

/// Who may come first: the nodes that wait already, and those that come before we stand in the queue, on a busy machine.
const OVERTAKERS: u64 = 3 * NODES;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_on_postgresql_has_a_turn_before_those_who_come_later() {
    let url = servers::postgres().await.fresh_database().await;
    let open = || SqlDirectory::postgres(&url, 2).unwrap();
    open().migrate().await.unwrap();
    add_user(&open(), "ada").await;
    let mut nodes = JoinSet::new();
    for _ in 0..NODES {
        let node = Arc::new(open());
        nodes.spawn(async move {
            let mut overtakers = 0;
            for _ in 0..WRITES {
                let before = node.position().await.unwrap().revision;
                let mine = node.set_password(name("ada"), None).await.unwrap().revision;
                overtakers = overtakers.max(mine - before - 1);
            }
            overtakers
        });
    }
    let overtakers = nodes.join_all().await;
    assert!(overtakers.iter().all(|others| *others <= OVERTAKERS), "{overtakers:?}");
}
