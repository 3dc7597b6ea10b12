//! podyd from its first to its last second: opens what it needs, serves, follows signals, drains.

mod backend;
mod state;

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, interval, sleep, timeout};

use crate::clock::Clock;
use crate::config::{AuthMode, Backend, ConfigError, Environment, IdAllocation, Paths, Settings};
use crate::directory::{Directory, Error, LocalAccounts, Rules};
use crate::doors::{http, resolve, varlink};
use crate::log::Log;
use crate::publish::Publisher;
use crate::service::{Database, Htpasswd, Service, forget_ended_codes, new_uuid};
use crate::store::{NodeStore, SqlDirectory};
use crate::verifiers::{Argon2Parameters, Pool, lockout};
use crate::{etc, notify};

/// How long systemd is kept waiting for the first snapshot of this run. Lookups have the last run's until then.
const FIRST_SNAPSHOT: Duration = Duration::from_secs(20);

/// How long the state directory may still be another podyd's that is about to end.
const LAST_ONE_ENDS: Duration = Duration::from_secs(3);

/// How often records of failed logins that have no effect any more are deleted, and the local files read in
/// case a change of theirs went unnoticed.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How often the last uses of tokens are written down: what an admin looks at may be this old.
const WRITE_TOKEN_USES: Duration = Duration::from_secs(10);

/// How long the last of them may take at the end, when the database may be away: systemd waits for podyd.
const LAST_TOKEN_USES: Duration = Duration::from_secs(2);

/// How long answers of the OpenID provider that are under way may take at the end: a refresh token may be used up by one that is
/// lost.
const LAST_RECHECKS: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT. `reload` reads the configuration again.
pub fn run(
    settings: Settings,
    environment: Environment,
    reload: impl FnMut() -> Result<Settings, Vec<ConfigError>>,
    log: Log,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Failed(format!("podyd cannot start its threads: {error}")))?;
    runtime.block_on(serve(settings, environment, reload, log))
}

async fn serve(
    mut settings: Settings,
    environment: Environment,
    reload: impl FnMut() -> Result<Settings, Vec<ConfigError>>,
    log: Log,
) -> Result<(), Error> {
    let failed = |path: &Path, error| Error::Failed(format!("{}: {error}", path.display()));
    for path in [&settings.paths.cache, &settings.paths.run] {
        make_directory(path, 0o755).map_err(|error| failed(path, error))?;
    }
    let state = state::place(&settings).map_err(|error| failed(&settings.paths.state, error))?;
    settings.paths.state = state;
    let paths = settings.paths.clone();
    // From here on, files are podyd's alone unless they are opened to others by name.
    umask(Mode::from_bits_truncate(0o077));
    let _alone = lock(&paths.state).await?;
    let clock = Clock::default();
    let local = etc::local_accounts().map_err(local_files)?;
    let etc_changed = Arc::new(Notify::new());
    etc::watch(Arc::clone(&etc_changed)).map_err(local_files)?;
    let (rules, current_rules) = watch::channel(Arc::new(rules_of(&settings, local)));
    let node = NodeStore::open(&paths.state.join("node.sqlite"), clock.unix_seconds()).await?;
    let pool = Pool::new(argon2(&settings)?, settings.password.parallel_verifications());
    let backend = settings.backend.clone();
    let (settings, current_settings) = watch::channel(Arc::new(settings));
    let podyd = Podyd {
        paths,
        environment,
        instance: new_uuid(),
        clock,
        node,
        current_rules,
        current_settings,
        etc_changed,
        node_rules: NodeRules { settings, rules, pool, reload, log },
    };
    backend::serve(podyd, backend).await
}

/// What podyd is made of, whatever its directory.
struct Podyd<R> {
    paths: Paths,
    environment: Environment,
    /// Which run of podyd this is, as other nodes see it.
    instance: String,
    clock: Clock,
    node: NodeStore,
    current_rules: watch::Receiver<Arc<Rules>>,
    current_settings: watch::Receiver<Arc<Settings>>,
    etc_changed: Arc<Notify>,
    node_rules: NodeRules<R>,
}

impl<R: FnMut() -> Result<Settings, Vec<ConfigError>>> Podyd<R> {
    async fn serve<D: Directory>(
        self,
        directory: Arc<D>,
        database: Option<Arc<SqlDirectory>>,
    ) -> Result<(), Error> {
        let Self {
            paths,
            environment,
            instance,
            clock,
            node,
            current_rules,
            current_settings,
            etc_changed,
            node_rules,
        } = self;
        let (publisher, published) = Publisher::start(
            Arc::clone(&directory),
            &paths.cache,
            &paths.run,
            &clock,
            current_rules.clone(),
            current_settings.clone(),
        )?;
        let is_here = directory.contact().is_none();
        if is_here && publisher.adopted_revision() > 0 && directory.position().await?.revision == 0 {
            if !begins_with_nobody(&current_settings.borrow()) {
                return Err(lost(&paths));
            }
            tracing::warn!(
                "users who logged in before this machine started are known again when they log in again"
            );
        }
        match node.refused().await {
            Ok(refused) => refused.iter().for_each(|(uuid, _)| published.refuse(uuid, true)),
            Err(error) => {
                tracing::error!(%error, "whom the OpenID provider has ended is not known, and not refused")
            }
        }
        let stop_publishing = Arc::new(Notify::new());
        let publishing = tokio::spawn(publisher.run(Arc::clone(&stop_publishing)));

        let htpasswd = current_settings.borrow().htpasswd().map(Path::to_owned);
        let profiles = current_settings.borrow().service.clone();
        let service = Service::new(
            Arc::clone(&directory),
            node.clone(),
            node_rules.pool.clone(),
            published.clone(),
            current_rules,
            current_settings,
            clock.clone(),
        );
        let mut service = match database {
            Some(database) => service.with_database(Database::new(database, environment.clone())),
            None => service,
        };
        service.instance = instance;
        service.environment = environment;
        if let Some(path) = htpasswd {
            service.htpasswd = Some(Htpasswd::new(path, node.clone()).await?);
        }
        let service = Arc::new(service);
        let at = |name: &str, listen: fn(&Path) -> io::Result<UnixListener>| {
            let socket = paths.run.join(name);
            listen(&socket).map_err(|error| Error::Failed(format!("{}: {error}", socket.display())))
        };
        let listener = at("varlink", varlink::listen)?;
        let lookups = at("resolve", resolve::listen)?;
        let port = http::Port::open(&profiles).await?;
        let (stop, stopped) = watch::channel(false);
        let serving_nodes = port.map(|port| tokio::spawn(port.serve(Arc::clone(&service), stopped.clone())));
        let writing = tokio::spawn(write_token_uses(Arc::clone(&service), stopped.clone()));
        let resolving = tokio::spawn(resolve::serve(lookups, Arc::clone(&service), stopped.clone()));
        let serving = tokio::spawn(varlink::serve(listener, Arc::clone(&service), stopped));
        let ending = tokio::spawn({
            let service = Arc::clone(&service);
            async move { service.end_reservations().await }
        });
        let limiting = tokio::spawn({
            let service = Arc::clone(&service);
            async move { service.follow_quotas().await }
        });
        let ending_sessions = tokio::spawn({
            let service = Arc::clone(&service);
            async move { service.end_sessions_of_the_locked().await }
        });
        let following = tokio::spawn({
            let service = Arc::clone(&service);
            async move { service.follow_htpasswd().await }
        });
        let mut rechecking = tokio::spawn({
            let (service, stop) = (Arc::clone(&service), stop.subscribe());
            async move { service.recheck_users(stop).await }
        });

        let putting_away = tokio::spawn({
            let service = Arc::clone(&service);
            async move { service.put_away_homes().await }
        });

        published.first(FIRST_SNAPSHOT).await;
        let (kind, location) = directory.describe();
        tracing::info!(directory = kind, location, revision = published.revision(), "podyd is ready");
        notify::ready(&format!("serving the {kind} directory {location}"));

        attend(node_rules, &etc_changed, &node, &clock).await;

        notify::stopping();
        tracing::info!("podyd stops: calls that are under way finish, lookups go on without it");
        let _ = stop.send(true);
        let _ = serving.await;
        if let Some(serving_nodes) = serving_nodes {
            let _ = serving_nodes.await;
        }
        let _ = writing.await;
        let _ = timeout(LAST_TOKEN_USES, service.write_token_uses()).await;
        if timeout(LAST_RECHECKS, &mut rechecking).await.is_err() {
            rechecking.abort();
        }
        for task in [following, limiting, ending, ending_sessions, resolving, putting_away] {
            task.abort();
            let _ = task.await;
        }
        stop_publishing.notify_one();
        let _ = publishing.await;
        directory.close().await;
        node.close().await;
        Ok(())
    }
}

/// Writes the last uses of tokens down now and then, until it is time to stop.
async fn write_token_uses<D: Directory>(service: Arc<Service<D>>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(WRITE_TOKEN_USES);
    loop {
        tokio::select! {
            _ = ticks.tick() => service.write_token_uses().await,
            _ = stop.changed() => return,
        }
    }
}

/// What signals and local files change.
struct NodeRules<R> {
    settings: watch::Sender<Arc<Settings>>,
    rules: watch::Sender<Arc<Rules>>,
    pool: Pool,
    reload: R,
    log: Log,
}

/// Waits for what comes from outside, until it is time to stop.
async fn attend(
    mut node_rules: NodeRules<impl FnMut() -> Result<Settings, Vec<ConfigError>>>,
    etc_changed: &Notify,
    node: &NodeStore,
    clock: &Clock,
) {
    let [mut terminate, mut interrupt, mut hang_up] =
        [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal_of);
    let mut housekeeping = interval(HOUSEKEEPING);
    let mut watchdog = notify::watchdog_interval().map(interval);
    loop {
        tokio::select! {
            () = received(&mut terminate) => return,
            () = received(&mut interrupt) => return,
            () = received(&mut hang_up) => {
                node_rules.reload();
                forget_ended_codes(node, &node_rules.settings(), clock.unix_seconds()).await;
            }
            () = etc_changed.notified() => node_rules.local_accounts_changed(),
            _ = housekeeping.tick() => {
                node_rules.local_accounts_changed();
                let forgotten = lockout::forgotten_before(&node_rules.settings.borrow().auth.lockout, clock.unix_seconds());
                node.forget_failures(forgotten).await;
                let max_age = node_rules.settings.borrow().offline.max_age.as_secs();
                let too_old = clock.unix_seconds().saturating_sub_unsigned(max_age);
                forget_ended_codes(node, &node_rules.settings(), clock.unix_seconds()).await;
                if let Err(error) = node.forget_remembered(too_old).await {
                    tracing::warn!(%error, "passwords that are too old to be of use stay remembered");
                }
            }
            () = ticked(&mut watchdog) => notify::watchdog(),
        }
    }
}

impl<R: FnMut() -> Result<Settings, Vec<ConfigError>>> NodeRules<R> {
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Reads the configuration again and takes over what can be changed in a running podyd.
    fn reload(&mut self) {
        notify::reloading();
        match (self.reload)() {
            Ok(new) => self.take_over(new),
            Err(errors) => {
                for error in errors {
                    tracing::error!("{error}");
                }
                tracing::error!("the configuration is not reloaded: what was in force stays in force");
            }
        }
        notify::ready("reloaded");
    }

    fn take_over(&mut self, mut new: Settings) {
        let old = Arc::clone(&self.settings.borrow());
        // It was decided for as long as podyd runs.
        new.paths.state.clone_from(&old.paths.state);
        let reload = old.reload_diff(&new);
        if !reload.needs_restart.is_empty() {
            let keys = reload.needs_restart.join(", ");
            tracing::warn!(keys, "these settings change when podyd is restarted (systemctl restart podyd)");
        }
        // What is asked of it and shown to it goes on as before: a token is for the service that it was given with.
        if !old.backend.reloads_to(&new.backend) {
            new.backend = old.backend.clone();
        }
        tracing::info!(changed = reload.applied.join(", "), "the configuration is reloaded");
        self.log.set_level(new.log.level);
        match argon2(&new) {
            Ok(parameters) => self.pool.use_parameters(parameters),
            Err(error) => tracing::error!(%error, "new passwords are hashed as before"),
        }
        let local = self.rules.borrow().local.clone();
        self.rules.send_replace(Arc::new(rules_of(&new, local)));
        self.settings.send_replace(Arc::new(new));
    }

    fn local_accounts_changed(&mut self) {
        match etc::local_accounts() {
            Ok(local) if local != self.rules.borrow().local => {
                tracing::info!("the local accounts have changed");
                let rules = rules_of(&self.settings.borrow(), local);
                self.rules.send_replace(Arc::new(rules));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "the local accounts cannot be read; those known before stay known")
            }
        }
    }
}

fn rules_of(settings: &Settings, local: LocalAccounts) -> Rules {
    let derive_from = derives_ids(settings).then(|| settings.oidc.issuer.to_string());
    Rules { derive_from, ..Rules::of(settings, local) }
}

/// Whether the ids of those who come by a login must be the same when everything here is forgotten.
fn derives_ids(settings: &Settings) -> bool {
    let derives = match settings.ids.allocation {
        IdAllocation::Next => false,
        IdAllocation::Derived => true,
        IdAllocation::Auto => settings.backend == Backend::Local && state::is_volatile(&settings.paths.state),
    };
    derives && settings.oidc.is_configured()
}

fn argon2(settings: &Settings) -> Result<Argon2Parameters, Error> {
    let password = &settings.password;
    Argon2Parameters::new(password.memory_kib, password.passes, password.lanes)
        .map_err(|error| Error::Failed(format!("the [password] settings: {error}")))
}

/// Makes a directory that is missing; one that is there keeps its mode, but for the state, which is nobody
/// else's to read.
fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    let is_new = !path.exists();
    fs::create_dir_all(path)?;
    if is_new || mode == 0o700 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Whether an empty directory is what is meant: everybody comes back from the provider, with the same ids.
fn begins_with_nobody(settings: &Settings) -> bool {
    settings.auth.mode == AuthMode::OidcOnly && state::is_volatile(&settings.paths.state)
}

/// An empty directory would make nobody of everybody at once, and programs delete what belongs to nobody.
fn lost(paths: &Paths) -> Error {
    let Paths { state, cache, run, .. } = paths;
    let [state, cache, run] = [state, cache, run].map(|path| path.display());
    Error::Failed(format!(
        "the directory in {state} is new and empty, but {cache} shows accounts, which stay: bring its files back (is a \
         disk not mounted?), or remove the files in {cache} and {run} to begin with nobody"
    ))
}

/// Takes the state directory for this process alone until it ends: two podyds would take socket and snapshot from each
/// other. Root is not let into another's: what it creates there, podyd's own user could not open any more.
async fn lock(state: &Path) -> Result<File, Error> {
    let owner = fs::metadata(state).map_or(0, |status| status.uid());
    if owner != geteuid().as_raw() {
        let text = format!("{} belongs to uid {owner}: run podyd as that user", state.display());
        return Err(Error::Failed(text));
    }
    let path = state.join("lock");
    let failed = |error: io::Error| Error::Failed(format!("{}: {error}", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // One that was killed holds it until the kernel has taken it apart.
            Err(TryLockError::WouldBlock) if began.elapsed() < LAST_ONE_ENDS => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Failed(format!("another podyd is running on {}", state.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

fn local_files(error: io::Error) -> Error {
    Error::Failed(format!("/etc/passwd and /etc/group: {error}"))
}

fn signal_of(kind: SignalKind) -> Signal {
    signal(kind).expect("these signals may be caught, and the runtime is running")
}

async fn received(signal: &mut Signal) {
    signal.recv().await;
}

async fn ticked(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_of_names_where_the_directory_is_here_and_in_memory() {
        let settings = |allocation, state: &str| {
            let mut settings = Settings::default();
            settings.oidc.issuer = "https://login.example.com".parse().unwrap();
            settings.oidc.client_id = "pody".parse().unwrap();
            settings.ids.allocation = allocation;
            settings.paths.state = state.into();
            settings
        };
        assert!(derives_ids(&settings(IdAllocation::Auto, "/dev/shm")));
        assert!(!derives_ids(&settings(IdAllocation::Auto, "/proc")));
        assert!(!derives_ids(&settings(IdAllocation::Next, "/dev/shm")));
        assert!(derives_ids(&settings(IdAllocation::Derived, "/proc")));
        let of_another = Settings {
            backend: Backend::Remote(crate::testing::provider("https://server-a.example.com")),
            ..settings(IdAllocation::Auto, "/dev/shm")
        };
        assert!(!derives_ids(&of_another), "there, they outlive this machine");
        let without_provider =
            Settings { oidc: Default::default(), ..settings(IdAllocation::Auto, "/dev/shm") };
        assert!(!derives_ids(&without_provider));
    }
}
