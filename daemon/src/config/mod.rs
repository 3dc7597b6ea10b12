//! Settings: from a file and the environment to one valid [`Settings`], or to everything that is wrong
//! with them at once. Nothing else in podyd reads a configuration, and nothing here acts on one.

mod settings;
mod template;

pub use settings::{Auth, AuthMode, Ids, Lockout, Log, LogLevel, Nss, Password, Paths, Settings, Users};
pub use template::{Template, TemplateError};
