//! Who uses how much of this node's filesystems.

use std::cmp::Reverse;
use std::collections::HashMap;

use identity::Name;
use quotactl::Quota;

use super::{Finding, kernel};
use crate::directory::{Directory, Error, Result};
use crate::quota::{Disk, permille_used};
use crate::service::{Caller, Operation, Service};

/// What somebody uses of a filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Who.
    pub name: Name,
    /// Where.
    pub filesystem: Disk,
    /// How much, and how much is allowed.
    pub quota: Quota,
    /// How much of what is nearest to its limit is used, in thousandths; none: there is no limit.
    pub permille: Option<u64>,
}

impl<D: Directory> Service<D> {
    /// Everybody's usage, whoever is nearest to a limit first, and what keeps limits from being in force. Whoever has nothing
    /// and no limit is left out.
    pub async fn report_quotas(
        &self,
        caller: &Caller,
        filesystem: Option<&Disk>,
    ) -> Result<(Vec<Usage>, Vec<Finding>)> {
        caller.may(Operation::Quotas)?;
        let settings = self.current_settings();
        let picture = self.quota_picture(&settings.quota).await?;
        let meant = |disk| {
            let none =
                || Error::NotFound(format!("{disk} is no [[quota.filesystem]] of /etc/pody/config.toml"));
            settings.quota.meant_by(disk).ok_or_else(none)
        };
        let wanted = filesystem.map(meant).transpose()?;
        let people = self.everybody_limited(&picture).await?;
        let names: HashMap<u32, Name> =
            people.iter().filter_map(|(person, _)| Some((person.uid, person.name?))).collect();
        let (mut usage, mut findings) = (Vec::new(), Vec::new());
        let records = kernel::filesystems(&self.helper).await?;
        for path in picture.filesystems().filter(|disk| wanted.as_ref().is_none_or(|wanted| wanted == *disk))
        {
            let record = records.iter().find(|record| record.path == path.to_string());
            kernel::object(record, &mut findings);
            if record.is_none_or(|record| !record.counts) {
                continue;
            }
            let quotas = kernel::read_all(&self.helper, path).await?;
            usage.extend(quotas.into_iter().filter_map(|quota| {
                let (name, permille) = (*names.get(&quota.id)?, permille_used(&quota));
                let is_something = quota.bytes > 0 || quota.inodes > 0 || permille.is_some();
                is_something.then(|| Usage { name, filesystem: path.clone(), quota, permille })
            }));
        }
        usage.sort_by_key(|one| (Reverse(one.permille), Reverse(one.quota.bytes), one.name));
        Ok((usage, findings))
    }
}
