//! The process's environment as a value: taken once in `main`, and given to whoever may look at it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Environment variables. It may hold secrets, and so cannot be printed.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

/// A variable whose value is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotText;

impl Environment {
    /// A variable's value, if it is set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable's value as text, if it is set.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, NotText> {
        self.get(name).map(|value| value.to_str().ok_or(NotText)).transpose()
    }

    /// Whether a variable says anything. Compose files pass on what is empty for what is not there.
    pub(super) fn says(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.is_empty())
    }

    /// What is left without the variables that are settings of this node.
    pub(super) fn without_settings(&self) -> Self {
        let is_setting = |name: &&OsString| {
            let name = name.to_string_lossy();
            name.starts_with(PREFIX) || name == "AUTH_MODE" || name.starts_with("OIDC_")
        };
        let rest = self.0.iter().filter(|(name, _)| !is_setting(name));
        rest.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The variables that can only be meant as settings: `PODY_…` with `__` in it.
    pub(super) fn settings(&self) -> impl Iterator<Item = &str> {
        let names = self.0.keys().filter_map(|name| name.to_str());
        names.filter(|name| name.starts_with(PREFIX) && name.contains(SEPARATOR))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

const PREFIX: &str = "PODY_";
const SEPARATOR: &str = "__";

/// The variable that overrides a setting: `PODY_AUTH__MODE` for `auth.mode`.
pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", snake_case(key).replace('.', SEPARATOR).to_uppercase())
}

/// `max_connections` for `maxConnections`.
pub(super) fn snake_case(key: &str) -> String {
    let parts = key.chars().map(|character| match character.is_ascii_uppercase() {
        true => format!("_{}", character.to_ascii_lowercase()),
        false => character.to_string(),
    });
    parts.collect()
}

/// The key that a variable would be about, whether there is such a setting or not.
pub(super) fn key_of(variable: &str) -> String {
    variable.strip_prefix(PREFIX).unwrap_or(variable).replace(SEPARATOR, ".").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_and_its_key_name_each_other() {
        assert_eq!(variable_of("auth.lockout.user_failures"), "PODY_AUTH__LOCKOUT__USER_FAILURES");
        assert_eq!(key_of("PODY_AUTH__LOCKOUT__USER_FAILURES"), "auth.lockout.user_failures");
        assert_eq!(variable_of("backend.mysql.maxConnections"), "PODY_BACKEND__MYSQL__MAX_CONNECTIONS");
        assert_eq!(
            key_of("PODY_BACKEND__MYSQL__MAX_CONNECTIONS"),
            snake_case("backend.mysql.maxConnections")
        );
    }

    #[test]
    fn only_variables_with_a_section_are_settings() {
        let environment: Environment =
            [("PODY_HOME", "/x"), ("PODY_IDS__MIN", "1"), ("OTHER__X", "1")].into_iter().collect();
        assert_eq!(environment.settings().collect::<Vec<_>>(), ["PODY_IDS__MIN"]);
    }
}
