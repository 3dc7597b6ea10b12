//! When quotas are compared with what they should be: whenever something changes that they follow from, and now and then.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Applied;
use crate::config::Settings;
use crate::directory::Directory;
use crate::service::Service;

/// How much longer than it takes is waited until it is done again, and how long at the most: an import changes the directory all
/// the time. An admin who has changed the configuration does not do that all the time, and waits.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(30);

impl<D: Directory> Service<D> {
    /// Keeps quotas as they should be, for as long as it is polled.
    pub async fn follow_quotas(&self) {
        let mut settings = self.settings.clone();
        // Since when what the configuration says of quotas is not in force.
        let mut awaited: Option<Instant> = None;
        loop {
            // Whatever changes from here on is a reason to do it again.
            let shown = self.published.position();
            let quota = settings.borrow_and_update().quota.clone();
            let began = Instant::now();
            let mut changed = None;
            // Nobody is known before that.
            if shown.is_some() {
                let outcome;
                (outcome, changed) = noting_changes(
                    &mut settings,
                    self.reconcile_quotas(self.quotas.next_round(quota.reconcile_every)),
                )
                .await;
                match outcome {
                    Ok(Applied { findings, .. }) if findings.is_empty() => {
                        let since = awaited.take().into_iter();
                        since.for_each(|since| self.metrics.quota_in_force("default", since.elapsed()));
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "quotas stay as they are for now"),
                }
            }
            if changed.is_none() {
                let something_happens = async {
                    sleep((began.elapsed() * REST).min(LONGEST_REST)).await;
                    tokio::select! {
                        () = sleep(quota.reconcile_every) => {}
                        () = self.published.leaves(shown.as_ref()) => {}
                        () = self.quotas.wake.notified() => {}
                    }
                };
                changed = tokio::select! {
                    () = something_happens => None,
                    Ok(()) = settings.changed() => Some(Instant::now()),
                };
            }
            awaited = awaited.or(changed.filter(|_| settings.borrow().quota != quota));
        }
    }
}

/// Does something to the end, and says when the configuration has changed meanwhile, if it has.
async fn noting_changes<T>(
    settings: &mut watch::Receiver<Arc<Settings>>,
    work: impl Future<Output = T>,
) -> (T, Option<Instant>) {
    let mut work = pin!(work);
    let changed = tokio::select! {
        done = &mut work => return (done, None),
        Ok(()) = settings.changed() => Instant::now(),
    };
    (work.await, Some(changed))
}
