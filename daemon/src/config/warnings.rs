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
        let nobody = (self.oidc_users.create && self.oidc_users.allows_nobody()).then(|| {
            "oidc.users.create has no effect: nobody is allowed to have an account; say who is with allow_groups, \
             allow_domains, allow_claims or allow_everybody in [oidc.users]"
                .to_owned()
        });
        let unasked = (self.oidc_users.create && !self.oidc.is_configured()).then(|| {
            "oidc.users.create has no effect: there is no OpenID provider; set issuer and client_id in [oidc]".to_owned()
        });
        htpasswd.into_iter().chain(tokens).chain(nobody).chain(unasked).collect()
    }
}
