//! What is allowed, and yet not what somebody may have meant by it.

use super::settings::Settings;

impl Settings {
    /// Sentences about settings that have no effect beside others. podyd says them when it starts, and
    /// `podyd --check` does.
    pub fn warnings(&self) -> Vec<String> {
        let Some(table) = self.backend.table() else { return Vec::new() };
        let without_effect = [
            ("auth.htpasswd.file", &self.auth.htpasswd, "users"),
            ("auth.tokens.file", &self.auth.tokens, "tokens"),
        ];
        let given = without_effect.into_iter().filter(|(_, file, _)| file.is_some());
        let warning =
            |(key, _, what)| format!("{key} has no effect: with [{table}] the {what} are in that database");
        given.map(warning).collect()
    }
}
