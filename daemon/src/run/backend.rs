//! Which directory podyd works on: a file of this node's own, or a replica that follows what is elsewhere.

use std::path::Path;
use std::sync::Arc;

use super::Podyd;
use crate::config::{Backend, ConfigError, Paths, Settings};
use crate::directory::Error;
use crate::publish;
use crate::store::{Replicated, SqlDirectory};

/// Opens the directory and serves it until podyd is to end.
pub async fn serve<R>(podyd: Podyd<R>, backend: Backend) -> Result<(), Error>
where
    R: FnMut() -> Result<Settings, Vec<ConfigError>>,
{
    match backend {
        Backend::Local => {
            let directory = SqlDirectory::sqlite(&podyd.paths.state.join("directory.sqlite")).await?;
            let directory = Arc::new(directory);
            podyd.serve(Arc::clone(&directory), Some(directory)).await
        }
        shared => serve_shared(podyd, shared).await,
    }
}

/// A database that nodes share, and this node's replica of it.
async fn serve_shared<R>(podyd: Podyd<R>, shared: Backend) -> Result<(), Error>
where
    R: FnMut() -> Result<Settings, Vec<ConfigError>>,
{
    let source = Arc::new(SqlDirectory::shared(&shared)?);
    let own_file = podyd.paths.state.join("replica.sqlite");
    let replica_path = shared.replica_path().unwrap_or(&own_file);
    if shared.replica_path().is_some() && is_another_file(replica_path, &podyd.paths) {
        let text =
            format!("replicaPath: {} is another file of podyd's: take another name", replica_path.display());
        return Err(Error::Failed(text));
    }
    let replica = SqlDirectory::replica(replica_path).await?;
    let has_snapshot = publish::shows_accounts(&podyd.paths.cache, &podyd.paths.run);
    let directory =
        Replicated::new(Arc::clone(&source), replica, has_snapshot).forgetting(podyd.node.clone());
    let directory = Arc::new(match shared.replica_path() {
        Some(_) => {
            directory.holding_secrets(podyd.node.clone(), podyd.current_settings.clone(), podyd.clock.clone())
        }
        None => directory,
    });
    let following = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move {
            if shared.auto_migrate() {
                directory.migrate().await;
            }
            directory.follow().await;
        }
    });
    let outcome = podyd.serve(directory, Some(source)).await;
    following.abort();
    outcome
}

/// Whether a path is one of podyd's own files, which hold something else than a replica with passwords.
fn is_another_file(path: &Path, paths: &Paths) -> bool {
    ["directory.sqlite", "node.sqlite", "replica.sqlite", "lock"]
        .iter()
        .any(|own| paths.state.join(own) == path)
}
