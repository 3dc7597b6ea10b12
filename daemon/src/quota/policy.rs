//! What an admin says about somebody: limits for some fields, and for the filesystems of this node each some.

use std::collections::BTreeMap;

use super::{Disk, Field, Limit};

/// A limit for each of the fields that are spoken of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits([Option<Limit>; Field::COUNT]);

/// Everything that is said in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What is about the node as a whole.
    pub node: Limits,
    /// What is about filesystems.
    pub filesystems: BTreeMap<Disk, Limits>,
}

impl Limits {
    /// What is said of a field.
    pub fn get(&self, field: Field) -> Option<Limit> {
        self.0[field as usize]
    }

    /// Says something of a field, or nothing any more.
    pub fn set(&mut self, field: Field, limit: Option<Limit>) {
        self.0[field as usize] = limit;
    }

    /// All that is said.
    pub fn iter(&self) -> impl Iterator<Item = (Field, Limit)> {
        Field::ALL.into_iter().filter_map(|field| Some((field, self.get(field)?)))
    }

    /// These, and what `general` says beside them.
    pub fn or(&self, general: &Self) -> Self {
        let mut limits = *self;
        general.iter().filter(|(field, _)| self.get(*field).is_none()).for_each(|(field, limit)| {
            limits.set(field, Some(limit));
        });
        limits
    }

    /// Whether each lower limit is below the one that belongs to it; if not, a sentence that says which is not.
    pub fn are_in_order(&self) -> Result<(), String> {
        let wrong = Field::PAIRS.into_iter().find(|(lower, upper)| {
            let numbers =
                (self.get(*lower).and_then(Limit::number), self.get(*upper).and_then(Limit::number));
            matches!(numbers, (Some(lower), Some(upper)) if lower > upper)
        });
        match wrong {
            Some((lower, upper)) => Err(format!("{lower} is above {upper}: exchange them, or leave one out")),
            None => Ok(()),
        }
    }
}

impl Policy {
    /// What a node says of everybody: one set of limits, and for each of its filesystems what is different there.
    pub fn of_node<'a>(general: &Limits, filesystems: impl IntoIterator<Item = (Disk, &'a Limits)>) -> Self {
        let (mut node, mut of_disk) = (Limits::default(), Limits::default());
        for (field, limit) in general.iter() {
            let part = if field.is_of_filesystem() { &mut of_disk } else { &mut node };
            part.set(field, Some(limit));
        }
        let filesystems = filesystems.into_iter().map(|(disk, own)| (disk, own.or(&of_disk)));
        Self { node, filesystems: filesystems.collect() }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.node.iter().next().is_none()
            && self.filesystems.values().all(|limits| limits.iter().next().is_none())
    }

    /// What is said of a field, of that filesystem where it is about one.
    pub fn get(&self, field: Field, filesystem: Option<&Disk>) -> Option<Limit> {
        match filesystem {
            Some(path) => self.filesystems.get(path)?.get(field),
            None => self.node.get(field),
        }
    }

    /// Says something of a field, or nothing any more.
    pub fn set(&mut self, field: Field, filesystem: Option<&Disk>, limit: Option<Limit>) {
        match filesystem {
            Some(path) => self.filesystems.entry(path.clone()).or_default().set(field, limit),
            None => self.node.set(field, limit),
        }
    }

    /// All that is said, and of which filesystem.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&Disk>, Field, Limit)> {
        let of_filesystems = self
            .filesystems
            .iter()
            .flat_map(|(path, limits)| limits.iter().map(move |(field, limit)| (Some(path), field, limit)));
        of_filesystems.chain(self.node.iter().map(|(field, limit)| (None, field, limit)))
    }
}
