//! Settings: from a file and the environment to one valid [`Settings`], or to everything that is wrong
//! with them at once. Nothing else in podyd reads a configuration, and nothing here acts on one.
//!
//! `PODY_SECTION__KEY` wins over `AUTH_MODE` and `OIDC_…`, which win over the file. Every setting is declared once,
//! in `table.rs` and its parts `table_node.rs`, `table_oidc.rs` and `table_quota.rs`.

mod backend;
mod backends;
mod database_url;
mod draft;
mod environment;
mod error;
mod homes;
mod id_ranges;
mod interpolate;
mod load;
mod oidc;
mod oidc_login;
mod oidc_users;
mod quota;
mod read;
mod reload;
mod remote_user_profile;
mod root_owned;
mod secret;
mod secret_file;
mod sessions;
mod setting;
mod settings;
mod suggest;
mod table;
mod table_node;
mod table_oidc;
mod table_quota;
mod template;
mod value;
mod warnings;

pub use backend::{Backend, Libsql, SharedSql};
pub use environment::Environment;
pub use error::{ConfigError, Place};
pub use homes::{HomeMode, HomeRoot, Homes, OnDelete};
pub use load::{Checked, backend_of, candidate, check, load, load_for_helper, parse_str};
pub use oidc::{ClaimName, ClientId, Issuer, Oidc, Scopes, is_private};
pub use oidc_login::{OidcLogin, PamService};
pub use oidc_users::{ClaimIs, ClaimedGroup, Domain, GroupOfUsers, GroupRule, NameSuffix, OidcUsers};
pub use quota::{Quota, QuotaFilesystem};
pub use reload::Reload;
pub use remote_user_profile::{Compat, Endpoint, ProfileService, Provider};
pub use secret::Secret;
pub use sessions::Sessions;
pub use setting::{Section, Setting};
pub use settings::{
    Auth, AuthMode, IdAllocation, Ids, Lockout, Log, LogLevel, Nss, Offline, Password, Paths, Settings, Users,
};
pub use table::{SECTIONS, settings};
pub use template::{Template, TemplateError};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
