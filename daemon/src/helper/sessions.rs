//! The end of sessions: logind is asked first, where there is one; then whatever of the user still runs is asked to end, and a
//! moment later killed. Processes of nobody else are touched.

use std::thread;
use std::time::Instant;

use identity::Uid;
use protocol::Error;
use protocol::helper::{EndSessions, EndedSessions, Leader};
use rustix::process::Signal;
use zbus::wire::{OwnedObjectPath, OwnedVariant};

use super::bus::{self, Bus, Service};
use super::dispatch::Handle;
use super::limits::{KILLED_WITHIN, LOOK_EVERY, MAX_KILLS, TERMINATED_WITHIN};
use super::processes::{self, Running, Session};
use super::{Node, failed};
use crate::process::Process;

const LOGIND: Service = Service {
    name: "org.freedesktop.login1",
    manager: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

impl Handle for EndSessions {
    fn handle(self, node: &Node) -> Result<EndedSessions, Error> {
        let uid = node.uid(self.uid)?;
        match self.leader {
            None => end_all(uid),
            Some(leader) => end_one(uid, leader),
        }
    }
}

fn end_all(uid: Uid) -> Result<EndedSessions, Error> {
    let find = || processes::all().into_iter().filter(|one| one.uid == uid.0).collect();
    end(uid, find, move |bus| match bus.manage(LOGIND, "TerminateUser", &(uid.0,)) {
        Err(error) if bus::is(&error, "org.freedesktop.login1.NoSuchUser") => Ok(()),
        terminated => terminated.map(|_| ()),
    })
}

fn end_one(uid: Uid, Leader { pid, started }: Leader) -> Result<EndedSessions, Error> {
    let leader = Running::of(pid).filter(|leader| leader.process == Process { pid, started });
    let leader = leader.ok_or_else(|| Error::NotFound { message: "the session has ended already".into() })?;
    let mut session = Session::of(&leader);
    let find = || session.find(processes::all()).into_iter().filter(|one| one.uid == uid.0).collect();
    end(uid, find, move |bus| terminate_session(bus, uid, leader.process))
}

/// Asks logind to end the session that a process is in, if it is this user's.
fn terminate_session(bus: &Bus, uid: Uid, leader: Process) -> zbus::Result<()> {
    let found = bus.manage(LOGIND, "GetSessionByPID", &(leader.pid.cast_unsigned(),));
    let path: OwnedObjectPath = match found {
        Err(error) if bus::is(&error, "org.freedesktop.login1.NoSessionForPID") => return Ok(()),
        found => found?.body().deserialize()?,
    };
    let whose = bus.call(LOGIND, &path, (PROPERTIES, "Get"), &(SESSION, "User"))?;
    let whose: OwnedVariant = whose.body().deserialize()?;
    let (whose, _): (u32, OwnedObjectPath) = whose.try_into()?;
    if whose == uid.0 && leader.is_alive() {
        bus.call(LOGIND, &path, (SESSION, "Terminate"), &())?;
    }
    Ok(())
}

/// Ends whatever is found until nothing is found any more. That logind cannot be reached, or knows of nothing, is no reason to
/// leave anything running.
fn end(
    uid: Uid,
    mut find: impl FnMut() -> Vec<Running>,
    ask_logind: impl FnOnce(&Bus) -> zbus::Result<()> + Send + 'static,
) -> Result<EndedSessions, Error> {
    let all = find();
    let ended = EndedSessions { processes: u32::try_from(all.len()).unwrap_or(u32::MAX) };
    if bus::has_systemd()
        && let Err(error) = bus::ask(ask_logind)
    {
        tracing::warn!(%error, "logind does not end a session; its processes are ended all the same");
    }
    all.iter().for_each(|one| one.signal(Signal::TERM));
    let asked = Instant::now();
    while asked.elapsed() < TERMINATED_WITHIN {
        if !all.iter().any(|one| one.process.is_alive()) && find().is_empty() {
            return Ok(ended);
        }
        thread::sleep(LOOK_EVERY);
    }
    // Whatever is started meanwhile is found in the next round.
    for _ in 0..MAX_KILLS {
        let left = find();
        if left.is_empty() {
            return Ok(ended);
        }
        left.iter().for_each(|one| one.signal(Signal::KILL));
        thread::sleep(KILLED_WITHIN);
    }
    match find().as_slice() {
        [] => Ok(ended),
        left => {
            let pids: Vec<String> = left.iter().take(10).map(|one| one.process.pid.to_string()).collect();
            let (count, pids) = (left.len(), pids.join(", "));
            Err(failed(format!(
                "{count} processes of uid {uid} cannot be killed, or are started again and again: {pids}"
            )))
        }
    }
}
