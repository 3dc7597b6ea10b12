//! The commands about sessions, as part of the command line.

use clap::Subcommand;

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
}
