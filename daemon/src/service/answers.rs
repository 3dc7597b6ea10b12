//! Answers that may have been lost on their way: whoever asks again is told what was answered, and nothing is done twice.

use super::Service;
use crate::directory::{Directory, Result};
pub use crate::store::{Answer, Digest};

impl<D: Directory> Service<D> {
    /// What was answered under a key, within a day.
    pub async fn earlier_answer(&self, key: &Digest) -> Result<Option<Answer>> {
        self.node.answer(key, self.clock.unix_seconds()).await
    }

    /// Keeps an answer. One that cannot be kept is given all the same.
    pub async fn keep_answer(&self, key: &Digest, answer: &Answer) {
        if let Err(error) = self.node.keep_answer(key, answer, self.clock.unix_seconds()).await {
            tracing::warn!(%error, "an answer is not kept: whoever asks again under its key has it done again");
        }
    }
}
