//! The commands about the OpenID provider, as part of the command line.

use clap::Subcommand;

/// The commands about the OpenID provider.
#[derive(Debug, Subcommand)]
pub enum OidcCommand {
    /// Try the OpenID provider of the configuration, and log nobody in
    ///
    /// podyd asks it for its description and keys, compares the clocks, and begins a login that nobody is told
    /// of. Exits with 0 if people could log in there, and with 1 if not.
    #[command(after_help = "Examples:\n  sudo podyctl oidc check\n  \
        podyctl oidc check --json | jq -r '.steps[] | select(.passed | not).message'")]
    Check,
}
