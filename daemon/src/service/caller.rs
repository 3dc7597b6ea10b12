//! Who is asking, and what they may do. The kernel says who (SO_PEERCRED); the directory says what for.

use identity::Name;

use crate::directory::{Error, Result};

/// The peer of a socket, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective uid when it connected.
    pub uid: u32,
    /// Process id when it connected, for the journal only: it may be another's by now.
    pub pid: i32,
}

/// What a peer is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The machine's root.
    Root,
    /// An active user of ours who may administer the directory.
    Admin(Name),
    /// A user of ours.
    User(Name),
    /// Anybody else: a local account, or somebody who is locked or expired.
    Other(u32),
}

/// What one may ask for; each operation names its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To look at the node's state, at groups, at oneself.
    Look,
    /// To look at one user.
    LookAt(Name),
    /// To change the directory.
    Change,
    /// To set one user's password.
    SetPassword(Name),
    /// To see, create and revoke the tokens of one user.
    UseTokensOf(Name),
    /// To learn what would become of a token that one holds.
    CheckTokens,
    /// To take tokens that others present, and have their use noted.
    AcceptTokens,
    /// To log in as one user, as PAM does: an admin is nobody else there.
    LogIn(Name),
    /// To take password hashes out.
    Export,
    /// To look after the database itself.
    Database,
}

impl Caller {
    /// Refuses what this caller may not do. One table for every door.
    pub fn may(&self, operation: Operation) -> Result<()> {
        let allowed = match (self, operation) {
            (Self::Root, _) | (_, Operation::Look) => true,
            (Self::Admin(own) | Self::User(own), Operation::LogIn(name)) => *own == name,
            (Self::Admin(_), operation) => !matches!(operation, Operation::Export | Operation::Database),
            (Self::User(_), Operation::CheckTokens) => true,
            (
                Self::User(own),
                Operation::LookAt(name) | Operation::SetPassword(name) | Operation::UseTokensOf(name),
            ) => *own == name,
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        Err(Error::Refused(match operation {
            Operation::Export => "password hashes leave the directory for root alone".into(),
            Operation::Database => "only root may look after the database".into(),
            Operation::LogIn(_) => "only root may log somebody else in".into(),
            _ => {
                "only root and Pody's admins may do this (podyctl user update NAME --admin makes one)".into()
            }
        }))
    }

    /// Whether passwords may be set without the old one.
    pub fn is_trusted(&self) -> bool {
        matches!(self, Self::Root | Self::Admin(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gets_what_is_theirs_and_no_more() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let (ada, bob, eve) = (name("ada"), name("bob"), name("eve"));
        let table = [
            (Operation::Look, [true, true, true, true]),
            (Operation::LookAt(ada), [true, true, true, false]),
            (Operation::LookAt(bob), [true, true, false, false]),
            (Operation::Change, [true, true, false, false]),
            (Operation::SetPassword(ada), [true, true, true, false]),
            (Operation::SetPassword(bob), [true, true, false, false]),
            (Operation::UseTokensOf(ada), [true, true, true, false]),
            (Operation::UseTokensOf(bob), [true, true, false, false]),
            (Operation::CheckTokens, [true, true, true, false]),
            (Operation::AcceptTokens, [true, true, false, false]),
            (Operation::LogIn(ada), [true, false, true, false]),
            (Operation::LogIn(bob), [true, false, false, false]),
            (Operation::LogIn(eve), [true, true, false, false]),
            (Operation::Export, [true, false, false, false]),
            (Operation::Database, [true, false, false, false]),
        ];
        let callers = [Caller::Root, Caller::Admin(eve), Caller::User(ada), Caller::Other(1000)];
        for (operation, expected) in table {
            for (caller, allowed) in callers.iter().zip(expected) {
                assert_eq!(caller.may(operation).is_ok(), allowed, "{caller:?} {operation:?}");
            }
        }
    }
}
