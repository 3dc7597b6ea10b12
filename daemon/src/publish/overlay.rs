//! What lookups show that is not in the directory: accounts that are kept for people who do not exist yet, and whether
//! somebody who is not shown may come to be one. It is in deltas alone, and depends on nothing that a base was made of.

use std::sync::Arc;

use identity::Gid;
use snapshot::{Account, DeltaEncoder, EncodeError, UserEntry};

use super::model::{Base, Model};
use crate::directory::{Reservation, Rules};

/// The accounts, as they follow one another.
#[derive(Clone, Debug, Default)]
pub struct Reserved {
    /// Which of them these are.
    pub number: u64,
    /// They.
    pub reservations: Arc<[Reservation]>,
}

/// What there is beside the directory at one moment.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// The accounts that are kept.
    pub reserved: Reserved,
    /// Whether somebody who is not shown does not exist: not where a login makes users.
    pub complete: bool,
}

impl Overlay {
    /// Whether this is what is shown, by the number of the accounts and whether somebody else may come.
    pub fn is_shown_by(&self, shown: (u64, bool)) -> bool {
        shown == (self.reserved.number, self.complete)
    }

    /// Whether a base alone shows all of it.
    pub fn is_shown_by_base(&self, base_is_complete: bool) -> bool {
        self.reserved.reservations.is_empty() && self.complete == base_is_complete
    }

    /// Writes those that nobody has got meanwhile: whoever the directory has by the name or the uid is shown instead.
    pub fn encode(
        &self,
        model: &Model,
        base: &impl Base,
        delta: &mut DeltaEncoder,
        rules: &Rules,
    ) -> Result<(), EncodeError> {
        for reservation in self.reserved.reservations.iter() {
            let Reservation { name, uid, gid, .. } = *reservation;
            let is_served = rules.objection_to_user(name, uid, gid).is_none();
            if is_served && !model.knows_user(name, uid, base) {
                delta.user(&entry(reservation))?;
            }
        }
        Ok(())
    }
}

/// Locked, also to whoever does not know that there are reservations.
fn entry(reservation: &Reservation) -> UserEntry<'_> {
    UserEntry {
        name: reservation.name,
        uid: reservation.uid,
        gid: reservation.gid,
        gecos: "",
        home: reservation.home.as_str(),
        shell: reservation.shell.as_str(),
        groups: &[] as &[Gid],
        account: Account { locked: true, reserved: true, ..Account::default() },
    }
}
