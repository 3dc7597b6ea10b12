//! systemd and logind over the system's D-Bus. Nothing else in Pody speaks D-Bus.
//!
//! Each question has a thread and a connection of its own, so that a bus that hangs holds up no other verb.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use protocol::Error;
use zbus::Connection;
use zbus::connection::Builder;

use super::failed;
use super::limits::{BUS_ANSWERS, BUS_CALL, MAX_BUS_QUESTIONS};

/// Those that have not been answered.
static QUESTIONS: AtomicUsize = AtomicUsize::new(0);

/// Whether systemd runs this machine (sd_booted(3)). In a container, something else may.
pub fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// What comes of calls on the bus.
pub fn ask<T: Send + 'static>(
    question: impl AsyncFnOnce(&Connection) -> zbus::Result<T> + Send + 'static,
) -> Result<T, Error> {
    if QUESTIONS.fetch_add(1, Ordering::SeqCst) >= MAX_BUS_QUESTIONS {
        QUESTIONS.fetch_sub(1, Ordering::SeqCst);
        return Err(busy());
    }
    let (sender, answer) = mpsc::channel();
    let asking = thread::Builder::new().spawn(move || {
        let outcome = futures_executor::block_on(async {
            let bus = Builder::system().method_timeout(BUS_CALL).build().await?;
            question(&bus).await
        });
        QUESTIONS.fetch_sub(1, Ordering::SeqCst);
        // Whoever asked may have given up.
        let _ = sender.send(outcome);
    });
    if let Err(error) = asking {
        QUESTIONS.fetch_sub(1, Ordering::SeqCst);
        return Err(failed(error));
    }
    match answer.recv_timeout(BUS_ANSWERS) {
        Ok(outcome) => outcome.map_err(|error| failed(format!("systemd, over D-Bus: {error}"))),
        Err(_) => Err(busy()),
    }
}

fn busy() -> Error {
    Error::Busy { message: "systemd does not answer over D-Bus; see: systemctl status dbus".into() }
}

/// Whether a service has answered with this error.
pub fn is(error: &zbus::Error, name: &str) -> bool {
    matches!(error, zbus::Error::MethodError(given, ..) if given.as_str() == name)
}
