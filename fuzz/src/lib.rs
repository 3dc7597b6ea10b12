//! What the targets share. The NSS module shows nothing but what glibc calls, with the system's paths compiled in;
//! so some of its pages stand here a second time, word for word, and the targets can hand them what they like.

#[path = "../../nss-module/src/answer.rs"]
pub mod answer;
#[path = "../../nss-module/src/fill.rs"]
pub mod fill;
#[path = "../../nss-module/src/resolve.rs"]
pub mod resolve;

pub mod accounts;
pub mod filled;
