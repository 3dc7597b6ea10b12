//! `podyctl reservations`.

use protocol::node::{Reservation, Reservations};

use crate::daemon::Daemon;
use crate::table::{Listing, Value};
use crate::{Result, Session};

/// Shows what is kept for people who do not exist yet.
pub fn run(session: &mut Session<'_>) -> Result<()> {
    let reserved = Daemon::connect(&session.socket)?.call(&Reservations {})?.reservations;
    if session.output.json {
        return session.output.object(&reserved);
    }
    let heading = ["NAME", "UID", "GID", "ENDS IN", "HOME"];
    Listing::new(heading).page(&mut session.output, reserved.iter().map(row))
}

fn row(reservation: &Reservation) -> [Value; 5] {
    let Reservation { name, uid, gid, home, seconds_left, .. } = reservation;
    [name.into(), uid.into(), gid.into(), format!("{seconds_left} s").into(), home.into()]
}
