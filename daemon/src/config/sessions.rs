//! `[sessions]`: what counts as a session, and whose are ended.

use super::PamService;

/// `[sessions]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sessions {
    /// The PAM services whose sessions are written down and limited.
    pub services: Vec<PamService>,
    /// Whether the sessions of whoever may not log in any more are ended.
    pub end_when_locked: bool,
}

impl Default for Sessions {
    /// Where a person comes in, by a login shell of su among others. Not su and sudo without one, by which somebody who is in
    /// already does something as another; nor cron and systemd-user, which bring nobody.
    fn default() -> Self {
        let services =
            ["sshd", "login", "remote", "su-l", "cockpit", "gdm-password", "lightdm", "sddm", "xrdp-sesman"];
        let valid = |name: &str| name.parse().expect("the name of a PAM service");
        Self { services: services.map(valid).into(), end_when_locked: false }
    }
}

impl Sessions {
    /// Whether a session by this PAM service counts.
    pub fn counts(&self, service: &str) -> bool {
        self.services.iter().any(|counted| counted.is(service))
    }
}
