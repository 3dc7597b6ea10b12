//! Where a directory stands, as text: `EPOCH.REVISION.STAMP`. Whoever follows keeps it and gives it back, and reads nothing
//! out of it.

use serde::{Deserialize, Serialize};

use crate::directory::{Counts, Error, Position, Result};

/// The longest epoch: a UUID has 36 characters.
const MAX_EPOCH_BYTES: usize = 64;

/// A position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// The cursor.
    pub cursor: String,
    /// When the revision was given, in milliseconds since 1970 by the clock of whoever gave it.
    pub committed_at: i64,
}

/// The answer to `GET /v1/position`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionReply {
    /// Where the directory stands.
    #[serde(flatten)]
    pub at: At,
    /// How much it holds, if that was asked for.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<CountsBody>,
}

/// How much a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsBody {
    /// Users.
    pub users: u64,
    /// Groups, private ones included.
    pub groups: u64,
    /// Memberships.
    pub members: u64,
}

impl From<&Position> for At {
    fn from(position: &Position) -> Self {
        Self { cursor: cursor(position), committed_at: position.committed_at }
    }
}

impl At {
    /// The position.
    pub fn position(&self) -> Result<Position> {
        Ok(Position { committed_at: self.committed_at, ..parse_cursor(&self.cursor)? })
    }
}

impl PositionReply {
    /// The answer for this position.
    pub fn new(position: &Position, counts: Option<Counts>) -> Self {
        Self { at: position.into(), counts: counts.map(CountsBody::from) }
    }
}

impl From<Counts> for CountsBody {
    fn from(Counts { users, groups, members }: Counts) -> Self {
        Self { users, groups, members }
    }
}

impl From<CountsBody> for Counts {
    fn from(CountsBody { users, groups, members }: CountsBody) -> Self {
        Self { users, groups, members }
    }
}

/// The text of a position.
pub fn cursor(Position { epoch, revision, stamp, .. }: &Position) -> String {
    format!("{epoch}.{revision}.{stamp}")
}

/// The position of such a text; nobody knows when it was committed.
pub fn parse_cursor(text: &str) -> Result<Position> {
    let wrong = || Error::invalid("since", "it is no cursor of a Pody service");
    let mut parts = text.rsplitn(3, '.');
    let (Some(stamp), Some(revision), Some(epoch)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let is_epoch = epoch.len() <= MAX_EPOCH_BYTES
        && epoch.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let (revision, stamp) = (revision.parse(), stamp.parse());
    let (Ok(revision), Ok(stamp), true) = (revision, stamp, is_epoch) else { return Err(wrong()) };
    Ok(Position { epoch: epoch.to_owned(), revision, stamp, committed_at: 0 })
}
