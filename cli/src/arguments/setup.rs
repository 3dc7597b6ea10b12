//! The command that sets a node up, as part of the command line.

use std::path::PathBuf;

use clap::Args;

/// `setup`.
#[derive(Debug, Args)]
pub struct Setup {
    /// Ask nothing: take the answers from this JSON file, which only its owner may read where it holds a secret
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print a file of answers with every key there is
    #[arg(long, conflicts_with_all = ["answers", "dry_run"])]
    pub answers_example: bool,
}
