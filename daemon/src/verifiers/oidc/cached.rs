//! What a provider said and need not be asked for again at once: its description, its keys. Whoever wants it while it is
//! being fetched waits for that one request; how old it may be, and how often it may be asked for, is for others to say.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::{Error, Result};

/// Something that is fetched when it is wanted.
pub struct Cached<T>(Mutex<State<T>>);

struct State<T> {
    value: Option<(Instant, Arc<T>)>,
    failure: Option<(Instant, Error)>,
    /// When it was last fetched although it was not old.
    forced: Option<Instant>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::new(State { value: None, failure: None, forced: None }))
    }
}

impl<T> Cached<T> {
    /// What was fetched just now.
    pub fn of(value: T) -> Self {
        Self(Mutex::new(State {
            value: Some((Instant::now(), Arc::new(value))),
            failure: None,
            forced: None,
        }))
    }

    /// It, no older than `max_age`. Those who waited for an attempt that failed are told so, too: a provider that stands
    /// still keeps nobody waiting for longer than one request.
    pub async fn get(&self, max_age: Duration, fetch: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        let asked = Instant::now();
        let mut state = self.0.lock().await;
        if let Some((_, value)) = state.value.as_ref().filter(|(fetched, _)| fetched.elapsed() < max_age) {
            return Ok(Arc::clone(value));
        }
        if let Some((_, error)) = state.failure.as_ref().filter(|(failed, _)| *failed >= asked) {
            return Err(error.clone());
        }
        state.fetch(fetch).await
    }

    /// It, other than `seen`, which did not serve; `None` where it was asked for in vain less than `floor` ago.
    pub async fn another(
        &self,
        seen: &Arc<T>,
        floor: Duration,
        fetch: impl Future<Output = Result<T>>,
    ) -> Result<Option<Arc<T>>> {
        let mut state = self.0.lock().await;
        if let Some((_, value)) = state.value.as_ref().filter(|(_, value)| !Arc::ptr_eq(value, seen)) {
            return Ok(Some(Arc::clone(value)));
        }
        if state.forced.is_some_and(|forced| forced.elapsed() < floor) {
            return Ok(None);
        }
        state.forced = Some(Instant::now());
        state.fetch(fetch).await.map(Some)
    }
}

impl<T> State<T> {
    async fn fetch(&mut self, fetch: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        match fetch.await {
            Ok(value) => {
                let value = Arc::new(value);
                self.value = Some((Instant::now(), Arc::clone(&value)));
                Ok(value)
            }
            Err(error) => {
                self.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}
