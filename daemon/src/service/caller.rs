//! Who is asking, and what they may do. The kernel says who (SO_PEERCRED), or a token; the directory says what for.

use std::fmt;

use identity::Name;

use crate::directory::{Error, Result, Scope, Scopes};

/// The peer of a socket, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective uid when it connected.
    pub uid: u32,
    /// Process id when it connected: it is another's once that process is gone.
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
    /// A program elsewhere.
    Bearer(Bearer),
}

/// Whoever shows a token over the network, and what this node lets such a one do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Which token it is, for people: never its text.
    pub token: String,
    /// What it is for.
    pub scopes: Scopes,
    /// Whether nobody may change anything over the network.
    pub readonly: bool,
    /// Whether users may change their own passwords all the same.
    pub own_passwords: bool,
}

impl Bearer {
    fn may(&self, operation: Operation) -> Result<()> {
        let (scope, is_change) = match operation {
            Operation::Look | Operation::LookAt(_) | Operation::List => (Scope::Read, false),
            Operation::LogIn(_) => (Scope::Authenticate, false),
            Operation::AcceptTokens | Operation::CheckTokens => (Scope::Authenticate, false),
            Operation::LookAtTokens => (Scope::Write, false),
            // It is made for where nothing else may be changed.
            Operation::Provision => (Scope::Provision, false),
            Operation::SetPassword(_) if !self.may_write() => (Scope::Password, !self.own_passwords),
            Operation::SetPassword(_) | Operation::Change | Operation::UseTokensOf(_) => (Scope::Write, true),
            Operation::Quotas
            | Operation::Export
            | Operation::Database
            | Operation::CheckProvider
            | Operation::BreakGlass
            | Operation::KeepSessions
            | Operation::SetUp
            | Operation::ForgetCodes(_)
            | Operation::EndSessionsOf(_) => {
                return Err(Error::Refused("this is for root on the node itself".into()));
            }
        };
        if !self.scopes.holds(scope) {
            return Err(Error::Refused(format!(
                "this token is not for that: it has {}, and not {scope}",
                self.scopes
            )));
        }
        if is_change && self.readonly {
            return Err(Error::ReadOnly(
                "this service is read only: change users and groups on the node that it runs on".into(),
            ));
        }
        Ok(())
    }

    /// Whether anything may be changed, and not one's own password alone.
    fn may_write(&self) -> bool {
        self.scopes.holds(Scope::Write) && !self.readonly
    }
}

/// What one may ask for; each operation names its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To look at the node's state, at groups, at oneself.
    Look,
    /// To look at one user.
    LookAt(Name),
    /// To look at all users.
    List,
    /// To change the directory.
    Change,
    /// To look at, and change, what everybody may use on this node.
    Quotas,
    /// To set one user's password.
    SetPassword(Name),
    /// To see, create and revoke the tokens of one user.
    UseTokensOf(Name),
    /// To look at everybody's tokens.
    LookAtTokens,
    /// To learn what would become of a token that one holds.
    CheckTokens,
    /// To take tokens that others present, and have their use noted.
    AcceptTokens,
    /// To have users created who log in for the first time.
    Provision,
    /// To log in as one user, as PAM does: an admin is nobody else there.
    LogIn(Name),
    /// To take password hashes out.
    Export,
    /// To look after the database itself.
    Database,
    /// To try the OpenID provider.
    CheckProvider,
    /// To let somebody in once, who need not prove anything.
    BreakGlass,
    /// To end one user's sessions on this node.
    EndSessionsOf(Name),
    /// To say that somebody's session begins or ends, as PAM does.
    KeepSessions,
    /// To set the node up for the first time.
    SetUp,
    /// To end the codes by which one user may come back to this node.
    ForgetCodes(Name),
}

/// As the journal names them.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Admin(name) | Self::User(name) => name.fmt(f),
            Self::Other(uid) => write!(f, "uid {uid}"),
            Self::Bearer(bearer) => f.write_str(&bearer.token),
        }
    }
}

impl Caller {
    /// Refuses what this caller may not do. One table for every door.
    pub fn may(&self, operation: Operation) -> Result<()> {
        let allowed = match (self, operation) {
            (Self::Bearer(bearer), operation) => return bearer.may(operation),
            (Self::Root, _) | (_, Operation::Look) => true,
            (Self::Admin(own) | Self::User(own), Operation::LogIn(name)) => *own == name,
            (Self::Admin(_), operation) => !matches!(
                operation,
                Operation::Export
                    | Operation::Database
                    | Operation::BreakGlass
                    | Operation::KeepSessions
                    | Operation::SetUp
            ),
            (Self::User(_), Operation::CheckTokens) => true,
            (
                Self::User(own),
                Operation::LookAt(name)
                | Operation::SetPassword(name)
                | Operation::UseTokensOf(name)
                | Operation::ForgetCodes(name)
                | Operation::EndSessionsOf(name),
            ) => *own == name,
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        Err(Error::Refused(match operation {
            Operation::Export => "password hashes leave the directory for root alone".into(),
            Operation::Database => "only root may look after the database".into(),
            Operation::BreakGlass => "only root may let somebody in who proves nothing".into(),
            Operation::KeepSessions => "only root may say that a session begins or ends".into(),
            Operation::SetUp => "only root may set this node up".into(),
            Operation::LogIn(_) => "only root may log somebody else in".into(),
            _ => {
                "only root and Pody's admins may do this (podyctl user update NAME --admin makes one)".into()
            }
        }))
    }

    /// Whether passwords may be set without the old one.
    pub fn is_trusted(&self) -> bool {
        match self {
            Self::Root | Self::Admin(_) => true,
            Self::Bearer(bearer) => bearer.may_write(),
            Self::User(_) | Self::Other(_) => false,
        }
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
            (Operation::List, [true, true, false, false]),
            (Operation::Change, [true, true, false, false]),
            (Operation::Quotas, [true, true, false, false]),
            (Operation::SetPassword(ada), [true, true, true, false]),
            (Operation::SetPassword(bob), [true, true, false, false]),
            (Operation::UseTokensOf(ada), [true, true, true, false]),
            (Operation::UseTokensOf(bob), [true, true, false, false]),
            (Operation::LookAtTokens, [true, true, false, false]),
            (Operation::CheckTokens, [true, true, true, false]),
            (Operation::AcceptTokens, [true, true, false, false]),
            (Operation::Provision, [true, true, false, false]),
            (Operation::LogIn(ada), [true, false, true, false]),
            (Operation::LogIn(bob), [true, false, false, false]),
            (Operation::LogIn(eve), [true, true, false, false]),
            (Operation::Export, [true, false, false, false]),
            (Operation::Database, [true, false, false, false]),
            (Operation::BreakGlass, [true, false, false, false]),
            (Operation::KeepSessions, [true, false, false, false]),
            (Operation::SetUp, [true, false, false, false]),
            (Operation::ForgetCodes(ada), [true, true, true, false]),
            (Operation::ForgetCodes(bob), [true, true, false, false]),
            (Operation::EndSessionsOf(ada), [true, true, true, false]),
            (Operation::EndSessionsOf(bob), [true, true, false, false]),
        ];
        let callers = [Caller::Root, Caller::Admin(eve), Caller::User(ada), Caller::Other(1000)];
        for (operation, expected) in table {
            for (caller, allowed) in callers.iter().zip(expected) {
                assert_eq!(caller.may(operation).is_ok(), allowed, "{caller:?} {operation:?}");
            }
        }
    }

    #[test]
    fn a_bearer_may_do_what_the_token_is_for_unless_the_service_is_read_only() {
        let ada = "ada".parse::<Name>().unwrap();
        let bearer = |scopes: &str, readonly, own_passwords| {
            let scopes = scopes.parse().unwrap();
            Caller::Bearer(Bearer { token: "a test".into(), scopes, readonly, own_passwords })
        };
        let change = |caller: &Caller| caller.may(Operation::Change);
        let set_password = |caller: &Caller| caller.may(Operation::SetPassword(ada));
        let is_read_only = |outcome| matches!(outcome, Err(Error::ReadOnly(_)));
        let is_refused = |outcome| matches!(outcome, Err(Error::Refused(_)));

        let writer = bearer("read,write", false, false);
        assert!(change(&writer).is_ok() && set_password(&writer).is_ok() && writer.is_trusted());
        assert!(is_refused(writer.may(Operation::LogIn(ada))), "that takes another scope");
        assert!(is_refused(writer.may(Operation::Quotas)), "that is nobody's elsewhere");
        assert!(is_refused(writer.may(Operation::Export)) && is_refused(writer.may(Operation::Database)));

        let writer = bearer("read,write,password", true, false);
        assert!(writer.may(Operation::LookAtTokens).is_ok(), "which changes nothing");
        assert!(is_read_only(change(&writer)) && is_read_only(set_password(&writer)) && !writer.is_trusted());
        let node = bearer("read,authenticate,password", true, true);
        assert!(set_password(&node).is_ok() && !node.is_trusted(), "with the old password, as its owner");
        assert!(is_refused(change(&node)), "whether it is read only does not matter");
        assert!(is_refused(set_password(&bearer("read", true, true))));
        assert!(is_refused(set_password(&bearer("read,write", true, true))));
    }
}
