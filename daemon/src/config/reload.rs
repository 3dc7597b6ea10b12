//! What a changed configuration means for a podyd that is running.

use super::settings::Settings;
use super::table::settings;

/// The settings that differ, by what becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Reload {
    /// In force from now on.
    pub applied: Vec<&'static str>,
    /// In force after `systemctl restart podyd`.
    pub needs_restart: Vec<&'static str>,
}

impl Settings {
    /// What changes if `new` takes the place of these settings. The ranges of the id-ranges file are
    /// shown as `id-ranges`, all about a shared directory as the table that names it, and tables of which there are several as
    /// one.
    pub fn reload_diff(&self, new: &Self) -> Reload {
        let mut reload = Reload::default();
        let own = settings().filter(|setting| setting.same_as.is_none() && !setting.repeats());
        for setting in own.filter(|setting| setting.show(self) != setting.show(new)) {
            let keys = if setting.reloads { &mut reload.applied } else { &mut reload.needs_restart };
            keys.push(setting.key);
        }
        if self.backend != new.backend {
            let is_taken_over = self.backend.reloads_to(&new.backend);
            let keys = if is_taken_over { &mut reload.applied } else { &mut reload.needs_restart };
            keys.push(new.backend.table().or(self.backend.table()).unwrap_or("backend"));
        }
        if self.quota.filesystems != new.quota.filesystems {
            reload.applied.push("quota.filesystem");
        }
        if self.service.access_token != new.service.access_token {
            reload.applied.push("remote_user_profile.service.access_token");
        }
        if self.oidc.client_secret != new.oidc.client_secret {
            reload.applied.push("oidc.client_secret");
        }
        if self.ids.accept != new.ids.accept {
            reload.applied.push("id-ranges");
        }
        reload
    }
}
