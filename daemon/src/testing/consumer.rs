//! A node that has its directory from another.

use std::sync::Arc;
use std::time::Duration;

use super::{Folder, NOW, SHARED_TOKEN, TestNode};
use crate::config::{Provider, Secret};
use crate::service::new_uuid;
use crate::store::{NodeStore, RemoteDirectory, Replicated, SqlDirectory};

/// How a test's consumer finds a service.
pub fn provider(endpoint: &str) -> Provider {
    Provider {
        enabled: true,
        endpoint: endpoint.parse().unwrap(),
        access_token: Secret::from(SHARED_TOKEN.to_owned()),
        timeout: Duration::from_secs(2),
        ..Provider::default()
    }
}

/// A replica in a folder, which follows.
pub async fn following(source: RemoteDirectory, folder: &Folder) -> Arc<Replicated<RemoteDirectory>> {
    let replica = SqlDirectory::replica(&folder.join("replica.sqlite")).await.unwrap();
    let memory = NodeStore::open(&folder.join("node.sqlite"), NOW).await.unwrap();
    let directory = Replicated::new(Arc::new(source), replica, false).forgetting(memory);
    let directory = Arc::new(directory.retrying_within(Duration::from_millis(100)));
    tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.follow().await }
    });
    directory
}

/// A node that consumes what is served at an address.
pub async fn consumer(endpoint: &str) -> TestNode<Replicated<RemoteDirectory>> {
    consumer_with(endpoint, SHARED_TOKEN).await
}

/// The same with a token of its own.
pub async fn consumer_with(endpoint: &str, token: &str) -> TestNode<Replicated<RemoteDirectory>> {
    let (folder, instance) = (Folder::new(), new_uuid());
    let provider = Provider { access_token: Secret::from(token.to_owned()), ..provider(endpoint) };
    let source = RemoteDirectory::new(&provider, instance.clone()).unwrap();
    let directory = following(source, &folder).await;
    let node = TestNode::start_with(folder, directory).await;
    let mut service = Arc::into_inner(node.service).unwrap();
    service.instance = instance;
    TestNode { service: Arc::new(service), ..node }
}
