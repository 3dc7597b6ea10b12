//! `podyctl metrics`.

use protocol::node::Metrics;

use crate::daemon::Daemon;
use crate::{Result, Session};

/// Prints what podyd counts, as Prometheus reads it.
pub fn run(session: &mut Session<'_>) -> Result<()> {
    let metrics = Daemon::connect(&session.socket)?.call(&Metrics {})?;
    if session.output.json { session.output.object(&metrics) } else { session.output.text(&metrics.text) }
}
