//! Passwords are hashed here, a few at a time: each slot has its own memory and a thread, so that a storm of
//! logins takes bounded memory and lets the rest of podyd go on. Decides nothing but whether a password
//! is right.
//!
//! How long a *failing* check takes must not tell whether there is such a user. A user without a usable
//! hash (unknown, locked, no password) is checked against a hash of the current parameters that nothing
//! matches; most users have such a hash, and the work is the same. Imported hashes cost something else
//! until their owner's first login, so every failure is answered at the next whole [`FAILURE_STEP`] from
//! its start in a slot. What remains visible: an imported hash that takes longer than one step (bcrypt
//! above cost 12), and, to somebody who can measure it under load, how long others wait in the queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use identity::Name;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use zeroize::Zeroizing;

use super::{Argon2Parameters, HashError, Memory, NewPassword, PasswordHash, Salt};
use crate::limits::{
    MAX_VERIFICATION_MEMORY_KIB, MAX_VERIFICATION_WAIT, MAX_WAITING_VERIFICATIONS, MIN_VERIFICATION_SHARE_KIB,
};

/// Failures are answered at whole multiples of this: longer than any usual hash takes, shorter than the
/// two seconds that pam_unix makes people wait.
const FAILURE_STEP: Duration = Duration::from_millis(500);

/// The queue is full, or the wait was too long: nothing was checked, and trying again later may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("podyd is checking too many passwords at once; try again in a few seconds")
    }
}

impl std::error::Error for Busy {}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whether the password is the user's.
    pub ok: bool,
    /// A hash of the current kind and parameters, to be stored in place of the one that was given if that
    /// is still there.
    pub rehash: Option<PasswordHash>,
}

/// Slots to compute hashes in. Clones share them.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parameters: Mutex<Argon2Parameters>,
    waiting: Semaphore,
    slots: Arc<Semaphore>,
    /// How many slots there are.
    count: u32,
    /// The memories of the slots that are free and were used before.
    memories: Mutex<Vec<Memory>>,
}

impl Pool {
    /// A pool that makes hashes of these parameters and computes `slots` at a time (at least one), each in
    /// memory of its own, which is taken at first use and kept.
    pub fn new(parameters: Argon2Parameters, slots: usize) -> Self {
        let count = u32::try_from(slots).unwrap_or(u32::MAX).max(1);
        Self(Arc::new(Shared {
            parameters: Mutex::new(parameters),
            waiting: Semaphore::new(MAX_WAITING_VERIFICATIONS),
            slots: Arc::new(Semaphore::new(count as usize)),
            count,
            memories: Mutex::default(),
        }))
    }

    /// Makes hashes of other parameters from now on: the configuration was read again.
    pub fn use_parameters(&self, parameters: Argon2Parameters) {
        *lock(&self.0.parameters) = parameters;
    }

    /// Refuses a hash that takes more memory than a slot has, so that many logins at once do not take more than the
    /// machine has. Whoever stores a hash from elsewhere asks first.
    pub fn has_room_for(&self, hash: &PasswordHash) -> Result<(), HashError> {
        let (memory, share) = (hash.memory_kib(), self.0.share_kib());
        if memory <= share {
            return Ok(());
        }
        Err(HashError::TooLarge { kind: hash.kind(), mib: memory.div_ceil(1024), share_mib: share / 1024 })
    }

    /// Checks a password against the hash of `name`: `None` for a user who is unknown, locked or has no
    /// password, so that they fail like all the others.
    pub async fn verify(
        &self,
        name: &Name,
        hash: Option<PasswordHash>,
        password: Zeroizing<String>,
    ) -> Result<Verified, Busy> {
        let (verified, tell_failure_at) = self.check(name, hash, password).await?;
        if !verified.ok {
            sleep_until(tell_failure_at).await;
        }
        Ok(verified)
    }

    /// Checks like [`verify`](Self::verify), and returns at once with the time before which nobody may be
    /// told of a failure, so that its caller can count it meanwhile.
    pub async fn check(
        &self,
        name: &Name,
        hash: Option<PasswordHash>,
        password: Zeroizing<String>,
    ) -> Result<(Verified, Instant), Busy> {
        let name = *name;
        let slots = hash.as_ref().map_or(1, |hash| self.0.slots_for(hash));
        let (verified, began) = self
            .in_slots(slots, move |shared, memory| {
                shared.verify(&name, hash.as_ref(), password.as_bytes(), memory)
            })
            .await?;
        Ok((verified, next_step(began)))
    }

    /// The hash of a new password.
    pub async fn hash(&self, password: NewPassword) -> Result<PasswordHash, Busy> {
        let (hash, _) =
            self.in_slots(1, move |shared, memory| shared.hash(password.as_bytes(), memory)).await?;
        Ok(hash)
    }

    /// Another hash of a password that was just found right.
    pub async fn hash_again(&self, password: Zeroizing<String>) -> Result<PasswordHash, Busy> {
        let (hash, _) =
            self.in_slots(1, move |shared, memory| shared.hash(password.as_bytes(), memory)).await?;
        Ok(hash)
    }

    /// Does work in the next slots that are free, and says when it began. The work is finished even if nobody waits
    /// for it any more: only then are the slots free again.
    async fn in_slots<T: Send + 'static>(
        &self,
        slots: u32,
        work: impl FnOnce(&Shared, &mut Memory) -> T + Send + 'static,
    ) -> Result<(T, Instant), Busy> {
        let shared = Arc::clone(&self.0);
        let place = shared.waiting.try_acquire().map_err(|_| Busy)?;
        let slot = Arc::clone(&shared.slots).acquire_many_owned(slots);
        let slot = timeout(MAX_VERIFICATION_WAIT, slot).await.map_err(|_| Busy)?;
        let slot = slot.expect("the semaphore is never closed");
        drop(place);
        let began = Instant::now();
        let shared = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || {
            let mut memory = shared.take_memory();
            let result = work(&shared, &mut memory);
            shared.keep_memory(memory);
            drop(slot);
            result
        });
        // It fails only when the runtime is being shut down: a panic ends podyd.
        task.await.map(|result| (result, began)).map_err(|_| Busy)
    }
}

impl Shared {
    /// The memory that a hash may take in one slot: its part of what there is, and never less than our own take.
    fn share_kib(&self) -> u64 {
        let part = MAX_VERIFICATION_MEMORY_KIB / u64::from(self.count);
        part.max(MIN_VERIFICATION_SHARE_KIB).max(lock(&self.parameters).memory_kib())
    }

    /// The slots whose memory a stored hash takes: it may have been stored when there were fewer, or elsewhere.
    fn slots_for(&self, hash: &PasswordHash) -> u32 {
        let slots = hash.memory_kib().div_ceil(self.share_kib()).clamp(1, self.count.into());
        u32::try_from(slots).expect("no more than there are")
    }

    fn verify(
        &self,
        name: &Name,
        hash: Option<&PasswordHash>,
        password: &[u8],
        memory: &mut Memory,
    ) -> Verified {
        let parameters = *lock(&self.parameters);
        let Some(hash) = hash else {
            let _ = PasswordHash::unmatchable(parameters).verify(name, password, memory);
            return Verified { ok: false, rehash: None };
        };
        let ok = hash.verify(name, password, memory);
        let rehash = (ok && hash.needs_rehash(parameters)).then(|| self.hash(password, memory));
        Verified { ok, rehash }
    }

    fn hash(&self, password: &[u8], memory: &mut Memory) -> PasswordHash {
        let mut salt = Salt::default();
        getrandom::fill(&mut salt).expect("getrandom(2) does not fail once Linux has booted");
        let parameters = *lock(&self.parameters);
        PasswordHash::of_bytes(password, parameters, &salt, memory)
    }

    fn take_memory(&self) -> Memory {
        let mut memory = lock(&self.memories).pop().unwrap_or_default();
        memory.keep_enough_for(*lock(&self.parameters));
        memory
    }

    fn keep_memory(&self, memory: Memory) {
        lock(&self.memories).push(memory);
    }
}

/// What is locked here is whole at every moment, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next_step(began: Instant) -> Instant {
    let steps = began.elapsed().div_duration_f64(FAILURE_STEP).ceil().max(1.0);
    began + FAILURE_STEP.mul_f64(steps)
}

#[cfg(test)]
mod tests;
