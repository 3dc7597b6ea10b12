//! Which directory podyd works on: a file of this node's own, or a replica that follows what is elsewhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Podyd;
use crate::config::{Backend, Compat, ConfigError, Paths, Provider, Settings};
use crate::directory::{Directory, Error};
use crate::publish;
use crate::store::{Pody04Directory, RemoteDirectory, Replicated, SqlDirectory};

/// A service that is away is tried again after this time at the latest, give or take a half: with the second that a
/// connection may take, a link that is mended is in use within two.
const RETRY_REMOTE_WITHIN: Duration = Duration::from_millis(500);

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
        Backend::Remote(provider) => serve_remote(podyd, &provider).await,
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
    let following = {
        let directory = Arc::clone(&directory);
        async move {
            if shared.auto_migrate() {
                directory.migrate().await;
            }
            directory.follow().await;
        }
    };
    serve_while(following, podyd.serve(directory, Some(source))).await
}

/// The directory of another node, and this node's replica of it.
async fn serve_remote<R>(podyd: Podyd<R>, provider: &Provider) -> Result<(), Error>
where
    R: FnMut() -> Result<Settings, Vec<ConfigError>>,
{
    let replica = SqlDirectory::replica(&podyd.paths.state.join("replica.sqlite")).await?;
    let has_snapshot = publish::shows_accounts(&podyd.paths.cache, &podyd.paths.run);
    let settings = podyd.current_settings.clone();
    match provider.compat {
        Compat::None => {
            let source = Arc::new(RemoteDirectory::new(provider, podyd.instance.clone())?);
            let directory = Replicated::new(Arc::clone(&source), replica, has_snapshot);
            let directory = from_a_service(directory.forgetting(podyd.node.clone()));
            let renewing = renew(settings, Arc::clone(&directory), move |provider| source.renew(provider));
            follow_and_serve(directory, renewing, podyd).await
        }
        // A whole copy is its only way to tell of changes, and what is remembered of passwords does not hang on revisions.
        Compat::Pody04 => {
            let source = Pody04Directory::new(provider, &settings.borrow(), podyd.node.clone())?;
            let source = Arc::new(source);
            let directory = from_a_service(Replicated::new(Arc::clone(&source), replica, has_snapshot));
            let renewing = renew(settings, Arc::clone(&directory), move |provider| source.renew(provider));
            follow_and_serve(directory, renewing, podyd).await
        }
    }
}

fn from_a_service<S: Directory>(directory: Replicated<S>) -> Arc<Replicated<S>> {
    Arc::new(directory.retrying_within(RETRY_REMOTE_WITHIN))
}

/// Tells the source of another token and other certificates, each time that podyd is reloaded.
async fn renew<S: Directory>(
    mut settings: watch::Receiver<Arc<Settings>>,
    directory: Arc<Replicated<S>>,
    renew: impl Fn(&Provider) -> Result<(), Error>,
) {
    while settings.changed().await.is_ok() {
        let settings = Arc::clone(&settings.borrow_and_update());
        let Backend::Remote(provider) = &settings.backend else { continue };
        match renew(provider) {
            Ok(()) => directory.look(),
            Err(error) => {
                tracing::error!(%error, "the service is asked with the token and certificates of before")
            }
        }
    }
}

async fn follow_and_serve<S: Directory, R>(
    directory: Arc<Replicated<S>>,
    renewing: impl Future<Output = ()> + Send + 'static,
    podyd: Podyd<R>,
) -> Result<(), Error>
where
    R: FnMut() -> Result<Settings, Vec<ConfigError>>,
{
    let following = {
        let directory = Arc::clone(&directory);
        async move {
            tokio::join!(directory.follow(), renewing);
        }
    };
    serve_while(following, podyd.serve(directory, None)).await
}

/// Serves while a replica follows.
async fn serve_while(
    following: impl Future<Output = ()> + Send + 'static,
    serving: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    let following = tokio::spawn(following);
    let outcome = serving.await;
    following.abort();
    outcome
}

/// Whether a path is one of podyd's own files, which hold something else than a replica with passwords.
fn is_another_file(path: &Path, paths: &Paths) -> bool {
    ["directory.sqlite", "node.sqlite", "replica.sqlite", "lock"]
        .iter()
        .any(|own| paths.state.join(own) == path)
}
