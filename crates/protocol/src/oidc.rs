//! `org.pody.Oidc`: the OpenID provider of this node.

use serde::{Deserialize, Serialize};

use crate::Method;

/// Tries the provider of the configuration as a login would, and logs nobody in; for root and admins.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {}

impl Method for Check {
    const NAME: &'static str = "org.pody.Oidc.Check";
    type Reply = Checked;
}

/// What was tried, and what came of it (`podyctl oidc check`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Who the provider is.
    pub issuer: String,
    /// What podyd is called there.
    pub client_id: String,
    /// Whether environment variables say so, and the file does not count.
    #[serde(default)]
    pub from_environment: bool,
    /// Each step; one that others need is the last one where it fails.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One thing that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What: `settings`, `discovery`, `clock`, `signatures`, `keys` or `device flow`.
    pub step: String,
    /// Whether it is as it should be.
    #[serde(default)]
    pub passed: bool,
    /// What was found, or what is wrong and what to do.
    pub message: String,
}
