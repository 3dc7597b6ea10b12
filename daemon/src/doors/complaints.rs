//! What anybody can cause any number of times is told of now and then: a line for each would let anybody flood the journal,
//! which then drops the lines about logins.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::limits::COMPLAINT_EVERY;

/// Complaints about one thing.
#[derive(Debug, Default)]
pub struct Complaints(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    told: Option<Instant>,
    times: u64,
}

impl Complaints {
    /// Counts one more. When it is time to tell, says how many there were since somebody was told.
    pub fn one_more(&self) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        untold.times += 1;
        if untold.told.is_some_and(|told| told.elapsed() < COMPLAINT_EVERY) {
            return None;
        }
        untold.told = Some(Instant::now());
        Some(std::mem::take(&mut untold.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_are_told_of_at_once() {
        let complaints = Complaints::default();
        let told: Vec<_> = (0..3).map(|_| complaints.one_more()).collect();
        assert_eq!(told, [Some(1), None, None]);
        tokio::time::advance(COMPLAINT_EVERY).await;
        assert_eq!((complaints.one_more(), complaints.one_more()), (Some(3), None));
    }
}
