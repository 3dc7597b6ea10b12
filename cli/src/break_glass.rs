//! `podyctl break-glass`: a one-time code by root's word. It goes to standard output alone.

use protocol::login::{self, OneTimeCode};

use crate::arguments::BreakGlass;
use crate::daemon::Daemon;
use crate::{Result, Session};

/// Gets a code and says what it is for.
pub fn run(arguments: BreakGlass, session: &mut Session<'_>) -> Result<()> {
    let BreakGlass { name, seconds, reason } = arguments;
    let code = Daemon::connect(&session.socket)?.call(&login::BreakGlass { user: name, seconds, reason })?;
    show(&code, session)?;
    let OneTimeCode { name, seconds, .. } = code;
    session.output.remark(&format!(
        "For the next {} this one-time code lets {name} in on this node, typed where a login asks. The journal tells of it.",
        time(seconds)
    ));
    Ok(())
}

/// The code alone, for whoever copies it and for scripts.
pub fn show(code: &OneTimeCode, session: &mut Session<'_>) -> Result<()> {
    let output = &mut session.output;
    if output.json {
        output.object(code)?
    } else {
        output.text(&format!("{}\n", code.code.0))?
    }
    output.flush()
}

fn time(seconds: u64) -> String {
    match seconds / 60 {
        minutes if minutes > 1 && seconds.is_multiple_of(60) => format!("{minutes} minutes"),
        _ => format!("{seconds} seconds"),
    }
}
