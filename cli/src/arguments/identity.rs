//! The commands about identities, as part of the command line.

use clap::{Args, Subcommand};

/// The commands about identities.
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// List who users are to OpenID providers: all there are, or one user's
    ///
    /// Those of deleted users are listed, too: they keep the same person from being created again.
    #[command(after_help = "Examples:\n  podyctl identity list\n  podyctl identity list ada\n  \
        podyctl identity list --json | jq -r '.[] | select(.deleted).subject'")]
    List {
        /// The user
        user: Option<String>,
    },

    /// Let whoever has an identity log in as a user
    ///
    /// A login that is refused because the name is taken says which identity it was. An identity is one user's
    /// at a time; one of a deleted user becomes this one's.
    #[command(after_help = "Examples:\n  podyctl identity link ada https://login.example.com 248289761001")]
    Link(Linking),

    /// End that, or forget that an identity was a deleted user's
    ///
    /// The user stays, with everything. Whoever has the identity is somebody new from then on.
    #[command(after_help = "Examples:\n  podyctl identity unlink ada https://login.example.com 248289761001")]
    Unlink(Linking),
}

/// A user and an identity.
#[derive(Debug, Args)]
pub struct Linking {
    /// The user's login name
    pub user: String,
    /// The OpenID provider, by its own name (the claim iss)
    pub issuer: String,
    /// Whom the provider calls so (the claim sub)
    pub subject: String,
}
