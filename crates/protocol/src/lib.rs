//! What is said on podyd's Varlink socket: the `org.pody.*` interfaces as Rust types, the framing,
//! and a small blocking client for the PAM module and podyctl.
//!
//! These are wire shapes. They hold text as it came; whoever receives one makes `identity`'s types of
//! it once and uses those. There is no policy here.
#![forbid(unsafe_code)]

pub mod database;
pub mod directory;
pub mod helper;
pub mod identity;
pub mod login;
pub mod node;
pub mod oidc;
pub mod quota;
pub mod session;
pub mod setup;
pub mod token;

mod client;
mod error;
mod frame;

pub use client::{Client, ClientError};
pub use error::Error;
pub use frame::{Call, MAX_FRAME_BYTES, Method, Reply};

/// Where podyd listens for every `org.pody.*` interface (mode 0666: SO_PEERCRED decides who may do what).
pub const SOCKET: &str = "/run/pody/varlink";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whoever writes a call by hand, or in a language whose Varlink leaves out what is false or empty, says what
    /// they mean and no more.
    #[test]
    fn what_is_left_out_of_a_call_is_false_or_empty() {
        let user: directory::CreateUser = serde_json::from_value(json!({"name": "ada"})).unwrap();
        assert!(!user.is_admin && !user.reuse_name && user.groups.is_empty());
        let users = json!({"users": [{"line": 1, "name": "ada"}]});
        let import: directory::Import = serde_json::from_value(users).unwrap();
        assert!(!import.dry_run && import.users[0].name == "ada" && import.members.is_empty());
        serde_json::from_value::<directory::CreateUser>(json!({})).expect_err("a user has a name");
        serde_json::from_value::<directory::CreateUser>(json!({"name": "ada", "admin": true}))
            .expect_err("a misspelt word is not one that was left out");
    }

    #[test]
    fn every_list_and_every_yes_or_no_may_be_left_out() {
        let sources = [
            include_str!("database.rs"),
            include_str!("directory.rs"),
            include_str!("helper.rs"),
            include_str!("identity.rs"),
            include_str!("login.rs"),
            include_str!("node.rs"),
            include_str!("oidc.rs"),
            include_str!("quota.rs"),
            include_str!("helper/quota.rs"),
            include_str!("session.rs"),
            include_str!("setup.rs"),
            include_str!("token.rs"),
        ];
        let lines: Vec<&str> = sources.iter().flat_map(|source| source.lines()).map(str::trim).collect();
        let is_list_or_flag = |line: &str| line.ends_with(": bool,") || line.contains(": Vec<");
        let mut seen = 0;
        for pair in lines.windows(2).filter(|pair| is_list_or_flag(pair[1])) {
            assert!(pair[0].starts_with("#[serde(default"), "{} needs #[serde(default)]", pair[1]);
            seen += 1;
        }
        assert!(seen > 30, "only {seen} fields were looked at");
    }
}
