//! What stories of people who log in at a certified provider share: the provider, and a node that knows of it.

use servers::{OidcOptions, OidcProvider};
use tests::sandbox::Sandbox;
use tokio::runtime::Runtime;

/// A provider, and a node in a sandbox.
pub struct Story {
    pub runtime: Runtime,
    pub idp: OidcProvider,
    pub node: Sandbox,
}

impl Story {
    /// A node whose people log in at the provider, with these settings of `[oidc]` and of what follows it.
    pub fn with(settings: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let idp = runtime.block_on(OidcProvider::start(OidcOptions::default()));
        let node = Sandbox::with_podyd();
        let issuer = idp.issuer();
        let configuration = format!("[oidc]\nissuer = \"{issuer}\"\nclient_id = \"pody\"\n{settings}");
        node.write("/etc/pody/config.toml", &configuration);
        node.stop_podyd();
        node.start_podyd();
        Self { runtime, idp, node }
    }
}
