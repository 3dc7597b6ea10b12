//! Which sessions there are, in memory: what decides. The node's file brings it over a restart of podyd.

use std::collections::BTreeMap;

use crate::limits::MAX_SESSIONS;
use crate::process::Process;
use crate::store::Session;

/// The sessions, in the order in which they began.
#[derive(Debug, Default)]
pub struct Ledger {
    sessions: BTreeMap<u64, Session>,
    last: u64,
}

/// Why a session is not entered.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The user has so many already.
    TooMany(usize),
    /// There is no room for more: nobody's fault, and no reason to keep anybody out.
    NoRoom,
}

impl Ledger {
    /// What an earlier run of podyd knew.
    pub fn of(sessions: Vec<Session>) -> Self {
        let sessions: BTreeMap<u64, Session> =
            sessions.into_iter().map(|session| (session.id, session)).collect();
        Self { last: sessions.last_key_value().map_or(0, |(last, _)| *last), sessions }
    }

    /// Enters a session under the next number, unless its user has as many as are allowed. A process that opens another
    /// session has only that.
    pub fn enter(&mut self, session: Session, allowed: Option<u32>) -> Result<Session, Refusal> {
        self.sessions.retain(|_, other| other.leader != session.leader);
        let open = self.of_user(session.uid).count();
        if allowed.is_some_and(|allowed| open >= allowed as usize) {
            return Err(Refusal::TooMany(open));
        }
        if self.sessions.len() >= MAX_SESSIONS {
            return Err(Refusal::NoRoom);
        }
        self.last += 1;
        let session = Session { id: self.last, ..session };
        self.sessions.insert(session.id, session.clone());
        Ok(session)
    }

    /// Takes out the session that a process has opened.
    pub fn leave(&mut self, leader: Process) -> Option<Session> {
        let id = self.sessions.values().find(|session| session.leader == leader)?.id;
        self.sessions.remove(&id)
    }

    /// Takes out those whose leaders are gone without having said so.
    pub fn prune(&mut self, is_alive: impl Fn(Process) -> bool) -> Vec<Session> {
        self.sessions
            .extract_if(.., |_, session| !is_alive(session.leader))
            .map(|(_, session)| session)
            .collect()
    }

    /// One session.
    pub fn get(&self, id: u64) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// All sessions.
    pub fn all(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// Those of one user.
    pub fn of_user(&self, uid: u32) -> impl Iterator<Item = &Session> {
        self.all().filter(move |session| session.uid == uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(uid: u32, pid: i32) -> Session {
        Session {
            id: 0,
            uuid: "u".into(),
            name: "ada".parse().unwrap(),
            uid,
            service: "sshd".into(),
            tty: None,
            rhost: None,
            began_at: 0,
            leader: Process { pid, started: 1 },
        }
    }

    fn pids(ledger: &Ledger) -> Vec<i32> {
        ledger.all().map(|session| session.leader.pid).collect()
    }

    #[test]
    fn nobody_has_more_than_are_allowed_and_one_that_ends_makes_room() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.enter(session(1, 10), Some(0)), Err(Refusal::TooMany(0)));
        assert_eq!(ledger.enter(session(1, 10), Some(1)).unwrap().id, 1);
        assert_eq!(ledger.enter(session(1, 11), Some(1)), Err(Refusal::TooMany(1)));
        assert_eq!(ledger.enter(session(2, 12), Some(1)).unwrap().id, 2, "another's do not count");
        assert_eq!(ledger.leave(Process { pid: 10, started: 1 }).unwrap().id, 1);
        assert_eq!(ledger.leave(Process { pid: 10, started: 1 }), None);
        assert_eq!(ledger.enter(session(1, 11), Some(1)).unwrap().id, 3);
    }

    #[test]
    fn a_process_has_one_session_and_a_pid_that_is_given_again_is_another_process() {
        let mut ledger = Ledger::default();
        ledger.enter(session(1, 10), None).unwrap();
        ledger.enter(session(2, 10), None).unwrap();
        assert_eq!((pids(&ledger), ledger.of_user(1).count()), (vec![10], 0));
        let again = Session { leader: Process { pid: 10, started: 2 }, ..session(2, 0) };
        ledger.enter(again, None).unwrap();
        assert_eq!(pids(&ledger), [10, 10]);
        assert_eq!(ledger.prune(|leader| leader.started == 2).len(), 1);
        assert_eq!(ledger.all().next().unwrap().leader.started, 2);
    }

    #[test]
    fn numbers_go_on_after_a_restart() {
        let mut ledger =
            Ledger::of(vec![Session { id: 7, ..session(1, 10) }, Session { id: 4, ..session(1, 11) }]);
        assert_eq!(pids(&ledger), [11, 10]);
        assert_eq!(ledger.enter(session(1, 12), None).unwrap().id, 8);
    }

    #[test]
    fn there_is_an_end_of_what_is_remembered() {
        let mut ledger = Ledger::default();
        for pid in 0..MAX_SESSIONS as i32 {
            ledger.enter(session(1, pid), None).unwrap();
        }
        assert_eq!(ledger.enter(session(1, -1), None), Err(Refusal::NoRoom));
    }
}
