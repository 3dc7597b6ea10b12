//! A whole directory as lines, and back, with no more in memory than a page: the beginning, users, groups with their
//! members, the position.

use identity::{Name, Uid};

use super::cursor::At;
use super::parse;
use super::record::Line;
use crate::directory::{Counts, Error, Member, Position, Result, Sink, Team};

/// Members in one line: a group of 100 000 is many short lines.
const MEMBERS_A_LINE: usize = 5_000;

/// Records that are passed on at a time: some megabytes, for which a database needs half the time that it needs for ten
/// times as many pages.
const PAGE: usize = 5_000;

/// The first line.
pub fn encode_begin(position: &Position, counts: Counts) -> Vec<u8> {
    let mut out = Vec::new();
    Line::Begin { at: At::from(position), counts: counts.into() }.write(&mut out);
    out
}

/// The lines of some users.
pub fn encode_users(users: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    users.iter().for_each(|user| Line::User(Box::new(user.into())).write(&mut out));
    out
}

/// The lines of one group.
pub fn encode_group(team: &Team, members: &[(Name, Uid)]) -> Vec<u8> {
    let mut out = Vec::new();
    Line::Group(team.into()).write(&mut out);
    for some in members.chunks(MEMBERS_A_LINE) {
        let some = some.iter().map(|(name, uid)| (name.to_string(), uid.0)).collect();
        Line::Members(some).write(&mut out);
    }
    out
}

/// Passes what arrives on to a sink.
pub struct Receiver<'a, S> {
    sink: &'a mut S,
    began: Option<(Position, Counts)>,
    users: Vec<Member>,
    groups: Vec<(Team, Vec<(Name, Uid)>)>,
    received: Counts,
    ended: bool,
}

impl<'a, S: Sink> Receiver<'a, S> {
    /// Receives into this sink.
    pub fn new(sink: &'a mut S) -> Self {
        let (users, groups) = (Vec::new(), Vec::new());
        Self { sink, began: None, users, groups, received: Counts::default(), ended: false }
    }

    /// Takes the next line.
    pub async fn take(&mut self, line: Line) -> Result<()> {
        if self.ended || self.began.is_none() != matches!(line, Line::Begin { .. }) {
            return Err(out_of_order());
        }
        match line {
            Line::Begin { at, counts } => {
                let (position, counts) = (at.position()?, counts.into());
                self.sink.begin(&position, counts).await?;
                self.began = Some((position, counts));
            }
            Line::User(user) if self.received.groups == 0 => {
                self.received.users += 1;
                self.users.push(user.member()?);
                if self.users.len() >= PAGE {
                    self.sink.users(std::mem::take(&mut self.users)).await?;
                }
            }
            Line::Group(group) => {
                if self.groups.len() >= PAGE || !self.users.is_empty() {
                    self.pass_on().await?;
                }
                self.received.groups += 1;
                self.groups.push((group.team()?, Vec::new()));
            }
            Line::Members(members) => self.members(&members)?,
            Line::Position(at) => {
                self.pass_on().await?;
                self.ended = true;
                let is_the_same =
                    self.began.as_ref().is_some_and(|began| Ok(&began.0) == at.position().as_ref());
                if !is_the_same {
                    return Err(out_of_order());
                }
            }
            _ => return Err(out_of_order()),
        }
        Ok(())
    }

    fn members(&mut self, members: &[(String, u32)]) -> Result<()> {
        let (_, own) = self.groups.last_mut().ok_or_else(out_of_order)?;
        self.received.members += members.len() as u64;
        for (name, uid) in members {
            own.push((parse("members", name)?, Uid(*uid)));
        }
        Ok(())
    }

    /// The users that are left are passed on before any group.
    async fn pass_on(&mut self) -> Result<()> {
        if !self.users.is_empty() {
            self.sink.users(std::mem::take(&mut self.users)).await?;
        }
        if !self.groups.is_empty() {
            self.sink.groups(std::mem::take(&mut self.groups)).await?;
        }
        Ok(())
    }

    /// The directory's position, if all that was announced has come.
    pub fn finish(self) -> Result<Position> {
        let (position, counts) = self.began.filter(|_| self.ended).ok_or_else(cut_off)?;
        if counts != self.received {
            return Err(Error::Failed(format!(
                "of {} users and {} groups with {} members, {}, {} and {} came",
                counts.users,
                counts.groups,
                counts.members,
                self.received.users,
                self.received.groups,
                self.received.members
            )));
        }
        Ok(position)
    }
}

fn out_of_order() -> Error {
    Error::Failed("the lines of a whole directory came in another order than a Pody service has".into())
}

/// What ends before its last line counts for nothing.
pub(super) fn cut_off() -> Error {
    Error::Away("the connection ended in the middle of an answer".into())
}
