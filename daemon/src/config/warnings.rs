//! What is allowed, and yet not what somebody may have meant by it.

use super::settings::Settings;

impl Settings {
    /// Sentences about settings that have no effect beside others. podyd says them when it starts, and
    /// `podyd --check` does.
    pub fn warnings(&self) -> Vec<String> {
        let tokens = self.auth.tokens.as_ref().map(|_| {
            "auth.tokens.file has no effect: tokens are kept with their owners, in the directory, so that both go at once".to_owned()
        });
        let table = self.backend.table().filter(|_| self.auth.htpasswd.is_some());
        let htpasswd = table.map(|table| {
            format!("auth.htpasswd.file has no effect: with [{table}] the users are in that database")
        });
        htpasswd.into_iter().chain(tokens).collect()
    }
}
