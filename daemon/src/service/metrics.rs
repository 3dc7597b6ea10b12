//! What podyd counts and how it stands, as Prometheus reads it. Whoever counts is a door or an operation; labels are podyd's
//! own words, never what somebody sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::{Caller, Health, Service, Verdict};
use crate::directory::{Directory, Error, Judged, Result};

/// Bounds of answer times, in seconds: from what one row takes to what is given up.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What is counted while podyd runs.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    turned_away: Family<Reason, Counter>,
    logins: Family<Outcome, Counter>,
    quotas: Family<Cause, Counter>,
    in_force: Family<Of, Histogram, fn() -> Histogram>,
    answers: AtomicU64,
    /// Calls of podyd-helper.
    pub(super) helper_calls: Family<HelperCall, Counter>,
    /// Connections of other nodes.
    pub connections: Gauge,
}

/// A request of another node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

/// A path as podyd knows it, with `{name}` in the place of names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    verdict: &'static str,
}

/// What became of a call of podyd-helper.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HelperCall {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    of: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Quantile {
    quantile: &'static str,
}

/// Why something did not get as far as being a request.
#[derive(Clone, Copy, Debug)]
pub enum TurnedAway {
    /// There was no place for the connection.
    Connection,
    /// TLS did not come about.
    Handshake,
    /// There was no token.
    NoToken,
    /// The token was wrong.
    WrongToken,
    /// There were too many requests or wrong tokens.
    Rate,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("pody"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            turned_away: Family::default(),
            logins: Family::default(),
            quotas: Family::default(),
            in_force: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            answers: AtomicU64::default(),
            helper_calls: Family::default(),
            connections: Gauge::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("http_requests", "Answers to other nodes", self.requests.clone());
        registry.register("http_request_duration_seconds", "How long they took", self.seconds.clone());
        registry.register("http_connections", "Connections of other nodes", self.connections.clone());
        registry.register(
            "http_turned_away",
            "What was refused before it was a request",
            self.turned_away.clone(),
        );
        registry.register("helper_calls", "What podyd-helper was asked for", self.helper_calls.clone());
        registry.register("logins", "Logins, and passwords judged for others", self.logins.clone());
        registry.register("quota_changes", "Disk limits of users that were put right", self.quotas.clone());
        let about = "From what was said of quotas to what the kernel and systemd hold everybody to whom it applies to";
        registry.register("quota_in_force_seconds", about, self.in_force.clone());
        self
    }

    /// Counts how long it took until what was said of a `user`, a `group`, or of everybody (`default`) was in force.
    pub(super) fn quota_in_force(&self, of: &'static str, took: Duration) {
        self.in_force.get_or_create(&Of { of }).observe(took.as_secs_f64());
    }

    /// Counts limits that were put right: since somebody else had changed them, or something else was said of them.
    pub(super) fn quotas_changed(&self, drift: bool, count: u64) {
        let cause = if drift { "drift" } else { "policy" };
        self.quotas.get_or_create(&Cause { cause }).inc_by(count);
    }

    /// Counts an answer. The route is the path as podyd knows it.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.seconds.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Request { method, route: route.to_owned(), status }).inc();
    }

    /// How many answers were counted.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Counts what was refused.
    pub fn turned_away(&self, why: TurnedAway) {
        let reason = match why {
            TurnedAway::Connection => "connection",
            TurnedAway::Handshake => "handshake",
            TurnedAway::NoToken => "no_token",
            TurnedAway::WrongToken => "wrong_token",
            TurnedAway::Rate => "rate",
        };
        self.turned_away.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn decided(&self, verdict: Verdict) {
        let verdict = match verdict {
            Verdict::Granted => "granted",
            Verdict::Denied => "denied",
            Verdict::LockedOut => "locked_out",
            Verdict::Unknown => "unknown",
            Verdict::AccountLocked => "account_locked",
            Verdict::AccountExpired => "account_expired",
            Verdict::Refused => "refused",
            Verdict::Unavailable => "unavailable",
        };
        self.logins.get_or_create(&Outcome { verdict }).inc();
    }

    pub(super) fn judged(&self, judged: &Judged) {
        self.decided(match judged {
            Judged::Right { .. } => Verdict::Granted,
            Judged::Wrong => Verdict::Denied,
            Judged::LockedOut { .. } => Verdict::LockedOut,
        });
    }
}

impl<D: Directory> Service<D> {
    /// Everything that is measured here, in the text format of OpenMetrics 1.0.
    pub async fn metrics_text(&self, caller: &Caller) -> Result<String> {
        let state = state(&self.health(caller).await?);
        let mut text = String::new();
        encode_registry(&mut text, &state)
            .and_then(|()| encode_registry(&mut text, &self.metrics.registry))
            .and_then(|()| encode_eof(&mut text))
            .map_err(|error| Error::Failed(error.to_string()))?;
        Ok(text)
    }
}

/// How the node stands at this moment; what nobody knows is not there.
fn state(health: &Health) -> Registry {
    let mut state = State(Registry::with_prefix("pody"));
    let build = Info::new([("version", env!("CARGO_PKG_VERSION")), ("directory", health.directory.0)]);
    state.0.register("build", "What is running", build);
    state.is("uptime_seconds", "Since podyd started", health.uptime.as_secs());
    state.is("published_revision", "The revision that lookups on this node show", health.published_revision);
    state.is("warnings", "What podyctl status warns of", health.warnings.len() as u64);
    state.is("refused_users", "Users whom the OpenID provider has ended", health.refused.len() as u64);
    let is_followed = health.contact.as_ref().is_none_or(|contact| contact.trouble.is_none());
    state.is("directory_up", "Whether the directory answers", u64::from(is_followed && health.state.is_ok()));
    if let Ok((position, counts)) = &health.state {
        state.is(
            "directory_revision",
            "The revision of the directory, or of this node's copy",
            position.revision,
        );
        state.is("users", "Users in the directory", counts.users);
        state.is("groups", "Groups in the directory, private ones included", counts.groups);
    }
    if let Some(current_at) = health.contact.as_ref().and_then(|contact| contact.current_at) {
        let age = current_at.elapsed().as_secs_f64();
        state.is("replica_age_seconds", "Since this node's copy was last known to be current", age);
    }
    let delays = Family::<Quantile, Gauge<f64, AtomicU64>>::default();
    for (quantile, delay) in [("0.5", health.delays.median()), ("1", health.delays.longest())] {
        if let Some(milliseconds) = delay {
            delays.get_or_create(&Quantile { quantile }).set(milliseconds as f64 / 1000.0);
        }
    }
    let about = "How long the last changes took from their commit to the lookups of this node";
    state.0.register("change_delay_seconds", about, delays);
    state.0
}

/// Gauges of one moment.
struct State(Registry);

impl State {
    fn is<N>(&mut self, name: &str, about: &str, value: N)
    where
        ConstGauge<N>: Metric + EncodeMetric,
    {
        self.0.register(name, about, ConstGauge::new(value));
    }
}
