//! `[sessions]`: what counts as a session.

use super::PamService;

/// `[sessions]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sessions {
    /// The PAM services whose sessions are written down and limited.
    pub services: Vec<PamService>,
}

impl Default for Sessions {
    /// Where a person comes in. Not su and sudo, by which somebody who is in already becomes another; nor cron and systemd-user,
    /// which bring nobody.
    fn default() -> Self {
        let services =
            ["sshd", "login", "remote", "su-l", "cockpit", "gdm-password", "lightdm", "sddm", "xrdp-sesman"];
        let valid = |name: &str| name.parse().expect("the name of a PAM service");
        Self { services: services.map(valid).into() }
    }
}

impl Sessions {
    /// Whether a session by this PAM service counts.
    pub fn counts(&self, service: &str) -> bool {
        self.services.iter().any(|counted| counted.is(service))
    }
}
