//! `org.pody.Oidc`: the OpenID provider of this node.

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::directory::Secret;
use crate::login::OneTimeCode;

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

/// Exchanges an ID token of the provider for a one-time code. Anybody may: the token is the proof. It is issued ten minutes ago at
/// the most, and is exchanged once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeToken {
    /// The token.
    pub id_token: Secret,
    /// Who logs in; by default, whom the claims name.
    #[serde(default)]
    pub name: Option<String>,
}

impl Method for ExchangeToken {
    const NAME: &'static str = "org.pody.Oidc.ExchangeToken";
    type Reply = OneTimeCode;
}

/// Begins a login with a browser on this machine, which has five minutes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginLogin {
    /// Where the browser is to come back to: `http://127.0.0.1:PORT/` or `http://[::1]:PORT/`.
    pub redirect: String,
}

impl Method for BeginLogin {
    const NAME: &'static str = "org.pody.Oidc.BeginLogin";
    type Reply = BegunLogin;
}

/// A login whose browser is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunLogin {
    /// What it is called, for [`FinishLogin`] by the same caller.
    pub login: String,
    /// Where the browser goes.
    pub url: String,
}

/// Ends a login with what the browser brought back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishLogin {
    /// The login.
    pub login: String,
    /// The query of the URL that the browser was sent to.
    pub query: Secret,
    /// Who logs in; by default, whom the claims name.
    #[serde(default)]
    pub name: Option<String>,
}

impl Method for FinishLogin {
    const NAME: &'static str = "org.pody.Oidc.FinishLogin";
    type Reply = OneTimeCode;
}
