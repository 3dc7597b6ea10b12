//! The commands about sessions, as part of the command line.

use clap::{ArgGroup, Args, Subcommand};

/// The commands about sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List sessions on this node: all there are for root and admins, your own otherwise
    ///
    /// LEADER is the process that opened the session and closes it.
    #[command(after_help = "Examples:\n  podyctl session list\n  podyctl session list ada\n  \
        podyctl session list --json | jq -r '.[] | select(.service == \"sshd\").rhost'")]
    List {
        /// The user
        user: Option<String>,
    },

    /// End a session, or whatever a user runs on this node
    ///
    /// Processes are asked to end, and killed after two seconds. Of a session that is every process that came
    /// of it; of a user every process there is. The user may log in again: 'podyctl user lock --kill' keeps
    /// them out.
    #[command(after_help = "Examples:\n  podyctl session end 12\n  podyctl session end --user ada")]
    End(EndSession),
}

/// `session end`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub struct EndSession {
    /// The session, as 'podyctl session list' numbers it
    #[arg(group = "which")]
    pub id: Option<u64>,
    /// All sessions of this user, and what else they run
    #[arg(long, value_name = "NAME", group = "which")]
    pub user: Option<String>,
}
