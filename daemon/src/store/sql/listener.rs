//! How a node hears of changes in a PostgreSQL database: LISTEN, and looking from time to time in case nothing was heard.
//!
//! A pooler between us and the server may hand every transaction to another connection (pgbouncer's transaction mode). LISTEN
//! then fails or hears nothing for ever, so it is tried out, and looking more often takes its place.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// The channel that the database's trigger notifies.
const CHANNEL: &str = "pody";

/// How often is looked where LISTEN works: for what was committed while the connection was made.
const SAFETY_NET: Duration = Duration::from_secs(2);

/// How often is looked where it does not: one row by its key.
const WITHOUT_LISTEN: Duration = Duration::from_millis(250);

/// How long a notification of our own may take to come back.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// How long a pooler without LISTEN is left in peace before it is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The connection that listens.
#[derive(Debug, Default)]
pub struct Listener(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// There is no connection.
    #[default]
    Silent,
    Listening(PgListener),
    /// Notifications do not come through, as was found out then.
    Deaf(Instant),
}

impl Listener {
    /// Returns when something was heard, or when it is time to look.
    pub async fn heard(&self, pool: &PgPool) {
        let mut state = self.0.lock().await;
        match &mut *state {
            State::Deaf(since) if since.elapsed() < TRY_AGAIN_AFTER => return sleep(WITHOUT_LISTEN).await,
            State::Listening(listener) => {
                // A lost connection is none: the next call makes another.
                match timeout(SAFETY_NET, listener.try_recv()).await {
                    Ok(Ok(Some(_))) | Err(_) => {}
                    Ok(Ok(None) | Err(_)) => *state = State::Silent,
                }
            }
            State::Silent | State::Deaf(_) => match timeout(PROBE_DEADLINE, connect(pool)).await {
                Ok(Ok(listener)) => *state = State::Listening(listener),
                Ok(Err(error)) if error.as_database_error().is_none() => sleep(WITHOUT_LISTEN).await,
                Ok(Err(_)) | Err(_) => {
                    if matches!(*state, State::Silent) {
                        tracing::warn!(
                            "notifications of PostgreSQL do not come through (a pooler in transaction mode?): changes are \
                             looked for every {WITHOUT_LISTEN:?} instead"
                        );
                    }
                    *state = State::Deaf(Instant::now());
                }
            },
        }
    }
}

/// Listens, and hears a notification that went through the pool as a change's would. An error that is the database's own
/// answer means that it refuses.
async fn connect(pool: &PgPool) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let probe = format!("probe {}", uuid::Uuid::new_v4());
    sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(&probe).execute(pool).await?;
    while listener.recv().await?.payload() != probe {}
    Ok(listener)
}
