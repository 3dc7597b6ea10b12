//! Who uses how much of this node's filesystems.

use std::cmp::Reverse;
use std::collections::HashMap;

use identity::Name;
use quotactl::Quota;

use super::{Finding, kernel};
use crate::directory::{Directory, Error, Result};
use crate::quota::{MountPoint, permille_used};
use crate::service::{Caller, Operation, Service};

/// What somebody uses of a filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Who.
    pub name: Name,
    /// Where.
    pub filesystem: MountPoint,
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
        filesystem: Option<&MountPoint>,
    ) -> Result<(Vec<Usage>, Vec<Finding>)> {
        caller.may(Operation::Quotas)?;
        let settings = self.current_settings();
        let picture = self.quota_picture(&settings.quota).await?;
        if let Some(path) = filesystem.filter(|path| settings.quota.filesystem(path).is_none()) {
            return Err(Error::NotFound(format!(
                "{path} is no [[quota.filesystem]] of /etc/pody/config.toml"
            )));
        }
        let people = self.everybody_limited(&picture).await?;
        let names: HashMap<u32, Name> =
            people.iter().filter_map(|(person, _)| Some((person.uid, person.name?))).collect();
        let (mut usage, mut findings) = (Vec::new(), Vec::new());
        let records = kernel::filesystems(&self.helper).await?;
        for path in picture.filesystems().filter(|path| filesystem.is_none_or(|wanted| wanted == *path)) {
            let record = records.iter().find(|record| record.path == path.as_str());
            findings.extend(record.and_then(kernel::objection));
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
