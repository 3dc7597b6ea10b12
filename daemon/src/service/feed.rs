//! The change feed and the whole directory, for nodes that follow this one.

use super::{Caller, Operation, Service};
use crate::directory::{Counts, Directory, Feed, Position, Result, Sink};

impl<D: Directory> Service<D> {
    /// Where the directory stands, and how much it holds if that is asked for: counting costs more the more there are.
    pub async fn position(&self, caller: &Caller, count: bool) -> Result<(Position, Option<Counts>)> {
        caller.may(Operation::List)?;
        let position = self.directory.position().await?;
        Ok(match count {
            true => (position, Some(self.directory.counts().await?)),
            false => (position, None),
        })
    }

    /// What has changed since.
    pub async fn changes(&self, caller: &Caller, since: &Position) -> Result<Feed> {
        caller.may(Operation::List)?;
        self.directory.changes(since).await
    }

    /// Everything, as of one moment.
    pub async fn dump(&self, caller: &Caller, sink: &mut impl Sink) -> Result<Position> {
        caller.may(Operation::List)?;
        self.directory.dump(sink).await
    }

    /// What lookups on this node show, once it is known; whoever waits for news needs no more than this to know that there
    /// are none.
    pub fn shown(&self) -> Option<Position> {
        self.published.position()
    }

    /// Whether what lookups show is all that there is, as far as anybody knows.
    pub fn shows_all(&self) -> bool {
        self.published.trouble().is_none()
    }

    /// Returns when lookups show something else than this.
    pub async fn shows_another(&self, shown: Option<&Position>) {
        self.published.leaves(shown).await;
    }
}
