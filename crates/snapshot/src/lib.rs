//! The snapshot: every account of this node in a few read-only files that any process may map.
//!
//! [`layout`] is the specification of the files. What reads them ([`View`], [`AccountView`],
//! [`Loaded`]) allocates nothing, panics nowhere and trusts no byte: it is what `libnss_pody` and
//! `pam_pody` carry into other people's processes. What writes them ([`BaseEncoder`],
//! [`DeltaEncoder`], [`Publisher`]) stands behind the feature `std` and belongs to podyd.
//!
//! Nothing here decides who may have an account, and nothing here asks anybody: a lookup is memory.
#![cfg_attr(not(any(test, feature = "std")), no_std)]

pub mod layout;

mod account;
mod file;
mod hash;
mod load;
mod map;
mod page;
mod place;
mod trouble;
mod view;
mod word;

pub use account::{AccountRecord, AccountView};
pub use file::{SnapshotBytes, Unusable, UserRecord};
pub use load::{Loaded, LoadedAccounts, MappedFile, Source, current_path};
pub use map::{Identity, Trust, identify, read_in_chunks, read_small};
pub use page::{GenerationPage, PAGE_BYTES, page_path};
pub use place::{PathBuffer, Places};
pub use trouble::Trouble;
pub use view::{GroupMembers, GroupRecord, Groups, Names, View};
pub use word::Generation;

#[cfg(any(test, feature = "std"))]
mod encode;
#[cfg(any(test, feature = "std"))]
mod publish;
#[cfg(any(test, feature = "std"))]
pub use encode::{Account, BaseEncoder, DeltaEncoder, EncodeError, Encoded, GroupPatch, Info, UserEntry};
#[cfg(any(test, feature = "std"))]
pub use publish::{PublishError, Publisher, ReservedBase, WrittenBase};

#[cfg(test)]
mod tests;
