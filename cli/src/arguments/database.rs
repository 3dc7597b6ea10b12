//! The commands about the database, as part of the command line.

use std::path::PathBuf;

use clap::Subcommand;

/// The commands about the database.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Show where the database is, what its tables are, and how fast it answers
    #[command(after_help = "Examples:\n  podyctl db status\n  podyctl db status --json | jq .fits")]
    Status,

    /// Make the tables, or bring them up to date: once, on one node
    ///
    /// Nodes with an older podyd stop following the database until they have the new podyd, and serve what they
    /// have until then.
    #[command(after_help = "Examples:\n  podyctl db migrate")]
    Migrate,

    /// Copy the whole directory into another, empty database
    ///
    /// The new database is the one that the [backend] of FILE names, a configuration like /etc/pody/config.toml;
    /// without a [backend] it is the file of this node. The copy is compared row by row before it is kept.
    /// Nodes go on with the old database until their configuration names the new one.
    #[command(
        after_help = "Examples:\n  podyctl db copy --to-config new.toml --dry-run\n  podyctl db copy --to-config new.toml"
    )]
    Copy {
        /// A configuration whose [backend] is the new database
        #[arg(long, value_name = "FILE")]
        to_config: PathBuf,
        /// Look whether it could be done, and how much it is
        #[arg(long)]
        dry_run: bool,
    },
}
