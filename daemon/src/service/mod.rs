//! Everything podyd does for somebody, once: doors decode, call this, and encode; they cannot differ.
//!
//! Nothing here knows a wire format or a socket. Who asks is a [`Caller`]; each operation checks what that
//! caller may, does it in the directory, and returns when the node's lookups show it.

mod answers;
mod arrivals;
mod break_glass;
mod browser_login;
mod caller;
mod codes;
mod database;
mod doctor;
mod exchange;
mod feed;
mod groups;
mod helper;
mod homes;
mod htpasswd;
mod identities;
mod import;
mod login;
mod metrics;
mod mode;
mod network;
mod oidc;
mod quota;
mod recheck;
mod relogin;
mod reservations;
mod sessions;
mod setup;
mod tokens;
mod users;

use std::sync::Arc;
use std::time::Duration;

use identity::Name;
use tokio::sync::watch;
use tokio::time::Instant;

pub use answers::{Answer, Digest};
pub use break_glass::BreakGlass;
pub use caller::{Bearer, Caller, Operation, Peer};
pub use codes::LoginCode;
pub use database::{Database, DatabaseHealth, Job};
pub use doctor::{Finding, Severity};
pub use helper::Helper;
pub use htpasswd::Htpasswd;
pub use login::{Decision, Login, Step, Verdict};
pub use metrics::{Metrics, TurnedAway};
pub use network::{Network, OpenPort, Served};
pub use oidc::OidcCheck;
pub use quota::{
    Applied, Changed, ChangedField, ChangedSlice, PolicyChange, Quotas, Shown, Subject, Usage, Value,
};
pub use relogin::forget_ended_codes;
pub use reservations::{Reservations, Resolved};
pub use sessions::{Opened, Opening, Session, Sessions};
pub use setup::{SetupState, TriedDirectory, TriedStep};
pub use tokens::{Checked, TokenRequest};
pub use users::{NewAccount, PasswordChange, new_uuid};

use crate::clock::Clock;
use crate::config::{Environment, Settings};
use crate::directory::{Contact, Directory, Key, Member, Position, Result, Rules};
use crate::publish::{Delays, Published};
use crate::store::NodeStore;
use crate::verifiers::Pool;

/// How long a change waits until lookups on this node show it, before its caller is told that it will.
const PUBLISH_DEADLINE: Duration = Duration::from_secs(10);

/// What podyd does.
pub struct Service<D> {
    /// The source of truth.
    pub directory: Arc<D>,
    /// What is this node's own.
    pub node: NodeStore,
    /// Where passwords are checked.
    pub pool: Pool,
    /// What lookups show, and a way to say that there is something new.
    pub published: Published,
    /// What this node allows, kept current by whoever watches its files.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// What the configuration says, kept current across reloads.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The time.
    pub clock: Clock,
    /// The htpasswd file whose users are kept in step with the directory, if there is one.
    pub htpasswd: Option<Htpasswd>,
    /// Which run of podyd this is, drawn at random: nodes that take their directory from each other in a circle are found
    /// out by it.
    pub instance: String,
    /// What `${VARIABLE}` stands for in configurations that podyd is asked about.
    pub environment: Environment,
    /// What is counted.
    pub metrics: Metrics,
    /// Where other nodes find this one.
    pub network: Network,
    /// What is reserved for first logins.
    pub reservations: Reservations,
    /// Who is root here.
    pub helper: Helper,
    /// Homes that are to be put away and are still there.
    pub waiting: homes::Waiting,
    /// Homes that nothing is done about.
    pub elsewhere: homes::Elsewhere,
    /// The sessions of this node.
    pub sessions: Sessions,
    /// What is known of quotas.
    pub quotas: Quotas,
    database: Option<Database>,
    provider: oidc::CurrentProvider,
    rechecks: Arc<recheck::Rechecks>,
    logins: login::Logins,
    codes: codes::LoginCodes,
    begun: login::Begun,
    exchanges: exchange::Exchanges,
    browser_logins: browser_login::BrowserLogins,
    token_uses: tokens::TokenUses,
    started: Instant,
}

/// How the node is doing.
#[derive(Clone, Debug)]
pub struct Health {
    /// The kind of directory and where it is.
    pub directory: (&'static str, String),
    /// How this node's replica stands to it, where there is one.
    pub contact: Option<Contact>,
    /// How long changes took until lookups showed them.
    pub delays: Delays,
    /// Where it stands and how much it holds, or why it does not say.
    pub state: Result<(Position, crate::directory::Counts)>,
    /// The revision that lookups show.
    pub published_revision: u64,
    /// Names that are not served here, since a local account has their name or id.
    pub hidden: Vec<String>,
    /// How long podyd has been running.
    pub uptime: Duration,
    /// Whom the OpenID provider has ended: they are refused on this node.
    pub refused: Vec<Name>,
    /// Where other nodes are served, if they are.
    pub served: Option<Served>,
    /// What an admin should know.
    pub warnings: Vec<String>,
}

impl<D: Directory> Service<D> {
    /// Puts the parts together.
    pub fn new(
        directory: Arc<D>,
        node: NodeStore,
        pool: Pool,
        published: Published,
        rules: watch::Receiver<Arc<Rules>>,
        settings: watch::Receiver<Arc<Settings>>,
        clock: Clock,
    ) -> Self {
        let started = Instant::now();
        let metrics = Metrics::default();
        let helper = Helper::at(settings.borrow().paths.helper.clone(), metrics.helper_calls.clone());
        Self {
            directory,
            node,
            pool,
            published,
            rules,
            settings,
            clock,
            instance: new_uuid(),
            environment: Environment::default(),
            metrics,
            network: Network::default(),
            reservations: Reservations::default(),
            helper,
            waiting: homes::Waiting::default(),
            elsewhere: homes::Elsewhere::default(),
            sessions: Sessions::default(),
            quotas: Quotas::default(),
            database: None,
            htpasswd: None,
            provider: oidc::CurrentProvider::default(),
            rechecks: Arc::default(),
            logins: login::Logins::default(),
            codes: codes::LoginCodes::default(),
            begun: login::Begun::default(),
            exchanges: exchange::Exchanges::default(),
            browser_logins: browser_login::BrowserLogins::default(),
            token_uses: tokens::TokenUses::default(),
            started,
        }
    }

    /// Lets root look after the database that the directory is in.
    pub fn with_database(self, database: Database) -> Self {
        Self { database: Some(database), ..self }
    }

    /// Finds out what a peer is to us. A uid that a local account holds is never one of ours.
    pub async fn caller(&self, peer: Peer) -> Result<Caller> {
        if peer.uid == 0 {
            return Ok(Caller::Root);
        }
        let Some(Member { user, .. }) = self.directory.user(Key::Id(peer.uid)).await? else {
            return Ok(Caller::Other(peer.uid));
        };
        let rules = self.current_rules();
        let served = rules.objection_to_user(user.name, user.uid, user.gid).is_none();
        let expired = user.expires_at.is_some_and(|day| day <= self.clock.today());
        if !served || user.state != identity::State::Active || expired || self.is_refused(&user.uuid) {
            return Ok(Caller::Other(peer.uid));
        }
        Ok(if user.is_admin { Caller::Admin(user.name) } else { Caller::User(user.name) })
    }

    /// How the node is doing.
    pub async fn health(&self, caller: &Caller) -> Result<Health> {
        caller.may(Operation::Look)?;
        let state = match self.directory.position().await {
            Ok(position) => self.directory.counts().await.map(|counts| (position, counts)),
            Err(error) => Err(error),
        };
        let contact = self.directory.contact();
        let away = contact.as_ref().and_then(|contact| contact.trouble.clone());
        let of_the_source = contact.clone().unwrap_or_default().warnings;
        let htpasswd = self.htpasswd.iter().flat_map(Htpasswd::warnings);
        let refused = self.refused_users().await;
        Ok(Health {
            directory: self.directory.describe(),
            contact,
            delays: self.published.delays(),
            state,
            published_revision: self.published.revision(),
            hidden: self.published.hidden(),
            uptime: self.started.elapsed(),
            served: self.network.port().map(|port| Served {
                port,
                readonly: self.current_settings().service.readonly,
                connections: u64::try_from(self.metrics.connections.get()).unwrap_or_default(),
                requests: self.metrics.answers(),
            }),
            warnings: (self.published.trouble().into_iter())
                .chain(self.node.warnings())
                .chain(away)
                .chain(of_the_source)
                .chain(htpasswd)
                .chain(self.provider_warning())
                .chain(recheck::warning(&refused))
                .collect(),
            refused,
        })
    }

    /// Whose directory this is, this run of podyd first: then those that it comes from, one from the other.
    pub fn via(&self) -> Vec<String> {
        std::iter::once(self.instance.clone()).chain(self.directory.via()).collect()
    }

    /// Why this node does not serve a user, if so.
    pub fn objection(&self, Member { user, .. }: &Member) -> Option<String> {
        self.current_rules().objection_to_user(user.name, user.uid, user.gid)
    }

    fn current_rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.borrow())
    }

    /// What the configuration says now.
    pub fn current_settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Waits until this node's lookups show a committed change.
    async fn visible(&self, position: &Position) -> Result<()> {
        self.published.reaches(position, PUBLISH_DEADLINE).await
    }
}

#[cfg(test)]
mod tests;
