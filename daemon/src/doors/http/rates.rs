//! How often somebody may ask, and how often be wrong.
//!
//! Requests are counted for each token and address; wrong tokens for each address, which then has to wait with tokens that were
//! not right there lately: one node that is set up wrongly must not keep out those behind the same address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::places::household;
use super::{Code, Problem};
use crate::limits::{KNOWN_TOKEN_FOR, MAX_HTTP_CLIENTS, ONE_MORE_WRONG_TOKEN, WRONG_TOKENS};

/// A token, by its SHA-256.
pub type TokenDigest = [u8; 32];

/// Who asked how often.
pub struct Rates {
    requests: Buckets<(String, IpAddr)>,
    wrong_tokens: Buckets<IpAddr>,
    /// Tokens that were right, where, and when last.
    known: Mutex<HashMap<(TokenDigest, IpAddr), Instant>>,
}

impl Rates {
    /// As many requests a second, on average; what was not used in the last second may be used now.
    pub fn new(per_second: u32) -> Self {
        Self {
            requests: Buckets::new(per_second, Duration::from_secs(1) / per_second.max(1)),
            wrong_tokens: Buckets::new(WRONG_TOKENS, ONE_MORE_WRONG_TOKEN),
            known: Mutex::default(),
        }
    }

    /// One more request of whoever shows this token, or none.
    pub fn request(&self, token: &str, from: IpAddr) -> Result<(), Problem> {
        let wait = self.requests.take((token.to_owned(), household(from)));
        wait.map_err(|wait| too_many("too many requests with this token, from this address", wait))
    }

    /// Whether a token may be tried at all.
    pub fn may_try(&self, token: TokenDigest, from: IpAddr) -> Result<(), Problem> {
        let from = household(from);
        let Some(wait) = self.wrong_tokens.wait(&from) else { return Ok(()) };
        let is_known =
            || self.known().get(&(token, from)).is_some_and(|last| last.elapsed() < KNOWN_TOKEN_FOR);
        if is_known() { Ok(()) } else { Err(too_many("too many wrong tokens from this address", wait)) }
    }

    /// A token was right.
    pub fn right(&self, token: TokenDigest, from: IpAddr) {
        let mut known = self.known();
        if known.len() >= MAX_HTTP_CLIENTS {
            known.retain(|_, last| last.elapsed() < KNOWN_TOKEN_FOR);
        }
        if known.len() < MAX_HTTP_CLIENTS {
            known.insert((token, household(from)), Instant::now());
        }
    }

    /// A token was wrong.
    pub fn wrong(&self, from: IpAddr) {
        // Those that had been under way already make the wait no longer.
        let _ = self.wrong_tokens.take(household(from));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(TokenDigest, IpAddr), Instant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many(what: &str, wait: Duration) -> Problem {
    Problem::new(Code::TooManyRequests, what).retry_after(wait.as_secs() + 1)
}

/// A bucket for each key, out of which one is taken at a time, and into which one comes back after a while (GCRA).
struct Buckets<K> {
    room: u32,
    one_more_after: Duration,
    /// When each is full again; full ones are not kept.
    full_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(room: u32, one_more_after: Duration) -> Self {
        Self { room, one_more_after, full_at: Mutex::default() }
    }

    /// Takes one, or says how long until there is one.
    fn take(&self, key: K) -> Result<(), Duration> {
        let (mut full_at, now) = (self.full_at(), Instant::now());
        if full_at.len() >= MAX_HTTP_CLIENTS {
            full_at.retain(|_, full_at| *full_at > now);
        }
        if full_at.len() >= MAX_HTTP_CLIENTS && !full_at.contains_key(&key) {
            return Err(self.one_more_after);
        }
        let full_at = full_at.entry(key).or_insert(now);
        if let Some(wait) = self.wait_of(*full_at, now) {
            return Err(wait);
        }
        *full_at = now.max(*full_at) + self.one_more_after;
        Ok(())
    }

    /// How long until one can be taken; none: now.
    fn wait(&self, key: &K) -> Option<Duration> {
        let full_at = self.full_at().get(key).copied();
        full_at.and_then(|full_at| self.wait_of(full_at, Instant::now()))
    }

    fn wait_of(&self, full_at: Instant, now: Instant) -> Option<Duration> {
        let not_empty_until = now + self.one_more_after * (self.room - 1);
        full_at.checked_duration_since(not_empty_until).filter(|wait| !wait.is_zero())
    }

    fn full_at(&self) -> MutexGuard<'_, HashMap<K, Instant>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    #[tokio::test(start_paused = true)]
    async fn requests_are_answered_at_the_rate_agreed_and_others_do_not_wait_for_it() {
        let rates = Rates::new(10);
        let granted = |token| (0..100).filter(|_| rates.request(token, HERE).is_ok()).count();
        assert_eq!((granted("a"), granted("b")), (10, 10));
        advance(Duration::from_millis(500)).await;
        assert_eq!(granted("a"), 5);
        assert!(rates.request("a", "192.0.2.8".parse().unwrap()).is_ok(), "another address");
        advance(Duration::from_secs(60)).await;
        assert_eq!(granted("a"), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_nodes_behind_one_address_may_ask_at_once() {
        let rates = Rates::new(crate::config::ProfileService::default().max_requests_per_second);
        assert!(
            (0..1000).all(|_| rates.request("the shared token", HERE).is_ok()),
            "as when a link is mended"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_wrong_too_often_waits_with_tokens_that_are_not_known_there() {
        let rates = Rates::new(10);
        let (node, guess) = ([1; 32], [2; 32]);
        rates.right(node, HERE);
        for _ in 0..WRONG_TOKENS {
            assert!(rates.may_try(guess, HERE).is_ok());
            rates.wrong(HERE);
        }
        assert!(rates.may_try(guess, HERE).is_err() && rates.may_try(node, HERE).is_ok());
        assert!(rates.may_try(guess, "192.0.2.8".parse().unwrap()).is_ok());
        advance(ONE_MORE_WRONG_TOKEN).await;
        assert!(rates.may_try(guess, HERE).is_ok(), "one more");
        rates.wrong(HERE);
        assert!(rates.may_try(guess, HERE).is_err());
        advance(KNOWN_TOKEN_FOR).await;
        assert!(rates.may_try(guess, HERE).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn tables_are_bounded_and_swept() {
        let rates = Rates::new(1);
        let network = |number: usize| IpAddr::from(std::net::Ipv6Addr::from_bits((number as u128) << 64));
        for number in 0..MAX_HTTP_CLIENTS {
            rates.request("", network(number)).unwrap();
            rates.right([0; 32], network(number));
        }
        assert!(rates.request("", HERE).is_err(), "there is no room");
        rates.right([0; 32], HERE);
        assert_eq!(rates.known().len(), MAX_HTTP_CLIENTS);
        advance(KNOWN_TOKEN_FOR).await;
        assert!(rates.request("", HERE).is_ok());
        rates.right([0; 32], HERE);
        assert_eq!((rates.requests.full_at().len(), rates.known().len()), (1, 1));
    }
}
