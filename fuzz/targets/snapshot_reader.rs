//! Files that podyd did not write, or that were damaged since: the reader may say anything about them, but neither
//! panics nor loops, and what it says fits into the caller's buffer. About files as podyd writes them it has no
//! complaint.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::accounts::{Accounts, Changes, VARIETY, gid, name, uid};
use fuzz::filled::Caller;
use libfuzzer_sys::fuzz_target;
use snapshot::layout::{HEADER_BYTES, Kind, MAGIC, VERSION};
use snapshot::{AccountView, Encoded, SnapshotBytes, Unusable, View};

/// Entries of an enumeration that are looked at: a list may name the same record again and again.
const WALKED: u64 = 64;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    files: Files<'a>,
    /// The caller's buffer.
    length: u16,
    shift: u8,
}

#[derive(Arbitrary, Debug)]
enum Files<'a> {
    Raw { base: &'a [u8], delta: Option<&'a [u8]> },
    Made { accounts: Accounts<'a>, changes: Option<Changes<'a>>, damages: Vec<Damage<'a>> },
}

#[derive(Arbitrary, Debug)]
struct Damage<'a> {
    file: u8,
    at: u16,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let mut caller = Caller::new(input.length, input.shift);
    match input.files {
        Files::Raw { base, delta } => {
            let _ =
                read(&stamped(base, Kind::Base), delta.map(|delta| stamped(delta, Kind::Delta)), &mut caller);
            let delta = delta.map(|delta| stamped(delta, Kind::DeltaAccounts));
            let _ = read_accounts(&stamped(base, Kind::BaseAccounts), delta, &mut caller);
        }
        Files::Made { accounts, changes, damages } => {
            let Ok(mut base) = accounts.base() else { return };
            let Ok(mut delta) = changes.map(|changes| accounts.delta(&changes)).transpose() else { return };
            let is_whole = damages.is_empty();
            damages.iter().for_each(|damage| damage.strike(&mut base, delta.as_mut()));
            let (delta, delta_accounts) = delta.map(|delta| (delta.snapshot, delta.account)).unzip();
            let users = read(&base.snapshot, delta, &mut caller);
            let accounts = read_accounts(&base.account, delta_accounts, &mut caller);
            assert!(!is_whole || (users.is_ok() && accounts.is_ok()), "podyd's own files are refused");
        }
    }
});

/// `body` behind a header that is right in what can be guessed.
fn stamped(body: &[u8], kind: Kind) -> Vec<u8> {
    let mut file = Vec::from(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend((kind as u32).to_le_bytes());
    let length = file.len() + 8 + body.len();
    file.extend((length.max(HEADER_BYTES) as u64).to_le_bytes());
    file.extend(body);
    file.resize(length.max(HEADER_BYTES), 0);
    file
}

impl Damage<'_> {
    fn strike(&self, base: &mut Encoded, delta: Option<&mut Encoded>) {
        let encoded = if self.file & 1 == 0 { base } else { delta.unwrap_or(base) };
        let file = if self.file & 2 == 0 { &mut encoded.snapshot } else { &mut encoded.account };
        if let Some(place) = file.get_mut(usize::from(self.at)..) {
            place.iter_mut().zip(self.bytes).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Asks everything that can be asked; an error is the first there was.
fn read(base: &[u8], delta: Option<Vec<u8>>, caller: &mut Caller) -> Result<(), Unusable> {
    let base = SnapshotBytes::read(base, Kind::Base)?;
    let delta = delta.as_deref().map(|delta| SnapshotBytes::read(delta, Kind::Delta)).transpose()?;
    let view = View::of_bytes(&base, delta.as_ref());
    let mut outcome = Ok(());
    for number in 0..VARIETY {
        let name = name(number);
        outcome = outcome.and(view.user_by_name(name.as_bytes()).map(|user| {
            if let Some(user) = user {
                caller.passwd(&user);
            }
        }));
        outcome = outcome.and(view.user_by_uid(uid(number)).map(|user| {
            if let Some(user) = user {
                caller.passwd(&user);
            }
        }));
        outcome = outcome.and(view.groups_of(name.as_bytes()).and_then(|gids| match gids {
            Some(mut gids) => gids.try_for_each(|gid| gid.map(drop)),
            None => Ok(()),
        }));
        for group in [view.group_by_name(name.as_bytes()), view.group_by_gid(gid(number))] {
            outcome = outcome.and(group.map(|group| {
                if let Some(group) = group {
                    caller.group(&group);
                }
            }));
        }
    }
    for index in 0..view.user_count().min(WALKED) {
        outcome = outcome.and(view.user_at(index).map(|user| {
            if let Some(user) = user {
                caller.passwd(&user);
            }
        }));
    }
    for index in 0..view.group_count().min(WALKED) {
        outcome = outcome.and(view.group_at(index).map(|group| {
            if let Some(group) = group {
                caller.group(&group);
            }
        }));
    }
    outcome
}

fn read_accounts(base: &[u8], delta: Option<Vec<u8>>, caller: &mut Caller) -> Result<(), Unusable> {
    let base = SnapshotBytes::read(base, Kind::BaseAccounts)?;
    let delta = delta.as_deref().map(|delta| SnapshotBytes::read(delta, Kind::DeltaAccounts)).transpose()?;
    let view = AccountView::of_bytes(&base, delta.as_ref());
    let by_name = (0..VARIETY).map(|number| view.account_by_name(name(number).as_bytes()));
    let walked = (0..view.account_count().min(WALKED)).map(|index| view.account_at(index));
    let mut outcome = Ok(());
    for account in by_name.chain(walked) {
        outcome = outcome.and(account.map(|account| {
            if let Some(account) = account {
                caller.spwd(&account);
            }
        }));
    }
    outcome
}
