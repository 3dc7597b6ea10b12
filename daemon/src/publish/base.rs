//! A whole directory into a base snapshot, and a base snapshot read back.

use std::collections::HashSet;

use identity::{Gid, Group, Name, Uid};
use snapshot::{BaseEncoder, EncodeError, Encoded, Info, View};

use super::model::{Base, entry};
use super::refused::Refused;
use crate::config::Settings;
use crate::directory::{Counts, Error, Member, Position, Result, Rules, Sink, Team};

/// Takes a dump of the directory and leaves out what this node does not serve.
pub struct BaseBuilder<'a> {
    rules: &'a Rules,
    refused: &'a Refused,
    enumerate_up_to: u64,
    complete: bool,
    seed: u64,
    encoder: Option<BaseEncoder>,
    hidden_uids: HashSet<Uid>,
    hidden: Vec<String>,
}

impl<'a> BaseBuilder<'a> {
    /// Begins a base. The seed is random; enumeration is for directories of at most so many users and groups.
    pub fn new(rules: &'a Rules, settings: &Settings, refused: &'a Refused, seed: u64) -> Self {
        Self {
            rules,
            refused,
            enumerate_up_to: settings.nss.enumerate_up_to.into(),
            complete: !settings.users_may_arrive(),
            seed,
            encoder: None,
            hidden_uids: HashSet::new(),
            hidden: Vec::new(),
        }
    }

    /// The base, and who was left out of it and why.
    pub fn finish(self) -> Result<(Encoded, Vec<String>)> {
        let encoder = self.encoder.ok_or_else(|| Error::Failed("the directory gave nothing".into()))?;
        Ok((encoder.finish().map_err(encoding)?, self.hidden))
    }

    fn user(&mut self, Member { user, groups, .. }: &Member) -> Result<()> {
        if let Some(objection) = self.rules.objection_to_user(user.name, user.uid, user.gid) {
            self.hidden_uids.insert(user.uid);
            self.hidden.push(format!("user {}: {objection}", user.name));
            return Ok(());
        }
        let served =
            |(gid, name): &(Gid, Name)| self.rules.objection_to_group(*name, *gid).is_none().then_some(*gid);
        let gids: Vec<Gid> = groups.iter().filter_map(served).collect();
        self.encoder()?.user(&entry(user, &gids)).map_err(encoding)
    }

    fn group(&mut self, group: &Group, members: Vec<(Name, Uid)>) -> Result<()> {
        if let Some(objection) = self.rules.objection_to_group(group.name, group.gid) {
            self.hidden.push(format!("group {}: {objection}", group.name));
            return Ok(());
        }
        let served = members.into_iter().filter(|(_, uid)| !self.hidden_uids.contains(uid));
        let served: Vec<Name> = served.map(|(name, _)| name).collect();
        self.encoder()?.group(group.name, group.gid, served).map_err(encoding)
    }

    fn encoder(&mut self) -> Result<&mut BaseEncoder> {
        self.encoder
            .as_mut()
            .ok_or_else(|| Error::Failed("the directory gave records before its size".into()))
    }
}

impl Sink for BaseBuilder<'_> {
    async fn begin(&mut self, position: &Position, counts: Counts) -> Result<()> {
        self.encoder = Some(BaseEncoder::new(Info {
            revision: position.revision,
            seed: self.seed,
            complete: self.complete,
            enumerable: counts.users.max(counts.groups) <= self.enumerate_up_to,
        }));
        Ok(())
    }

    async fn users(&mut self, page: Vec<Member>) -> Result<()> {
        page.into_iter().try_for_each(|member| self.user(&self.refused.shown(member)))
    }

    async fn groups(&mut self, page: Vec<(Team, Vec<(Name, Uid)>)>) -> Result<()> {
        page.into_iter().try_for_each(|(team, members)| self.group(&team.group, members))
    }
}

/// An account that cannot be encoded was not checked at the door: our fault.
pub fn encoding(error: EncodeError) -> Error {
    Error::Failed(error.to_string())
}

impl Base for View<'_> {
    fn user(&self, uid: Uid) -> Option<(Name, Vec<Gid>)> {
        let user = self.user_by_uid(uid).ok().flatten()?;
        let name = Name::new(user.name()).ok()?;
        let gids = self.groups_of(name.as_bytes()).ok().flatten()?.filter_map(|gid| gid.ok()).collect();
        Some((name, gids))
    }

    fn has_user(&self, name: Name) -> bool {
        !matches!(self.user_by_name(name.as_bytes()), Ok(None))
    }

    fn group(&self, gid: Gid) -> Option<Name> {
        Name::new(self.group_by_gid(gid).ok().flatten()?.name()).ok()
    }
}
