//! What several policies come to for one user: field by field, the most particular one that says anything wins.

use identity::Name;
use quotactl::Limits as OfKernel;

use super::{Field, Limit, Limits, Policy};

/// Where a limit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The node's configuration.
    Default,
    /// The policy of a group that the user is in.
    Group(Name),
    /// The user's own policy.
    User,
}

/// A limit and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// How much.
    pub limit: Limit,
    /// Who says so.
    pub source: Source,
}

/// What holds for somebody in one place: a filesystem, or the node as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effective([Option<Said>; Field::COUNT]);

/// What holds for somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// On the node as a whole.
    pub node: Effective,
    /// On its filesystems, in the order of the default policy's.
    pub filesystems: Vec<Effective>,
}

/// What holds for a user of these groups. Of several groups that speak of a field, the most generous is right. Filesystems
/// that the default policy does not know are none of this node's.
#[must_use]
pub fn merge(default: &Policy, groups: &[(Name, &Policy)], user: Option<&Policy>) -> Merged {
    let of_groups = |pick: &dyn Fn(&Policy) -> Option<Limits>| -> Vec<(Name, Limits)> {
        groups.iter().filter_map(|(name, policy)| Some((*name, pick(policy)?))).collect()
    };
    let node = Effective::of(
        &default.node,
        &of_groups(&|policy| Some(policy.node)),
        user.map(|user| user.node).unwrap_or_default(),
    );
    let on = |(path, default)| {
        let own = user.and_then(|user| user.filesystems.get(path)).copied().unwrap_or_default();
        Effective::of(default, &of_groups(&|policy| policy.filesystems.get(path).copied()), own)
    };
    Merged { node, filesystems: default.filesystems.iter().map(on).collect() }
}

impl Effective {
    fn of(default: &Limits, groups: &[(Name, Limits)], user: Limits) -> Self {
        let mut effective = Self(Field::ALL.map(|field| {
            let said = |limit, source| Said { limit, source };
            let own = || Some(said(user.get(field)?, Source::User));
            let of_group =
                |(name, limits): &(Name, Limits)| Some(said(limits.get(field)?, Source::Group(*name)));
            // The first of two groups that say the same, in the order in which they come.
            let of_groups = || groups.iter().rev().filter_map(of_group).max_by_key(|said| said.limit);
            let default = || Some(said(default.get(field)?, Source::Default));
            own().or_else(of_groups).or_else(default)
        }));
        effective.put_in_order();
        effective
    }

    /// A lower limit of one policy may be above the upper one of another: then that one is both.
    fn put_in_order(&mut self) {
        for (lower, upper) in Field::PAIRS {
            let (Some(low), Some(high)) = (self.number(lower), self.number(upper)) else { continue };
            if low > high {
                self.0[lower as usize] = self.0[upper as usize];
            }
        }
    }

    /// What holds for a field, and who says so.
    pub fn get(&self, field: Field) -> Option<Said> {
        self.0[field as usize]
    }

    /// The number that a field is limited to, if it is.
    pub fn number(&self, field: Field) -> Option<u64> {
        self.get(field)?.limit.number()
    }

    /// As the kernel counts: in KiB, a part of one for a whole, and 0 for no limit.
    pub fn of_kernel(&self) -> OfKernel {
        let number = |field| self.number(field).unwrap_or(0);
        OfKernel {
            soft_kib: number(Field::BlocksSoft).div_ceil(1024),
            hard_kib: number(Field::BlocksHard).div_ceil(1024),
            soft_inodes: number(Field::InodesSoft),
            hard_inodes: number(Field::InodesHard),
        }
    }
}
