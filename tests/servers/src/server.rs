//! The life of a server's process: started, ready, frozen, killed, started again. Which server it is does not matter here.

use std::fmt::Display;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, interval};

use crate::place::Place;

/// How long a server may take to start or to end: far above what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A server's process, and the place it lives in.
pub struct Server {
    place: Place,
    child: Option<Child>,
}

impl Server {
    /// Nothing that runs, yet.
    pub fn new(place: Place) -> Self {
        Self { place, child: None }
    }

    /// Where it lives.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Runs a command there to its end; panics with what it said when it fails.
    pub async fn run(&self, mut command: Command) {
        let name = command.get_program().display().to_string();
        let output =
            tokio::task::spawn_blocking(move || command.output()).await.expect("output does not panic");
        let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{name}: {}: {}", output.status, String::from_utf8_lossy(&said));
    }

    /// Starts the server; its log takes what it says.
    pub fn launch(&mut self, mut command: Command) {
        let log = File::options().create(true).append(true).open(self.log()).expect("the place is ours");
        let errors = log.try_clone().expect("a descriptor can be copied");
        let name = command.get_program().display().to_string();
        let child =
            command.stdout(log).stderr(errors).spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        self.child = Some(child);
    }

    /// Waits until it answers; tells what it said when it ends instead.
    pub async fn ready<E: Display>(
        &mut self,
        mut ask: impl AsyncFnMut(&Place) -> Result<(), E>,
    ) -> Result<(), String> {
        let (deadline, mut ticks) = (Instant::now() + PATIENCE, interval(LOOK_EVERY));
        while let Err(error) = ask(&self.place).await {
            if let Some(status) = self.ended() {
                return Err(format!("{status}: {}", self.said()));
            }
            assert!(Instant::now() < deadline, "{error}, for {PATIENCE:?}: {}", self.said());
            ticks.tick().await;
        }
        Ok(())
    }

    /// Everything that it said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Ends it and all that it has started at once, as a machine that crashes would.
    pub async fn kill(&mut self) {
        // What stands still starts nothing new while the others are found.
        self.signal(Signal::SIGSTOP);
        self.signal(Signal::SIGKILL);
        self.gone().await;
    }

    /// Asks it to end, by the signal that it understands so.
    pub async fn stop(&mut self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill(pid(child), signal).expect("a child that was not waited for has its id");
        self.gone().await;
    }

    /// Lets nothing in it move: connections stay, and no answer comes.
    pub fn freeze(&mut self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.signal(Signal::SIGCONT);
    }

    /// Sends a signal to the server first, and then to all that it has started.
    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        for process in [vec![pid(child)], self.place.processes()].concat() {
            // It may have ended meanwhile.
            let _ = kill(process, signal);
        }
    }

    /// Waits until nothing runs any more.
    async fn gone(&mut self) {
        let (deadline, mut ticks) = (Instant::now() + PATIENCE, interval(LOOK_EVERY));
        while self.ended().is_none() || !self.place.processes().is_empty() {
            assert!(Instant::now() < deadline, "did not end within {PATIENCE:?}: {}", self.said());
            ticks.tick().await;
        }
        self.child = None;
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut().expect("the server was started");
        child.try_wait().unwrap_or(Some(ExitStatus::from_raw(0)))
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}
