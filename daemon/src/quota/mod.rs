//! Quotas, as arithmetic: what policies come to for somebody, what the kernel would have to be told for it, and what people are
//! told. Who is who, where policies are kept and how the kernel is reached are not known here.
//!
//! A policy speaks of some fields and leaves others to whoever is less particular: the defaults of the node, then groups, then
//! the user.

mod disk;
mod field;
mod limit;
mod merge;
mod plan;
mod policy;
mod usage;

pub use disk::{Disk, MountPoint, QuotaKind};
pub use field::{Field, Unit};
pub use limit::{Limit, approximately};
pub use merge::{Effective, Merged, Said, Source, merge};
pub use plan::{Change, plan};
pub use policy::{Limits, Policy};
pub use usage::{permille_used, warning};

#[cfg(test)]
mod tests;
