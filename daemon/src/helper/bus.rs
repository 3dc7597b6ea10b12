//! systemd and logind over the system's D-Bus. Nothing else in Pody speaks D-Bus.
//!
//! Each question has a thread and a connection of its own, so that a bus that hangs holds up no other verb.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use futures_executor::block_on;
use protocol::Error;
use serde::Serialize;
use zbus::connection::Builder;
use zbus::wire::{DynamicType, ObjectPath};
use zbus::{Connection, Message};

use super::failed;
use super::limits::{BUS_ANSWERS, BUS_CALL, MAX_BUS_QUESTIONS};

/// Those that have not been answered.
static QUESTIONS: AtomicUsize = AtomicUsize::new(0);

/// The system's bus.
pub struct Bus(Connection);

/// A service on it.
#[derive(Clone, Copy)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Its first object.
    pub manager: &'static str,
    /// What that understands.
    pub interface: &'static str,
}

impl Bus {
    /// Calls a method of a service's manager.
    pub fn manage(
        &self,
        service: Service,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> zbus::Result<Message> {
        let Service { name, manager, interface } = service;
        block_on(self.0.call_method(Some(name), manager, Some(interface), method, body))
    }

    /// Calls a method of one of its objects.
    pub fn call(
        &self,
        Service { name, .. }: Service,
        path: &ObjectPath<'_>,
        (interface, method): (&str, &str),
        body: &(impl Serialize + DynamicType),
    ) -> zbus::Result<Message> {
        block_on(self.0.call_method(Some(name), path, Some(interface), method, body))
    }
}

/// Whether systemd runs this machine (sd_booted(3)). In a container, something else may.
pub fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// What comes of calls on the bus.
pub fn ask<T: Send + 'static>(
    question: impl FnOnce(&Bus) -> zbus::Result<T> + Send + 'static,
) -> Result<T, Error> {
    if QUESTIONS.fetch_add(1, Ordering::SeqCst) >= MAX_BUS_QUESTIONS {
        QUESTIONS.fetch_sub(1, Ordering::SeqCst);
        return Err(busy());
    }
    let (sender, answer) = mpsc::channel();
    let asking = thread::Builder::new().spawn(move || {
        let bus = block_on(Builder::system().method_timeout(BUS_CALL).build()).map(Bus);
        let outcome = bus.and_then(|bus| question(&bus));
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
