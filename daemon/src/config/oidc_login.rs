//! `[oidc.login]`: how people log in at the provider through PAM.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// `[oidc.login]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcLogin {
    /// The PAM services where somebody reads what is shown and can answer.
    pub services: Vec<PamService>,
    /// Whether the address is drawn as a QR code, too.
    pub qr: bool,
    /// How long whoever was approved may come back by a code; zero: not at all.
    pub relogin_window: Duration,
    /// Through which of `services`.
    pub relogin_services: Vec<PamService>,
}

/// The name of a PAM service: a file in /etc/pam.d.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PamService(String);

impl Default for OidcLogin {
    fn default() -> Self {
        let named = |names: &[&str]| names.iter().map(|name| PamService((*name).into())).collect();
        Self {
            services: named(&["sshd", "login", "su", "su-l", "sudo", "sudo-i"]),
            qr: true,
            relogin_window: Duration::ZERO,
            relogin_services: named(&["sshd", "login"]),
        }
    }
}

impl OidcLogin {
    /// Whether people may log in at the provider through this PAM service.
    pub fn serves(&self, service: &str) -> bool {
        is_among(&self.services, service)
    }

    /// Whether people who were approved there may come back through this PAM service by a code.
    pub fn lets_return(&self, service: &str) -> bool {
        !self.relogin_window.is_zero() && self.serves(service) && is_among(&self.relogin_services, service)
    }
}

fn is_among(services: &[PamService], service: &str) -> bool {
    services.iter().any(|one| one.is(service))
}

impl PamService {
    /// Whether this is its name.
    pub fn is(&self, service: &str) -> bool {
        self.0 == service
    }
}

impl FromStr for PamService {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        (!text.is_empty() && text.bytes().all(is_valid))
            .then(|| Self(text.to_owned()))
            .ok_or("must be the name of a file in /etc/pam.d, such as \"sshd\"")
    }
}

impl fmt::Display for PamService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
