//! Who may go on with what could hang: a file server that is away, or a frozen disk, holds a call for as long as it likes, and
//! each takes one of few connections. So one call at a time is about the homes of one person, and a few are about one file
//! server; whoever comes then waits for a moment and is told. Nothing is ended here: what hangs goes on when the server is back.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use protocol::Error;
use protocol::helper::still_at_home_of;

use super::limits::{
    KEPT_FOR_OTHER_SERVERS, MAX_ABOUT_HOMES, MAX_ABOUT_HOMES_ON_A_SERVER, MAX_ABOUT_QUOTAS,
    MAX_ABOUT_QUOTAS_OF_A_FILESYSTEM, OTHERS_GO_FIRST_FOR,
};

/// What a call may hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The homes of this uid: they are made, archived and removed one after the other.
    HomesOf(u32),
    /// Homes on this file server.
    HomesOn(String),
    /// Homes, wherever they are.
    Homes,
    /// Quotas of the filesystem that is configured with this path.
    QuotasOn(String),
    /// How all filesystems with quotas are: it looks at each, and one that hangs is enough.
    AllFilesystems,
    /// Quotas of any.
    Quotas,
}

impl Subject {
    /// How many calls may be about it at a time, while so many are about homes.
    fn limit(&self, about_homes: usize) -> usize {
        match self {
            Self::HomesOf(_) | Self::AllFilesystems => 1,
            Self::HomesOn(_) if about_homes + KEPT_FOR_OTHER_SERVERS >= MAX_ABOUT_HOMES => 1,
            Self::HomesOn(_) => MAX_ABOUT_HOMES_ON_A_SERVER,
            Self::Homes => MAX_ABOUT_HOMES,
            Self::QuotasOn(_) => MAX_ABOUT_QUOTAS_OF_A_FILESYSTEM,
            Self::Quotas => MAX_ABOUT_QUOTAS,
        }
    }

    fn hangs(&self) -> Error {
        let what = match self {
            Self::HomesOf(uid) => still_at_home_of(*uid),
            Self::HomesOn(server) => format!("calls about homes on {server} are not done yet"),
            Self::Homes => "many calls about homes are not done yet".into(),
            Self::QuotasOn(path) => format!("calls about quotas on {path} are not done yet"),
            Self::AllFilesystems => "what was asked about all filesystems with quotas is not done yet".into(),
            Self::Quotas => "many calls about quotas are not done yet".into(),
        };
        Error::Busy {
            message: format!("{what}: is a file server away, or a disk frozen? They go on when it is back"),
        }
    }
}

/// The calls that are under way, of one helper.
#[derive(Default)]
pub struct Turns {
    under_way: Mutex<Vec<(Subject, Instant)>>,
    done: Condvar,
}

/// One call's, for as long as it is under way.
pub struct Turn<'a> {
    turns: &'a Turns,
    subjects: Vec<Subject>,
}

impl Turns {
    /// The turn of a call about all of these. Who has come first is waited for, unless that hangs already.
    pub fn wait(&self, subjects: Vec<Subject>) -> Result<Turn<'_>, Error> {
        let come = Instant::now();
        let mut under_way = self.under_way();
        while let Some((busy, last)) = busy(&under_way, &subjects) {
            let left = OTHERS_GO_FIRST_FOR.saturating_sub(last.min(come).elapsed());
            if left.is_zero() {
                return Err(busy.hangs());
            }
            under_way = self.done.wait_timeout(under_way, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let now = Instant::now();
        under_way.extend(subjects.iter().map(|subject| (subject.clone(), now)));
        Ok(Turn { turns: self, subjects })
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<(Subject, Instant)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first of these that as many calls are about as may be, and when the last of them began.
fn busy<'a>(under_way: &[(Subject, Instant)], subjects: &'a [Subject]) -> Option<(&'a Subject, Instant)> {
    let about_homes = under_way.iter().filter(|(other, _)| *other == Subject::Homes).count();
    subjects.iter().find_map(|subject| {
        let begun = || under_way.iter().filter(|(other, _)| other == subject).map(|(_, begun)| *begun);
        let is_busy = begun().count() >= subject.limit(about_homes);
        is_busy.then(begun).and_then(Iterator::max).map(|last| (subject, last))
    })
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut under_way = self.turns.under_way();
        for subject in &self.subjects {
            if let Some(ours) = under_way.iter().position(|(other, _)| other == subject) {
                under_way.swap_remove(ours);
            }
        }
        drop(under_way);
        self.turns.done.notify_all();
    }
}
