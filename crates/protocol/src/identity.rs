//! `org.pody.Identity`: who users are to OpenID providers, by issuer and subject. Whoever has an identity logs in as the user
//! that it is linked to.

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::directory::Done;

/// An identity and whose it is (`podyctl identity list --json` prints exactly this).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRecord {
    /// The user; of a deleted one, the name at the end.
    pub user: String,
    /// Whether that user was deleted: this person is not created again.
    #[serde(default)]
    pub deleted: bool,
    /// The provider, by its own name.
    pub issuer: String,
    /// Whom the provider calls so.
    pub subject: String,
}

/// Who somebody is to a provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityKey {
    /// The provider, by its own name.
    pub issuer: String,
    /// Whom the provider calls so.
    pub subject: String,
}

/// Lists identities in the order of issuers and subjects, a page at a time; for root and admins, or one's own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Whose; everybody's when absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Identities after this one; from the beginning when absent.
    #[serde(default)]
    pub after: Option<IdentityKey>,
    /// How many at the most, 1 to 1 000 (default 1 000).
    #[serde(default)]
    pub limit: Option<u32>,
}

impl Method for List {
    const NAME: &'static str = "org.pody.Identity.List";
    type Reply = IdentitiesReply;
}

/// A page of identities.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct IdentitiesReply {
    /// The identities.
    #[serde(default)]
    pub identities: Vec<IdentityRecord>,
    /// Whether there are more.
    #[serde(default)]
    pub more: bool,
}

/// Lets whoever has an identity log in as a user; for root and admins.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The user.
    pub user: String,
    /// The provider, by its own name.
    pub issuer: String,
    /// Whom the provider calls so.
    pub subject: String,
}

impl Method for Link {
    const NAME: &'static str = "org.pody.Identity.Link";
    type Reply = Done;
}

/// Ends that, or forgets that the identity was a deleted user's; for root and admins.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlink {
    /// The user, who may have been deleted.
    pub user: String,
    /// The provider, by its own name.
    pub issuer: String,
    /// Whom the provider calls so.
    pub subject: String,
}

impl Method for Unlink {
    const NAME: &'static str = "org.pody.Identity.Unlink";
    type Reply = Done;
}
