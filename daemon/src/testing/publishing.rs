//! A publisher at work in directories of a test's own.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot::{Loaded, LoadedAccounts, Places, Trouble};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, block_in_place};

use super::PATIENCE;
use crate::clock::Clock;
use crate::config::Settings;
use crate::directory::{Directory, Rules};
use crate::publish::{Published, Publisher};

/// A running publisher, and all that it is told by.
pub struct Publishing<D> {
    pub directory: Arc<D>,
    pub published: Published,
    pub rules: watch::Sender<Arc<Rules>>,
    pub settings: watch::Sender<Arc<Settings>>,
    cache: PathBuf,
    run: PathBuf,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
    /// All that runs of this podyd, as a process would be: a base that is being written ends with it, too.
    process: Option<Runtime>,
}

impl<D: Directory> Publishing<D> {
    /// Starts a publisher whose directories are `cache` and `run` in `folder`.
    pub fn start(directory: Arc<D>, folder: &Path, rules: Rules, settings: Settings) -> Self {
        let (cache, run) = (folder.join("cache"), folder.join("run"));
        for path in [&cache, &run] {
            fs::create_dir_all(path).unwrap();
        }
        let (rules, rules_seen) = watch::channel(Arc::new(rules));
        let (settings, settings_seen) = watch::channel(Arc::new(settings));
        let source = Arc::clone(&directory);
        let (publisher, published) =
            Publisher::start(source, &cache, &run, &Clock::System, rules_seen, settings_seen).unwrap();
        let stop = Arc::new(Notify::new());
        let process = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let task = process.spawn(publisher.run(Arc::clone(&stop)));
        Self { directory, published, rules, settings, cache, run, stop, task, process: Some(process) }
    }

    /// Ends it as SIGTERM does.
    pub async fn stop(&mut self) {
        self.stop.notify_one();
        (&mut self.task).await.unwrap();
        block_in_place(|| drop(self.process.take()));
    }

    /// Ends it in the middle of whatever it does, and nothing more is written.
    pub async fn crash(&mut self) {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
        block_in_place(|| drop(self.process.take()));
    }

    /// What a next run of podyd says before it has published anything.
    pub fn start_without_publishing(&self) -> Published {
        let source = Arc::clone(&self.directory);
        let (rules, settings) = (self.rules.subscribe(), self.settings.subscribe());
        Publisher::start(source, &self.cache, &self.run, &Clock::System, rules, settings).unwrap().1
    }

    /// Waits until lookups show all that is committed now.
    pub async fn up_to_date(&self) {
        self.published.first(PATIENCE).await;
        let position = self.directory.position().await.unwrap();
        self.published.reaches(&position, PATIENCE).await.unwrap();
    }

    /// What a process sees that looks now.
    pub fn look(&self) -> Result<Loaded, Trouble> {
        look(&self.cache, &self.run)
    }

    /// What root sees of who may log in.
    pub fn look_at_accounts(&self) -> Result<LoadedAccounts, Trouble> {
        let [cache, run] = [&self.cache, &self.run].map(|path| c_path(path));
        LoadedAccounts::open(Places { cache: &cache, run: &run })
    }

    /// Whether a lookup of this user finds somebody.
    pub fn shows(&self, user: &str) -> bool {
        self.look().unwrap().view().user_by_name(user.as_bytes()).unwrap().is_some()
    }
}

impl<D> Drop for Publishing<D> {
    fn drop(&mut self) {
        // Where nobody may wait, a runtime must not be dropped.
        if let Some(process) = self.process.take() {
            process.shutdown_background();
        }
    }
}

/// What a process sees in these directories.
pub fn look(cache: &Path, run: &Path) -> Result<Loaded, Trouble> {
    Loaded::open(Places { cache: &c_path(cache), run: &c_path(run) }, None)
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}
