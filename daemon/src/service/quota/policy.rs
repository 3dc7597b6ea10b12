//! What an admin says of a user's or a group's limits. It hangs on who they are: somebody new of the same name has none of it.

use std::collections::BTreeSet;
use std::fmt;

use identity::Name;
use quotactl::Quota;
use tokio::time::Instant;

use super::{Person, Round, Shown, kernel};
use crate::config;
use crate::directory::{Directory, Error, Key, Member, Result, Team};
use crate::quota::{Change, Disk, Field, Limit, Limits, Policy};
use crate::service::{Caller, Operation, Service};
use crate::store::{PolicyOwner, Statement};

/// Of whom something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A user.
    User(Name),
    /// A group, and so everybody in it.
    Group(Name),
    /// Everybody: that is for the configuration to say.
    Everybody,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Everybody => f.write_str("everybody"),
        }
    }
}

/// What is said.
#[derive(Clone, Debug)]
pub struct PolicyChange {
    /// Of whom.
    pub subject: Subject,
    /// Where, for fields that are about filesystems; none: on the one that there is.
    pub filesystem: Option<Disk>,
    /// What; nothing of a field: what was said is forgotten.
    pub limits: Vec<(Field, Option<Limit>)>,
    /// Whether all else that was said is forgotten.
    pub only: bool,
}

/// What came of putting somebody's limits right.
#[derive(Debug, Default)]
pub(super) struct Limited {
    /// What the kernel knows of them now, by filesystem.
    pub(super) found: Vec<(Disk, Quota)>,
    /// Why limits are not set that should be.
    pub(super) trouble: Vec<Trouble>,
}

/// Why somebody is not limited somewhere.
#[derive(Debug)]
pub(super) struct Trouble {
    /// On which filesystem; none: by systemd.
    pub(super) place: Option<Disk>,
    /// Why.
    pub(super) error: Error,
}

impl Trouble {
    /// Whether nobody is limited there.
    pub(super) fn is_everybodys(&self) -> bool {
        matches!(self.error, Error::NotFound(_) | Error::Conflict(_) | Error::Away(_) | Error::Busy(_))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            // Of a filesystem, whoever has found it so says which.
            Some(_) => self.error.fmt(f),
            None => write!(f, "memory, processors and tasks: {}", self.error),
        }
    }
}

impl<D: Directory> Service<D> {
    /// Says something of limits, and has it in force when this returns.
    pub async fn set_policy(&self, caller: &Caller, change: PolicyChange) -> Result<Shown> {
        caller.may(Operation::Quotas)?;
        let settings = self.current_settings();
        let (owner, member) = self.policy_owner(change.subject).await?;
        let statements = statements(&change, &settings.quota)?;
        let mut policy = match change.only {
            true => Policy::default(),
            false => self.node.policies().await?.remove(&owner).unwrap_or_default(),
        };
        for (filesystem, field, limit) in &statements {
            policy.set(*field, filesystem.as_ref(), *limit);
        }
        (policy.filesystems.values().chain([&policy.node]))
            .try_for_each(Limits::are_in_order)
            .map_err(|why| Error::invalid("limits", why))?;
        self.node.state_policy(&owner, &statements, change.only).await?;
        tracing::info!(subject = %change.subject, by = %caller, "what is said of quotas has changed");
        // It is kept in any case, and in force as soon as it can be.
        let said = Instant::now();
        let (of, outcome) = match member {
            Some(member) => ("user", self.limit_member(&member).await.map(|limited| limited.trouble)),
            None => ("group", self.reconcile_quotas(Round::Quick).await.map(|_| Vec::new())),
        };
        let trouble = outcome.unwrap_or_else(|error| vec![Trouble { place: None, error }]);
        // What is not in force for others is no matter of one user.
        if trouble.is_empty() && (of == "user" || self.quotas.findings().is_empty()) {
            self.metrics.quota_in_force(of, said.elapsed());
        }
        let mut shown = self.show_quotas(caller, change.subject).await?;
        if matches!(change.subject, Subject::User(_)) {
            // What else is not in force on this machine has nothing to do with what was asked for.
            shown.findings.clear();
        }
        let touches = |one: &Trouble| change.only || is_about(&statements, one.place.as_ref());
        for one in trouble.iter().filter(|one| touches(one)) {
            let not_yet = (format!("this is not in force yet: {one}"), "see: podyctl quota check".into());
            // A helper that is away is away on each filesystem.
            if !shown.findings.contains(&not_yet) {
                shown.findings.push(not_yet);
            }
        }
        Ok(shown)
    }

    async fn policy_owner(&self, subject: Subject) -> Result<(PolicyOwner, Option<Member>)> {
        match subject {
            Subject::User(name) => {
                let found = self.user_with_quotas(name).await?;
                let (uuid, id) = (found.user.uuid.clone(), found.user.uid.0);
                Ok((PolicyOwner { uuid, is_group: false, id }, Some(found)))
            }
            Subject::Group(name) => {
                let Team { group, .. } = self.group_with_quotas(name).await?;
                Ok((PolicyOwner { uuid: group.uuid, is_group: true, id: group.gid.0 }, None))
            }
            Subject::Everybody => Err(Error::invalid(
                "subject",
                "name a user or a group: what holds for everybody stands in [quota.default] of /etc/pody/config.toml",
            )),
        }
    }

    /// The user of this name. Where there is only a group, whoever asks has forgotten to say so.
    pub(super) async fn user_with_quotas(&self, name: Name) -> Result<Member> {
        match self.directory.user(Key::Name(name)).await? {
            Some(member) => Ok(member),
            None if self.directory.group(Key::Name(name)).await?.is_some() => {
                Err(Error::NotFound(format!("there is no user {name}, but a group: say --group")))
            }
            None => Err(Error::no_user(name)),
        }
    }

    /// The group of this name, which is not that of one user.
    pub(super) async fn group_with_quotas(&self, name: Name) -> Result<Team> {
        let found = self.directory.group(Key::Name(name)).await?.ok_or_else(|| Error::no_group(name))?;
        if found.private_of.is_some() {
            let why = format!("{name} is the private group of a user: leave out --group");
            return Err(Error::invalid("group", why));
        }
        Ok(found)
    }

    /// Puts the limits of one user right, and returns what the kernel knows of each filesystem. One that fails does not keep
    /// the others from it.
    pub(super) async fn limit_member(&self, member: &Member) -> Result<Limited> {
        let _turn = self.quotas.turn.lock().await;
        let settings = self.current_settings();
        let picture = self.quota_picture(&settings.quota).await?;
        let held = self.node.held().await?;
        let mut limited = Limited::default();
        if picture.is_empty() && !held.contains_key(&member.user.uid.0) {
            return Ok(limited);
        }
        let people = [(Person::of(member), picture.of(member))];
        self.note_whose_limits_are_set(&held, &people).await?;
        let [(person, merged)] = people;
        let on_disks = async {
            for (path, limits) in picture.filesystems().zip(&merged.filesystems) {
                match self.limit_on(path, person.uid, limits.of_kernel()).await {
                    Ok(quota) => limited.found.push((path.clone(), quota)),
                    Err(error) => limited.trouble.push(Trouble { place: Some(path.clone()), error }),
                }
            }
        };
        // A disk that hangs keeps nobody from being limited by systemd.
        let ((), by_systemd) =
            tokio::join!(on_disks, self.limit_slice(held.get(&person.uid), &person, &merged));
        limited.trouble.extend(by_systemd.err().map(|error| Trouble { place: None, error }));
        Ok(limited)
    }

    async fn limit_on(&self, path: &Disk, uid: u32, to: quotactl::Limits) -> Result<Quota> {
        let mut quota = kernel::read_one(&self.helper, path, uid).await?;
        if quota.limits != to {
            let change = Change { id: uid, from: quota.limits, to };
            if let Some(failed) = kernel::set(&self.helper, path, &[change]).await?.into_iter().next() {
                return Err(Error::Failed(format!("{path}: {}", failed.why)));
            }
            self.metrics.quotas_changed(false, 1);
            quota = kernel::read_one(&self.helper, path, uid).await?;
        }
        self.settled(path, [(uid, to)].into_iter());
        Ok(quota)
    }
}

/// Whether anything of this is about that filesystem or, without one, about what systemd limits.
fn is_about(statements: &[Statement], place: Option<&Disk>) -> bool {
    statements.iter().any(|(filesystem, field, _)| filesystem.as_ref() == place && *field != Field::Sessions)
}

/// Which filesystem each field is about.
fn statements(change: &PolicyChange, quota: &config::Quota) -> Result<Vec<Statement>> {
    let of_filesystem = || match (&change.filesystem, quota.filesystems.as_slice()) {
        (Some(disk), _) => quota.meant_by(disk).ok_or_else(|| {
            let why =
                format!("{disk} is no [[quota.filesystem]] of /etc/pody/config.toml: add it there first");
            Error::invalid("filesystem", why)
        }),
        (None, [one]) => Ok(one.disk()),
        (None, []) => Err(Error::invalid(
            "filesystem",
            "there is no [[quota.filesystem]] in /etc/pody/config.toml: say there which filesystem has quotas",
        )),
        (None, several) => {
            let names: Vec<String> = several.iter().map(|one| one.disk().to_string()).collect();
            Err(Error::invalid("filesystem", format!("which one? There are {}", names.join(", "))))
        }
    };
    let statement = |(field, limit): &(Field, Option<Limit>)| {
        let filesystem = field.is_of_filesystem().then(of_filesystem).transpose()?;
        Ok((filesystem, *field, *limit))
    };
    let mut named = BTreeSet::new();
    if let Some((field, _)) = change.limits.iter().find(|(field, _)| !named.insert(*field)) {
        return Err(Error::invalid("limits", format!("{field} is named twice: leave one out")));
    }
    change.limits.iter().map(statement).collect()
}
