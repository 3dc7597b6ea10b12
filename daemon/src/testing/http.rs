//! A node whose directory is served over HTTP, on a port of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{PATIENCE, TestNode};
use crate::config::{ProfileService, Secret, Settings};
use crate::directory::Directory;
use crate::doors::http;
use crate::store::SqlDirectory;

/// The token of the configuration.
pub const SHARED_TOKEN: &str = "the shared token of this test";

/// The node and its door.
pub struct ServedNode<D = SqlDirectory> {
    pub node: TestNode<D>,
    pub address: SocketAddr,
    pub client: Client,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl ServedNode {
    /// A service that takes changes, with an empty directory.
    pub async fn start() -> Self {
        Self::start_with(TestNode::start().await, |_| ()).await
    }
}

impl<D: Directory> ServedNode<D> {
    /// The same on this node, with settings that differ.
    pub async fn start_with(node: TestNode<D>, change: impl FnOnce(&mut ProfileService)) -> Self {
        // reqwest is built without a provider of its own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut service = ProfileService {
            enabled: true,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            readonly: false,
            access_token: Secret::from(SHARED_TOKEN.to_owned()),
            max_requests_per_second: 100_000,
            ..ProfileService::default()
        };
        change(&mut service);
        let port = http::Port::open(&service).await.unwrap().unwrap();
        let address = port.address().unwrap();
        set(&node, |settings| settings.service = service);
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(port.serve(Arc::clone(&node.service), stopped));
        Self { node, address, client: Client::new(), stop, serving }
    }

    /// Changes settings, as a reload does.
    pub fn set(&self, change: impl FnOnce(&mut ProfileService)) {
        set(&self.node, |settings| change(&mut settings.service));
    }

    /// Has people created who log in at this provider, whoever they are.
    pub fn creates_at_logins(&self, issuer: &str) {
        set(&self.node, |settings| {
            settings.oidc.issuer = issuer.parse().unwrap();
            settings.oidc.client_id = "pody".parse().unwrap();
            settings.oidc_users.create = true;
            settings.oidc_users.allow_everybody = true;
        });
    }

    /// Where a path is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request of somebody without a token.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request with the shared token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(SHARED_TOKEN)
    }

    /// Tells the door to close, and waits until everybody has left.
    pub async fn close(self) -> TestNode<D> {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.serving).await.unwrap().unwrap();
        self.node
    }
}

fn set<D: Directory>(node: &TestNode<D>, change: impl FnOnce(&mut Settings)) {
    node.publishing.settings.send_modify(|settings| change(Arc::make_mut(settings)));
}
