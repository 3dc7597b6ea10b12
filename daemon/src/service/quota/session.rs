//! What a login has to do with quotas: they are in force when the session begins, and whoever has too much is told.

use tokio::time::timeout;

use super::policy::Limited;
use crate::directory::{Directory, Member};
use crate::limits::QUOTA_AT_LOGIN;
use crate::quota::{Field, warning};
use crate::service::Service;

impl<D: Directory> Service<D> {
    /// Sees to a user's limits as a session begins, within [`QUOTA_AT_LOGIN`], and returns what they should be told.
    pub async fn session_opens(&self, member: &Member) -> Vec<String> {
        let now = self.clock.unix_seconds();
        match timeout(QUOTA_AT_LOGIN, self.limit_member(member)).await {
            Ok(Ok(limited)) => {
                if self.quotas.is_news_of_time(false) {
                    tracing::info!("sessions begin with their quotas set again");
                }
                self.tell_of_trouble(member, &limited);
                let Limited { found, .. } = limited;
                found.iter().filter_map(|(path, quota)| warning(path, quota, now)).collect()
            }
            Ok(Err(error)) => {
                tracing::warn!(user = %member.user.name, %error, "a session begins without its limits");
                Vec::new()
            }
            Err(_) => {
                if self.quotas.is_news_of_time(true) {
                    tracing::warn!(user = %member.user.name, "sessions begin before their quotas are set, this one first");
                }
                self.quotas.wake.notify_one();
                Vec::new()
            }
        }
    }

    /// A filesystem that is not mounted is the trouble of all who log in: a look at everything, which tells of it once, is
    /// for whoever finds it first, or finds it over.
    fn tell_of_trouble(&self, member: &Member, Limited { found, trouble }: &Limited) {
        let mut is_news = false;
        for (path, _) in found {
            is_news |= self.quotas.is_news(Some(path), false);
        }
        for one in trouble {
            if one.is_everybodys() {
                is_news |= self.quotas.is_news(one.place.as_ref(), true);
            } else {
                tracing::warn!(user = %member.user.name, "a session begins without a limit: {one}");
            }
        }
        if trouble.iter().all(|one| one.place.is_some()) && self.quotas.is_news(None, false) {
            self.quotas.read_slices_soon();
        }
        if is_news {
            self.quotas.wake.notify_one();
        }
    }

    /// How many sessions a user may have at a time; none: as many as they like.
    pub async fn sessions_allowed(&self, member: &Member) -> Option<u32> {
        let settings = self.current_settings();
        let picture = match timeout(QUOTA_AT_LOGIN, self.quota_picture(&settings.quota)).await {
            Ok(Ok(picture)) => picture,
            Ok(Err(_)) | Err(_) => return None,
        };
        let allowed = picture.of(member).node.number(Field::Sessions)?;
        u32::try_from(allowed).ok()
    }
}
