//! Settings while they are being read: what stands in the configuration, before the rules that join
//! several settings have been applied.

use identity::IdRange;

use super::backends::Backends;
use super::settings::{AuthMode, Settings};
use crate::limits::MAX_ARGON2_WORK_KIB;

/// [`Settings`] in the making. A range of ids is two numbers until both are known, and a backend none
/// until it is known which.
pub(super) struct Draft {
    pub(super) ids_min: u32,
    pub(super) ids_max: u32,
    pub(super) backends: Backends,
    pub(super) settings: Settings,
}

/// A rule about several settings together.
pub(super) struct Rule {
    /// The settings. Where one of them could not even be read, the rule has nothing to say.
    pub(super) keys: &'static [&'static str],
    /// Whether they fit together; if not, a sentence that says why.
    pub(super) judge: fn(&Draft) -> Result<(), String>,
}

/// Every rule.
pub(super) const RULES: [Rule; 15] = [
    Rule { keys: &["ids.min", "ids.max"], judge: |draft| draft.allocate().map(drop) },
    Rule { keys: &["auth.lockout.first_wait", "auth.lockout.longest_wait"], judge: waits_grow },
    Rule {
        keys: &["auth.lockout.longest_wait", "auth.lockout.forget_after"],
        judge: waits_end_before_forgetting,
    },
    Rule { keys: &["password.memory_kib", "password.passes"], judge: argon2_is_strong_enough },
    Rule { keys: &["password.memory_kib", "password.passes"], judge: argon2_is_quick_enough },
    Rule { keys: &[PROVIDER_ENABLED, "remote_user_profile.provider.endpoint"], judge: provider_is_somewhere },
    Rule {
        keys: &[PROVIDER_ENABLED, "remote_user_profile.provider.access_token"],
        judge: provider_has_a_token,
    },
    Rule {
        keys: &["remote_user_profile.provider.tls_cert", "remote_user_profile.provider.tls_key"],
        judge: provider_has_a_whole_certificate,
    },
    Rule { keys: &[SERVICE_ENABLED, "remote_user_profile.service.access_token"], judge: service_has_a_token },
    Rule {
        keys: &[
            "remote_user_profile.service.tls_cert",
            "remote_user_profile.service.tls_key",
            "remote_user_profile.service.client_ca",
        ],
        judge: service_has_a_whole_certificate,
    },
    Rule {
        keys: &["oidc.issuer", "oidc.client_id", "oidc.client_secret", "oidc.scopes"],
        judge: |draft| draft.settings.oidc.is_complete(),
    },
    Rule { keys: &["homes.archive_to"], judge: homes_are_archived_somewhere },
    Rule { keys: &["auth.mode", "oidc.issuer", "oidc.client_id"], judge: oidc_only_has_a_provider },
    Rule { keys: &["auth.mode", "auth.htpasswd.file"], judge: oidc_only_has_no_htpasswd_file },
    Rule {
        keys: &[
            "quota.default.blocks_soft",
            "quota.default.blocks_hard",
            "quota.default.inodes_soft",
            "quota.default.inodes_hard",
            "quota.default.memory_high",
            "quota.default.memory_max",
        ],
        judge: |draft| draft.settings.quota.default.are_in_order(),
    },
];

const PROVIDER_ENABLED: &str = "remote_user_profile.provider.enabled";
const SERVICE_ENABLED: &str = "remote_user_profile.service.enabled";

impl Draft {
    /// The finished settings, with the backend of the table that was chosen. To be called once every
    /// rule has agreed.
    pub(super) fn finish(self, backend: Option<&str>) -> Settings {
        let allocate = self.allocate().expect("the rule about ids has agreed");
        let mut settings = self.settings;
        settings.ids.allocate = allocate;
        let state = &settings.paths.state;
        settings.backend = self.backends.finish(backend, state);
        settings.service = settings.service.within(state);
        settings.oidc = settings.oidc.within(state);
        settings.auth.htpasswd = settings.auth.htpasswd.map(|path| state.join(path));
        settings.auth.tokens = settings.auth.tokens.map(|path| state.join(path));
        settings
    }

    fn allocate(&self) -> Result<IdRange, String> {
        let range = IdRange::new(self.ids_min, self.ids_max)
            .map_err(|why| format!("[ids] min = {}, max = {}: {why}", self.ids_min, self.ids_max))?;
        if range.first_allowed().is_none() {
            return Err(format!(
                "[ids] {range} holds only ids that belong to systemd or to containers; \
                 take others, such as {}",
                IdRange::DEFAULT
            ));
        }
        let accept = &self.settings.ids.accept;
        if accept.iter().any(|accepted| accepted.min() <= range.min() && range.max() <= accepted.max()) {
            return Ok(range);
        }
        Err(format!(
            "[ids] {range} is not inside any range of {}, so that no program would see these users; \
             add the line '{} {}' there, or change [ids]",
            self.settings.paths.id_ranges.display(),
            range.min(),
            range.max(),
        ))
    }
}

/// But for the backend, whose settings are not shown again: a password may be among them.
impl From<Settings> for Draft {
    fn from(settings: Settings) -> Self {
        let allocate = settings.ids.allocate;
        let backends = Backends::default();
        Self { ids_min: allocate.min(), ids_max: allocate.max(), backends, settings }
    }
}

fn waits_grow(draft: &Draft) -> Result<(), String> {
    let lockout = &draft.settings.auth.lockout;
    if lockout.first_wait <= lockout.longest_wait {
        return Ok(());
    }
    Err("[auth.lockout] first_wait is longer than longest_wait; exchange them".into())
}

fn waits_end_before_forgetting(draft: &Draft) -> Result<(), String> {
    let lockout = &draft.settings.auth.lockout;
    if lockout.longest_wait <= lockout.forget_after {
        return Ok(());
    }
    Err("[auth.lockout] forget_after is shorter than longest_wait, so that a wait would be forgotten before it is \
         over; make it at least as long"
        .into())
}

/// Equally strong pairs of passes and KiB, the weakest that OWASP's Password Storage Cheat Sheet
/// recommends for argon2id.
const WEAKEST: [(u32, u32); 5] = [(1, 47_104), (2, 19_456), (3, 12_288), (4, 9_216), (5, 7_168)];

/// The least memory that any number of passes makes up for.
pub(super) const LEAST_MEMORY_KIB: u32 = WEAKEST[WEAKEST.len() - 1].1;

fn argon2_is_strong_enough(draft: &Draft) -> Result<(), String> {
    let password = &draft.settings.password;
    let least =
        WEAKEST.iter().rev().find(|(passes, _)| *passes <= password.passes).map_or(u32::MAX, |(_, kib)| *kib);
    if password.memory_kib >= least {
        return Ok(());
    }
    Err(format!(
        "[password] memory_kib = {} is too little for passes = {}: set memory_kib to {least} or more",
        password.memory_kib, password.passes
    ))
}

/// Hashes that cost more are refused when they are read back: nobody could log in with them.
fn argon2_is_quick_enough(draft: &Draft) -> Result<(), String> {
    let password = &draft.settings.password;
    if u64::from(password.memory_kib) * u64::from(password.passes) <= MAX_ARGON2_WORK_KIB {
        return Ok(());
    }
    Err(format!(
        "[password] memory_kib = {} takes too long with passes = {}: together they make {MAX_ARGON2_WORK_KIB} KiB \
         at the most",
        password.memory_kib, password.passes
    ))
}

fn provider_is_somewhere(draft: &Draft) -> Result<(), String> {
    let provider = &draft.backends.remote;
    if !provider.enabled || !provider.endpoint.is_empty() {
        return Ok(());
    }
    Err("[remote_user_profile.provider] is enabled and has no endpoint: set endpoint to where the service is, such as \
         \"https://server-a.example.com:8799\""
        .into())
}

fn provider_has_a_token(draft: &Draft) -> Result<(), String> {
    let provider = &draft.backends.remote;
    if !provider.enabled || !provider.access_token.is_empty() {
        return Ok(());
    }
    Err("[remote_user_profile.provider] is enabled and has no access_token: set access_token, or access_token_file, to \
         what the service accepts"
        .into())
}

fn provider_has_a_whole_certificate(draft: &Draft) -> Result<(), String> {
    let provider = &draft.backends.remote;
    if provider.tls_cert.is_some() == provider.tls_key.is_some() {
        return Ok(());
    }
    Err("[remote_user_profile.provider] tls_cert and tls_key go together: give both or neither".into())
}

fn service_has_a_token(draft: &Draft) -> Result<(), String> {
    let service = &draft.settings.service;
    if !service.enabled || !service.access_token.is_empty() {
        return Ok(());
    }
    Err("[remote_user_profile.service] is enabled and has no access_token: set access_token, or access_token_file, to a \
         long random text, such as 'openssl rand -hex 32' prints"
        .into())
}

fn oidc_only_has_a_provider(draft: &Draft) -> Result<(), String> {
    let Settings { auth, oidc, .. } = &draft.settings;
    // Half a provider is the matter of another rule.
    if auth.mode == AuthMode::Standalone || oidc.is_configured() || oidc.is_complete().is_err() {
        return Ok(());
    }
    Err("\"oidc-only\" needs a provider, and nobody could log in: set issuer and client_id in [oidc], or OIDC_ISSUER and \
         OIDC_CLIENT_ID in the environment"
        .into())
}

fn oidc_only_has_no_htpasswd_file(draft: &Draft) -> Result<(), String> {
    let auth = &draft.settings.auth;
    if auth.mode == AuthMode::Standalone || auth.htpasswd.is_none() {
        return Ok(());
    }
    Err("\"oidc-only\" takes no passwords, and [auth.htpasswd] file is a file of passwords: remove one of them".into())
}

fn service_has_a_whole_certificate(draft: &Draft) -> Result<(), String> {
    let service = &draft.settings.service;
    if service.tls_cert.is_some() != service.tls_key.is_some() {
        return Err(
            "[remote_user_profile.service] tls_cert and tls_key go together: give both or neither".into()
        );
    }
    if service.client_ca.is_some() && service.tls_cert.is_none() {
        return Err("[remote_user_profile.service] client_ca needs tls_cert and tls_key: without TLS no client shows a \
                    certificate"
            .into());
    }
    Ok(())
}

/// podyd-helper has no state directory.
fn homes_are_archived_somewhere(draft: &Draft) -> Result<(), String> {
    match &draft.settings.homes.archive_to {
        Some(path) if !path.is_absolute() => {
            Err("[homes] archive_to must be an absolute path, such as \"/home/.archived\"".into())
        }
        _ => Ok(()),
    }
}
