//! `org.pody.Login`: a login as a conversation. Its state lives in podyd, since sshd runs
//! keyboard-interactive in a process of its own for every step.
//!
//! A caller whose uid is not 0 may speak only for its own name; `rhost` and `tty` are believed from root
//! alone (SO_PEERCRED).

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::directory::Secret;

/// Starts a login and says what to ask first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// Who logs in.
    pub user: String,
    /// The PAM service.
    pub service: String,
    /// The host they come from, as PAM was told.
    #[serde(default)]
    pub rhost: Option<String>,
    /// The terminal, as PAM was told.
    #[serde(default)]
    pub tty: Option<String>,
}

impl Method for Begin {
    const NAME: &'static str = "org.pody.Login.Begin";
    type Reply = Step;
}

/// Answers the question of the last step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The login, as the last step named it.
    pub login: String,
    /// What was typed.
    pub answer: Secret,
}

impl Method for Answer {
    const NAME: &'static str = "org.pody.Login.Answer";
    type Reply = Step;
}

/// What happens next in a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Ask this and come back with [`Answer`].
    Ask {
        /// The login to answer to.
        login: String,
        /// The question.
        prompt: String,
        /// Whether what is typed may be seen.
        #[serde(default)]
        echo: bool,
        /// Whether nothing but Enter is an answer, too. What an earlier module left is none then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        optional: bool,
        /// Text to show before the question.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Ask nobody, and come back at once with an empty [`Answer`]: podyd waits for somebody else, a while in each call.
    Wait {
        /// The login to answer to.
        login: String,
    },
    /// The login is decided.
    Done {
        /// How.
        verdict: Verdict,
        /// A sentence for the person, if there is something to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

/// How a login, an account check or a password change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// PAM_SUCCESS.
    Granted,
    /// PAM_AUTH_ERR: wrong password.
    Denied,
    /// PAM_MAXTRIES: too many failures of this user or from this source; try later. Or a login elsewhere that was denied, or
    /// that nobody approved: asking again is of no use.
    LockedOut,
    /// PAM_USER_UNKNOWN: not ours, another module may know them.
    Unknown,
    /// PAM_AUTHINFO_UNAVAIL: cannot be decided now.
    Unavailable,
    /// PAM_PERM_DENIED: an admin locked the account.
    AccountLocked,
    /// PAM_ACCT_EXPIRED.
    AccountExpired,
}

/// Asks whether a user who has proved who they are (or needs not) may come in. The module asks only
/// when it cannot read the account part itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckAccount {
    /// Who.
    pub user: String,
    /// The PAM service.
    pub service: String,
}

impl Method for CheckAccount {
    const NAME: &'static str = "org.pody.Login.CheckAccount";
    type Reply = Decision;
}

/// Changes a password on a terminal: root anybody's, a user their own with the old one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// Whose.
    pub user: String,
    /// The old password; podyd demands it unless the caller is root and the real uid of the process is 0.
    #[serde(default)]
    pub old: Option<Secret>,
    /// The new one; absent: only check the old one (PAM_PRELIM_CHECK).
    #[serde(default)]
    pub new: Option<Secret>,
}

impl Method for ChangePassword {
    const NAME: &'static str = "org.pody.Login.ChangePassword";
    type Reply = Decision;
}

/// Gives root a one-time code that lets a user in on this node, whatever the provider or the database is doing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// Who is to be let in.
    pub user: String,
    /// How long the code is good: 60 to 3600.
    pub seconds: u64,
    /// Why, for the journal: one line of 200 characters at the most.
    pub reason: String,
}

impl Method for BreakGlass {
    const NAME: &'static str = "org.pody.Login.BreakGlass";
    type Reply = OneTimeCode;
}

/// Ends the codes by which somebody may come back to this node: one's own or, for root and admins, anybody's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetCodes {
    /// Whose; by default, the caller's.
    #[serde(default)]
    pub user: Option<String>,
}

impl Method for ForgetCodes {
    const NAME: &'static str = "org.pody.Login.ForgetCodes";
    type Reply = ForgottenCodes;
}

/// What was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenCodes {
    /// Whose codes.
    pub name: String,
    /// How many there were.
    pub codes: u64,
}

/// What logs somebody in, once, typed where a login asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeCode {
    /// Whom.
    pub name: String,
    /// The code: capital letters, digits and hyphens, at most 64 characters.
    pub code: Secret,
    /// How long it is good.
    pub seconds: u64,
}

/// A verdict and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// How it ended.
    pub verdict: Verdict,
    /// A sentence for the person, if there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
