//! Break-glass: root lets an existing user in once, whatever the provider or the password database is doing, and the journal
//! says so.

use std::time::Duration;

use identity::Name;

use super::codes::{Grounds, LoginCode};
use super::login::judge_account;
use super::{Caller, Operation, Peer, Service, Verdict};
use crate::directory::{Directory, Error, Key, Result};
use crate::limits::{MAX_BREAK_GLASS, MAX_BREAK_GLASS_REASON_CHARS, MIN_BREAK_GLASS};
use crate::verifiers::lockout::Subject;

/// What the kernel says where nobody has logged in: a service, say (credentials(7), `AUDIT_UID_UNSET`).
const NOBODY_LOGGED_IN: u32 = u32::MAX;

/// Somebody whom root lets in.
pub struct BreakGlass {
    /// Who.
    pub user: Name,
    /// How long the code is good.
    pub lifetime: Duration,
    /// Why, for the journal.
    pub reason: String,
}

impl<D: Directory> Service<D> {
    /// Gives root a one-time code for a user.
    pub async fn break_glass(
        &self,
        caller: &Caller,
        process: Peer,
        BreakGlass { user: name, lifetime, reason }: BreakGlass,
    ) -> Result<LoginCode> {
        caller.may(Operation::BreakGlass)?;
        check_lifetime(lifetime)?;
        check_reason(&reason)?;
        let member = self.directory.user(Key::Name(name)).await?.ok_or_else(|| Error::no_user(name))?;
        if let Some(objection) = self.objection(&member) {
            return Err(Error::Refused(format!("{name} cannot log in on this node: {objection}")));
        }
        if self.is_refused(&member.user.uuid) {
            return Err(Error::Refused(format!(
                "the OpenID provider has ended {name}, who is refused here: podyctl user unlock {name} comes first"
            )));
        }
        check_account(name, judge_account(&member.user, self.clock.today()).verdict)?;
        let code = self.codes.issue(&member.user, lifetime, Grounds::BreakGlass(reason.clone()))?;
        // Whoever guesses at the password must not keep out whom root lets in.
        self.node.clear_failures(&Subject::User(name).to_string()).await;
        let Peer { uid, pid } = process;
        let (login_uid, seconds) = (login_uid(pid), lifetime.as_secs());
        tracing::warn!(user = %name, reason, seconds, uid, pid, login_uid, "break-glass: root was given a one-time code");
        Ok(code)
    }
}

fn check_account(name: Name, verdict: Verdict) -> Result<()> {
    match verdict {
        Verdict::AccountLocked => {
            Err(Error::Refused(format!("{name} is locked: podyctl user unlock {name} comes first")))
        }
        Verdict::AccountExpired => Err(Error::Refused(format!(
            "{name} has expired: podyctl user update {name} --expires DATE comes first"
        ))),
        _ => Ok(()),
    }
}

fn check_lifetime(lifetime: Duration) -> Result<()> {
    if (MIN_BREAK_GLASS..=MAX_BREAK_GLASS).contains(&lifetime) {
        return Ok(());
    }
    let (least, most) = (MIN_BREAK_GLASS.as_secs(), MAX_BREAK_GLASS.as_secs());
    Err(Error::invalid("seconds", format!("the code is good for {least} to {most} seconds")))
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Error::invalid("reason", "say why: it stands in the journal"));
    }
    if reason.chars().count() > MAX_BREAK_GLASS_REASON_CHARS || reason.contains(char::is_control) {
        let why = format!("it is one line of {MAX_BREAK_GLASS_REASON_CHARS} characters at the most");
        return Err(Error::invalid("reason", why));
    }
    Ok(())
}

/// Who logged in, before they became root (credentials(7)); none: nobody did, or it cannot be found out.
fn login_uid(pid: i32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NOBODY_LOGGED_IN)
}
