//! `GET /v1/changes` and `/v1/position`: the feed that other nodes follow. Whoever has seen everything waits until lookups
//! here show something new; nothing is read from the directory meanwhile, and one change is read and encoded once for all
//! who wait for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::{Asked, Asking, Code, Http, Problem, dump};
use crate::directory::{Directory, Error, Feed, Position};
use crate::limits::{MAX_FEED_WAIT, MAX_KEPT_FEED_BYTES, MAX_KEPT_FEEDS};
use crate::service::{Caller, Operation, Service};
use crate::wire::{PositionReply, encode_feed, encode_position, parse_cursor};

/// What the lines are.
const LINES: &str = "application/x-ndjson";

/// How soon is looked again while lookups here cannot follow the directory.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new().route("/v1/changes", get(changes::<D>)).route("/v1/position", get(position::<D>))
}

#[derive(Deserialize)]
struct Since {
    since: Option<String>,
    /// Seconds.
    #[serde(default)]
    wait: u64,
}

#[derive(Deserialize)]
struct Count {
    #[serde(default)]
    counts: bool,
}

async fn position<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Asked(Count { counts }): Asked<Count>,
) -> Result<Json<PositionReply>, Problem> {
    let (position, counts) = http.service.position(&caller, counts).await?;
    Ok(Json(PositionReply::new(&position, counts)))
}

async fn changes<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Asked(Since { since, wait }): Asked<Since>,
) -> Result<Response, Problem> {
    // Answers that are kept were read for somebody else.
    caller.may(Operation::List)?;
    let Some(since) = since else { return dump::whole(http, caller).await };
    let since = parse_cursor(&since)?;
    let deadline = Instant::now() + Duration::from_secs(wait).min(MAX_FEED_WAIT);
    loop {
        // What lookups show is read from memory, and is all that there is unless they cannot follow.
        let (shown, shows_all) = (http.service.shown(), http.service.shows_all());
        let here = match &shown {
            Some(shown) if shown.is_at(&since) && shows_all => shown.clone(),
            _ => match http.feeds.answer(&http.service, &caller, &since, shown.as_ref()).await? {
                Answer::Lines(lines) => return Ok(lines_of(lines.into())),
                Answer::StartOver => return Err(start_over()),
                Answer::Nothing(here) => here,
            },
        };
        let look_again = if shows_all { deadline } else { deadline.min(Instant::now() + LOOK_AGAIN_AFTER) };
        tokio::select! {
            () = http.service.shows_another(shown.as_ref()) => {}
            () = sleep_until(look_again) => if look_again == deadline {
                return Ok(lines_of(encode_position(&here).into()));
            },
            () = http.stopped() => return Err(Problem::new(Code::Busy, "podyd is about to end")),
        }
    }
}

fn start_over() -> Problem {
    Problem::new(Code::StartOver, "the history does not reach back to that: read everything, without since")
}

/// An answer of lines.
pub(super) fn lines_of(body: Body) -> Response {
    ([(CONTENT_TYPE, LINES)], body).into_response()
}

/// The last answers of the feed. One reading is under way at a time, and others who want the same wait for it.
#[derive(Default)]
pub struct Feeds(Mutex<VecDeque<Kept>>);

struct Kept {
    since: Position,
    /// What lookups showed when it was read: as long as they do, it is the answer, as good as any.
    shown: Option<Position>,
    answer: Answer,
}

#[derive(Clone)]
enum Answer {
    Lines(Bytes),
    /// Nothing yet; the cursor is at this position.
    Nothing(Position),
    StartOver,
}

impl Feeds {
    async fn answer<D: Directory>(
        &self,
        service: &Service<D>,
        caller: &Caller,
        since: &Position,
        shown: Option<&Position>,
    ) -> Result<Answer, Error> {
        let mut kept = self.0.lock().await;
        let same = |kept: &&Kept| kept.since.is_at(since) && shown.is_some() && kept.shown.as_ref() == shown;
        if let Some(kept) = kept.iter().find(same).filter(|_| service.shows_all()) {
            return Ok(kept.answer.clone());
        }
        let answer = match service.changes(caller, since).await? {
            Feed::StartOver => Answer::StartOver,
            Feed::Changes { position, .. } if position.is_at(since) => Answer::Nothing(position),
            Feed::Changes { changes, present, position } => {
                Answer::Lines(encode_feed(&changes, &present, &position).into())
            }
        };
        // What lookups do not show yet may be followed by more, for which the answer is not this one.
        if matches!(&answer, Answer::Lines(lines) if lines.len() <= MAX_KEPT_FEED_BYTES) {
            kept.truncate(MAX_KEPT_FEEDS - 1);
            kept.push_front(Kept { since: since.clone(), shown: shown.cloned(), answer: answer.clone() });
        }
        Ok(answer)
    }
}
