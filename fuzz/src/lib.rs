//! What the targets share. The NSS module shows nothing but what glibc calls, with the system's paths compiled in;
//! so its pages stand here a second time, word for word, and the targets can hand them what they like.

#[path = "../../nss-module/src/answer.rs"]
pub mod answer;
#[path = "../../nss-module/src/fill.rs"]
pub mod fill;
#[path = "../../nss-module/src/initgroups.rs"]
pub mod initgroups;
#[path = "../../nss-module/src/lock.rs"]
pub mod lock;
#[path = "../../nss-module/src/lookup.rs"]
pub mod lookup;
#[path = "../../nss-module/src/paths.rs"]
pub mod paths;
#[path = "../../nss-module/src/process.rs"]
pub mod process;
#[path = "../../nss-module/src/ranges.rs"]
pub mod ranges;
#[path = "../../nss-module/src/resolve.rs"]
pub mod resolve;

pub mod accounts;
pub mod filled;
