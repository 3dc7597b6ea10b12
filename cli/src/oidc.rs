//! `podyctl oidc`: the OpenID provider of this node. podyd does the asking.

use protocol::oidc::{Check, Checked};

use crate::arguments::OidcCommand;
use crate::daemon::Daemon;
use crate::table::{Listing, Value};
use crate::{Code, Failure, Result, Session};

/// Runs a command about the provider.
pub fn run(command: OidcCommand, session: &mut Session<'_>) -> Result<()> {
    match command {
        OidcCommand::Check => check(session),
    }
}

/// Shows each step; one that failed is a failure to report.
fn check(session: &mut Session<'_>) -> Result<()> {
    let checked = Daemon::connect(&session.socket)?.call(&Check {})?;
    if session.output.json {
        session.output.object(&checked)?;
    } else {
        show(&checked, session)?;
    }
    match checked.steps.iter().all(|step| step.passed) {
        true => Ok(()),
        false => Err(Failure::silent(Code::Failed)),
    }
}

fn show(checked: &Checked, session: &mut Session<'_>) -> Result<()> {
    let rows = checked.steps.iter().map(|step| {
        let passed = if step.passed { "ok".into() } else { Value::Striking("failed".into()) };
        [passed, Value::from(&step.step), Value::from(&step.message)]
    });
    Listing::new(["RESULT", "STEP", "WHAT WAS FOUND"]).page(&mut session.output, rows)
}
