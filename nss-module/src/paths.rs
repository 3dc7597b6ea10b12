//! The paths that are compiled in. There is no override: this code runs in set-uid programs.

use core::ffi::CStr;

use snapshot::Places;

/// Where the snapshot is.
pub const SNAPSHOT: Places<'static> = Places::SYSTEM;
/// Which ids this node accepts from podyd; owned by root.
pub const ID_RANGES: &CStr = c"/etc/pody/id-ranges";
/// This node's own users.
pub const PASSWD: &CStr = c"/etc/passwd";
/// This node's own groups.
pub const GROUP: &CStr = c"/etc/group";
/// podyd's socket for names that may be provisioned by the login in progress.
pub const RESOLVE: &CStr = c"/run/pody/resolve";
