//! `[oidc.login]`: how people log in at the provider through PAM.

use std::fmt;
use std::str::FromStr;

/// `[oidc.login]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcLogin {
    /// The PAM services where somebody reads what is shown and can answer.
    pub services: Vec<PamService>,
    /// Whether the address is drawn as a QR code, too.
    pub qr: bool,
}

/// The name of a PAM service: a file in /etc/pam.d.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PamService(String);

impl Default for OidcLogin {
    fn default() -> Self {
        let services = ["sshd", "login", "su", "su-l", "sudo", "sudo-i"];
        Self { services: services.map(|name| PamService(name.into())).into(), qr: true }
    }
}

impl OidcLogin {
    /// Whether people may log in at the provider through this PAM service.
    pub fn serves(&self, service: &str) -> bool {
        self.services.iter().any(|served| served.is(service))
    }
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
