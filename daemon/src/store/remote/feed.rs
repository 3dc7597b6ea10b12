//! What the service says of changes: they are waited for, and what came is kept until the follower asks for it. So a
//! change costs one answer, and silence costs nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::RemoteDirectory;
use super::transport::Broken;
use crate::directory::{Error, Feed, Position, Result, Sink};
use crate::limits::MAX_REMOTE_CHANGES_BYTES;
use crate::wire::{Collected, Line, Lines, Receiver, cursor};

/// How long the service is asked to wait for news: below the minute after which things on the way forget connections.
const WAIT: Duration = Duration::from_secs(25);

/// How long to wait before news are asked for again when that went wrong, give or take a half.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(400);

/// Where the follower stands, and what has come for it since.
#[derive(Debug, Default)]
pub struct Stand(Mutex<(Option<Position>, Option<News>)>);

/// What came when news were waited for.
#[derive(Debug)]
struct News {
    since: Position,
    feed: Feed,
    position: Position,
}

impl Stand {
    fn state(&self) -> MutexGuard<'_, (Option<Position>, Option<News>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the news lead, if there are any. If nothing has changed, they have done their service by that.
    pub fn announced(&self) -> Option<Position> {
        let mut state = self.state();
        let position = state.1.as_ref()?.position.clone();
        if state.1.as_ref().is_some_and(|news| news.since == news.position) {
            state.1 = None;
        }
        Some(position)
    }

    /// The service is there. The follower is where it was, unless it has nothing to follow yet: others ask, too.
    pub fn begins_at(&self, position: &Position) {
        self.state().0.get_or_insert_with(|| position.clone());
    }

    /// The follower is there, or about to be.
    fn at(&self, position: &Position) {
        self.state().0 = Some(position.clone());
    }

    fn take(&self, since: &Position) -> Option<Feed> {
        let news = self.state().1.take()?;
        (news.since == *since).then_some(news.feed)
    }
}

impl RemoteDirectory {
    /// Waits for news.
    pub(super) async fn wait_for_news(&self) {
        let Some(since) = self.stand.state().0.clone() else { return };
        match self.read_changes(&since, WAIT).await {
            Ok(feed @ Feed::Changes { .. }) => {
                let Feed::Changes { position, .. } = &feed else { return };
                let position = position.clone();
                self.stand.state().1 = Some(News { since, feed, position });
            }
            // What is wrong comes out when the follower looks.
            Ok(Feed::StartOver) | Err(_) => sleep(ASK_AGAIN_AFTER.mul_f64(0.5 + super::chance())).await,
        }
    }

    /// What has changed since.
    pub(super) async fn read_feed(&self, since: &Position) -> Result<Feed> {
        let feed = match self.stand.take(since) {
            Some(feed) => feed,
            None => self.read_changes(since, Duration::ZERO).await?,
        };
        if let Feed::Changes { position, .. } = &feed {
            self.stand.at(position);
        }
        Ok(feed)
    }

    async fn read_changes(&self, since: &Position, wait: Duration) -> Result<Feed> {
        let Some(since) = self.seen_from_there(since) else { return Ok(Feed::StartOver) };
        let (cursor, seconds) = (cursor(&since), wait.as_secs().to_string());
        let answer = self.transport.stream(&[("since", &cursor), ("wait", &seconds)], wait).await;
        let mut response = match answer {
            Err(Broken::Gone) => return Ok(Feed::StartOver),
            answer => answer?,
        };
        let (mut lines, mut collected, mut bytes) = (Lines::default(), Collected::default(), 0);
        while let Some(piece) = self.transport.piece(&mut response).await? {
            bytes += piece.len();
            if bytes > MAX_REMOTE_CHANGES_BYTES {
                return Err(Error::Failed(format!(
                    "changes of more than {MAX_REMOTE_CHANGES_BYTES} bytes came"
                )));
            }
            for line in lines.take(&piece)? {
                collected.take(self.trusted(line))?;
            }
        }
        match collected.finish()? {
            Feed::Changes { changes, present, position } => {
                Ok(Feed::Changes { changes, present, position: self.seen_from_here(position) })
            }
            start_over => Ok(start_over),
        }
    }

    /// Copies everything into a sink.
    pub(super) async fn read_all(&self, sink: &mut impl Sink) -> Result<Position> {
        let mut response = self.transport.stream(&[], Duration::ZERO).await?;
        let (mut lines, mut receiver) = (Lines::default(), Receiver::new(sink));
        while let Some(piece) = self.transport.piece(&mut response).await? {
            for line in lines.take(&piece)? {
                receiver.take(self.trusted(line)).await?;
            }
        }
        let position = self.seen_from_here(receiver.finish()?);
        self.stand.at(&position);
        Ok(position)
    }

    /// A line, without what must not come over a way on which anybody could have written it.
    fn trusted(&self, mut line: Line) -> Line {
        if let (Line::User(user), false) = (&mut line, self.is_private) {
            user.is_admin = false;
        }
        line
    }
}
