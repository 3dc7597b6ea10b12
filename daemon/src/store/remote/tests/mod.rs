//! The client against services that behave, and such as do not.

mod broken;
mod following;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::Secret;
use crate::store::{Replicated, SqlDirectory};
use crate::testing::{Folder, SHARED_TOKEN, ServedNode, TestNode};

/// How a test's consumer finds a service.
fn provider(endpoint: &str) -> Provider {
    Provider {
        enabled: true,
        endpoint: endpoint.parse().unwrap(),
        access_token: Secret::from(SHARED_TOKEN.to_owned()),
        timeout: Duration::from_secs(2),
        ..Provider::default()
    }
}

fn remote(endpoint: &str) -> RemoteDirectory {
    RemoteDirectory::new(&provider(endpoint), uuid::Uuid::new_v4().to_string()).unwrap()
}

/// A replica in a folder, which follows.
async fn following(source: RemoteDirectory, folder: &Folder) -> Arc<Replicated<RemoteDirectory>> {
    let replica = SqlDirectory::replica(&folder.join("replica.sqlite")).await.unwrap();
    let directory = Replicated::new(Arc::new(source), replica, false);
    let directory = Arc::new(directory.retrying_within(Duration::from_millis(100)));
    tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.follow().await }
    });
    directory
}

/// A node that consumes what is served at an address.
async fn consumer(endpoint: &str) -> TestNode<Replicated<RemoteDirectory>> {
    let folder = Folder::new();
    let source = remote(endpoint);
    let instance = source.transport.instance().to_owned();
    let directory = following(source, &folder).await;
    let node = TestNode::start_with(folder, directory).await;
    let mut service = Arc::into_inner(node.service).unwrap();
    service.instance = instance;
    TestNode { service: Arc::new(service), ..node }
}

/// The address of a service.
fn base<D: Directory>(served: &ServedNode<D>) -> String {
    served.url("")
}
