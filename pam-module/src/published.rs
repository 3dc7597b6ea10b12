//! [`AccountPart`] over the published snapshot. It is mapped for one lookup and let go: a module that
//! keeps nothing has nothing that a fork, a chroot or a checkpoint could break.

use identity::{Day, Name};
use snapshot::{Loaded, LoadedAccounts, Places};

use crate::request::{Account, AccountPart, Lookup};

/// The snapshot in the directories that are compiled in.
pub struct Published;

impl AccountPart for Published {
    fn lookup(&self, name: &Name) -> Lookup {
        let Ok(loaded) = LoadedAccounts::open(Places::SYSTEM) else { return Lookup::Unusable };
        let accounts = loaded.view();
        match accounts.account_by_name(name.as_bytes()) {
            Ok(Some(record)) => {
                let expires_at = record.expires_at.map(Day);
                Lookup::Found(Account { locked: record.locked, reserved: record.reserved, expires_at })
            }
            Ok(None) if accounts.is_complete() => Lookup::Absent,
            _ => Lookup::Unusable,
        }
    }

    fn knows(&self, name: &Name) -> Option<bool> {
        let loaded = Loaded::open(Places::SYSTEM, None).ok()?;
        let view = loaded.view();
        match view.user_by_name(name.as_bytes()) {
            Ok(Some(_)) => Some(true),
            Ok(None) if view.is_complete() => Some(false),
            _ => None,
        }
    }
}
