//! When quotas are compared with what they should be: whenever something changes that they follow from, and now and then.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::directory::Directory;
use crate::service::Service;

/// How much longer than it takes is waited until it is done again, and how long at the most: an import changes the directory all
/// the time.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(30);

impl<D: Directory> Service<D> {
    /// Keeps quotas as they should be, for as long as it is polled.
    pub async fn follow_quotas(&self) {
        let mut settings = self.settings.clone();
        loop {
            // Whatever changes from here on is a reason to do it again.
            let shown = self.published.position();
            let every = settings.borrow_and_update().quota.reconcile_every;
            let began = Instant::now();
            // Nobody is known before that.
            if shown.is_some()
                && let Err(error) = self.reconcile_quotas(self.quotas.next_round(every)).await
            {
                tracing::warn!(%error, "quotas stay as they are for now");
            }
            sleep((began.elapsed() * REST).min(LONGEST_REST)).await;
            tokio::select! {
                () = sleep(every) => {}
                () = self.published.leaves(shown.as_ref()) => {}
                () = self.quotas.wake.notified() => {}
                Ok(()) = settings.changed() => {}
            }
        }
    }
}
