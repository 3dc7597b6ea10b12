//! How a node hears of changes in a PostgreSQL database: LISTEN, and looking from time to time in case nothing was heard.
//!
//! A pooler between us and the server may hand every transaction to another connection (pgbouncer's transaction mode). LISTEN
//! then hears nothing, and what it was for reaches whoever has that connection next. So it is found out beforehand whether our
//! connection is ours alone, and looking more often takes LISTEN's place where it is not.

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

/// The server's process at the other end.
const BACKEND: &str = "SELECT pg_backend_pid()";

/// How often two connections are compared: a pooler gives the connection that was used last to the next who asks.
const PROBES: usize = 5;

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
            State::Deaf(since) if since.elapsed() < TRY_AGAIN_AFTER => sleep(WITHOUT_LISTEN).await,
            State::Listening(listener) => {
                // A lost connection is none: the next call makes another.
                match timeout(SAFETY_NET, listener.try_recv()).await {
                    Ok(Ok(Some(_))) | Err(_) => {}
                    Ok(Ok(None) | Err(_)) => *state = State::Silent,
                }
            }
            State::Silent | State::Deaf(_) => match timeout(PROBE_DEADLINE, connect(pool)).await {
                Ok(Ok(listener)) => *state = State::Listening(listener),
                Ok(Err(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)) => sleep(WITHOUT_LISTEN).await,
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

/// Listens, and hears a notification that went through the pool as a change's would.
async fn connect(pool: &PgPool) -> sqlx::Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    for _ in 0..PROBES {
        let ours: i32 = sqlx::query_scalar(BACKEND).persistent(false).fetch_one(&mut listener).await?;
        let pooled: i32 = sqlx::query_scalar(BACKEND).persistent(false).fetch_one(pool).await?;
        if ours == pooled {
            return Err(sqlx::Error::Protocol("two connections are one".into()));
        }
    }
    listener.listen(CHANNEL).await?;
    let probe = format!("probe {}", uuid::Uuid::new_v4());
    sqlx::query("SELECT pg_notify($1, $2)")
        .persistent(false)
        .bind(CHANNEL)
        .bind(&probe)
        .execute(pool)
        .await?;
    while listener.recv().await?.payload() != probe {}
    Ok(listener)
}
