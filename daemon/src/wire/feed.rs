//! A stretch of the change feed as lines, and back.

use std::collections::BTreeSet;

use super::cursor::At;
use super::record::{Changed, Line};
use crate::directory::{Change, Error, Feed, Position, Present, Result};

/// The lines of a stretch of the feed.
pub fn encode_feed(changes: &BTreeSet<Change>, present: &Present, position: &Position) -> Vec<u8> {
    let mut out = Vec::new();
    let Present { users, gone_users, groups, gone_groups } = present;
    changes.iter().for_each(|change| Line::Changed(Changed::from(change)).write(&mut out));
    gone_users.iter().for_each(|gone| Line::GoneUser(gone.into()).write(&mut out));
    gone_groups.iter().for_each(|gone| Line::GoneGroup(gone.into()).write(&mut out));
    users.iter().for_each(|user| Line::User(Box::new(user.into())).write(&mut out));
    groups.iter().for_each(|group| Line::Group(group.into()).write(&mut out));
    out.extend(encode_position(position));
    out
}

/// The lines of a stretch in which nothing has changed.
pub fn encode_position(position: &Position) -> Vec<u8> {
    let mut out = Vec::new();
    Line::Position(At::from(position)).write(&mut out);
    out
}

/// What has come of a stretch so far.
#[derive(Debug, Default)]
pub struct Collected {
    changes: BTreeSet<Change>,
    present: Present,
    position: Option<Position>,
}

impl Collected {
    /// Takes the next line.
    pub fn take(&mut self, line: Line) -> Result<()> {
        if self.position.is_some() {
            return Err(Error::Failed("something came after the end of the changes".into()));
        }
        match line {
            Line::Changed(changed) => drop(self.changes.insert(changed.into())),
            Line::User(user) => self.present.users.push(user.member()?),
            Line::GoneUser(gone) => self.present.gone_users.push(gone.tombstone()?),
            Line::Group(group) => self.present.groups.push(group.team()?),
            Line::GoneGroup(gone) => self.present.gone_groups.push(gone.tombstone()?),
            Line::Position(at) => self.position = Some(at.position()?),
            Line::Begin { .. } | Line::Members(_) => {
                return Err(Error::Failed("a whole directory came instead of changes".into()));
            }
        }
        Ok(())
    }

    /// The stretch, if it has come to its end.
    pub fn finish(self) -> Result<Feed> {
        let Self { changes, present, position } = self;
        let position = position.ok_or_else(super::dump::cut_off)?;
        Ok(Feed::Changes { changes, present, position })
    }
}
