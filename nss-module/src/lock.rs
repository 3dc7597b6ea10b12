//! A lock that nobody waits for and that a forked child can take over.

use core::sync::atomic::{AtomicI32, Ordering};

/// Holds the process id of its owner, 0 when free. A child that was forked while another thread held it
/// sees a stranger's id: that thread does not exist here, so the child takes the lock over.
pub struct ForkLock {
    owner: AtomicI32,
}

/// The lock is held as long as this lives.
pub struct Held<'a> {
    lock: &'a ForkLock,
    /// The lock was taken over: what it guards may be half changed.
    pub taken_over: bool,
}

impl ForkLock {
    /// A free lock.
    pub const fn new() -> Self {
        Self { owner: AtomicI32::new(0) }
    }

    /// Takes the lock unless a thread of this process holds it.
    pub fn try_lock(&self) -> Option<Held<'_>> {
        // SAFETY: getpid(2) has no preconditions.
        let process = unsafe { libc::getpid() };
        let owner = match self.owner.compare_exchange(0, process, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return Some(Held { lock: self, taken_over: false }),
            Err(owner) => owner,
        };
        if owner == process {
            return None;
        }
        let taken = self.owner.compare_exchange(owner, process, Ordering::Acquire, Ordering::Relaxed);
        taken.ok().map(|_| Held { lock: self, taken_over: true })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.lock.owner.store(0, Ordering::Release);
    }
}
