//! What guessing costs: failures are counted per user and per source, some are free, and each one beyond
//! them locks for twice as long as the one before.
//!
//! Records are plain values that the store keeps across restarts; the time is a parameter. A failure is
//! counted only where [`judge`] allowed the attempt: nobody prolongs a lock by knocking on it.
//! Failures count for names that do not exist, too, since a lock that only real users get tells who is real.
//! A success clears the record of the user. It leaves the source's: whoever has one account here could
//! otherwise guess at the others without end.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use identity::Name;

use crate::config::Lockout;

/// The longest host name (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// What a source is called that is neither an address nor a host name: one for all of them, so that
/// nobody is a new source by spelling nonsense in a new way.
const UNREADABLE: &str = "unreadable";

/// Whose failures are counted. Its text form, `user:ada`, `source:192.0.2.7` or `local`, is the key in the
/// store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user name, whether or not there is such a user.
    User(Name),
    /// Where an attempt comes from over the network.
    Source(Source),
    /// This machine. Counted, never locked: any local user can fail in su as often as they like, and
    /// would lock everybody else, and every tunnel that ends here, out of the machine. The failures count
    /// for the user they tried to be.
    Local,
}

/// A remote machine: an IPv4 address, the /64 of an IPv6 address, or a host name. One customer or host
/// commonly has a whole /64 and could come from a new address each time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source(String);

impl Subject {
    /// The source of an attempt, from what PAM knows as `PAM_RHOST`.
    pub fn source(rhost: Option<&str>) -> Self {
        let host = rhost.unwrap_or_default().trim().trim_end_matches('.').to_ascii_lowercase();
        // A link-local address comes with its interface: fe80::1%eth0.
        let address = host.split('%').next().unwrap_or_default();
        match address.parse::<IpAddr>() {
            Ok(address) => Self::address(address.to_canonical()),
            Err(_) if host.is_empty() || host == "localhost" => Self::Local,
            Err(_) if is_host_name(&host) => Self::Source(Source(host)),
            Err(_) => Self::Source(Source(UNREADABLE.to_owned())),
        }
    }

    fn address(address: IpAddr) -> Self {
        match address {
            _ if address.is_loopback() => Self::Local,
            IpAddr::V4(address) => Self::Source(Source(address.to_string())),
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self::Source(Source(format!("{}/64", std::net::Ipv6Addr::from_bits(network))))
            }
        }
    }

    /// The host that another node is told, which makes the same subject of it.
    pub fn host(&self) -> &str {
        match self {
            Self::Source(Source(source)) => source.strip_suffix("/64").unwrap_or(source),
            Self::User(_) | Self::Local => "localhost",
        }
    }

    /// How many failures are free; `None`: all of them.
    fn free_failures(&self, rules: &Lockout) -> Option<u32> {
        match self {
            Self::User(_) => Some(rules.user_failures),
            Self::Source(_) => Some(rules.source_failures),
            Self::Local => None,
        }
    }
}

fn is_host_name(host: &str) -> bool {
    host.len() <= MAX_HOST_BYTES
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{}", name.as_str()),
            Self::Source(Source(source)) => write!(f, "source:{source}"),
            Self::Local => f.write_str("local"),
        }
    }
}

/// A text that is not the key of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASubject;

impl fmt::Display for NotASubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a subject is user:NAME, source:ADDRESS or local")
    }
}

impl std::error::Error for NotASubject {}

impl FromStr for Subject {
    type Err = NotASubject;

    fn from_str(text: &str) -> Result<Self, NotASubject> {
        match text.split_once(':') {
            None if text == "local" => Ok(Self::Local),
            Some(("user", name)) => Name::new(name.as_bytes()).map(Self::User).map_err(|_| NotASubject),
            Some(("source", source)) if !source.is_empty() => Ok(Self::Source(Source(source.to_owned()))),
            _ => Err(NotASubject),
        }
    }
}

/// The failures of one subject. Times are seconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub subject: Subject,
    /// How many in a row.
    pub failures: u32,
    /// When the last one was.
    pub last_failure: i64,
    /// Until when no attempt is allowed, if the free ones are used up.
    pub locked_until: Option<i64>,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Yes.
    Allowed,
    /// Not before this second.
    LockedUntil(i64),
}

/// Judges one record; an attempt needs the user's and the source's consent.
///
/// A lock never lasts longer from its last failure than `longest_wait`, whatever the record says: a
/// setting that was lowered helps at once. A failure that lies in the future shows that the clock was set
/// back: the lock is void, since its end may be years away, and the next failure starts it anew.
#[must_use]
pub fn judge(rules: &Lockout, record: Option<&Record>, now: i64) -> Judgement {
    let Some(Record { last_failure, locked_until: Some(locked_until), .. }) = record else {
        return Judgement::Allowed;
    };
    let until = (*locked_until).min(last_failure.saturating_add(seconds(rules.longest_wait)));
    if *last_failure <= now && now < until { Judgement::LockedUntil(until) } else { Judgement::Allowed }
}

/// The record after another failure, to be stored in place of `record`, which is what the store holds for
/// `subject`.
#[must_use]
pub fn after_failure(rules: &Lockout, subject: Subject, record: Option<&Record>, now: i64) -> Record {
    let earlier = record.filter(|record| record.last_failure > forgotten_before(rules, now));
    let failures = earlier.map_or(0, |record| record.failures).saturating_add(1);
    let beyond_free = subject.free_failures(rules).map_or(0, |free| failures.saturating_sub(free));
    let locked_until = (beyond_free > 0).then(|| now.saturating_add(seconds(wait(rules, beyond_free))));
    Record { subject, failures, last_failure: now, locked_until }
}

/// Records whose last failure is not later than this have no effect any more and can be deleted.
#[must_use]
pub fn forgotten_before(rules: &Lockout, now: i64) -> i64 {
    now.saturating_sub(seconds(rules.forget_after.max(rules.longest_wait)))
}

/// `first_wait` for the first failure beyond the free ones, doubled for each further one.
fn wait(rules: &Lockout, beyond_free: u32) -> Duration {
    let doubled = 2_u32.checked_pow(beyond_free - 1).and_then(|factor| rules.first_wait.checked_mul(factor));
    doubled.unwrap_or(rules.longest_wait).min(rules.longest_wait)
}

/// Whole seconds, rounded up so that no wait is none.
fn seconds(duration: Duration) -> i64 {
    let whole = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i64::try_from(whole).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
