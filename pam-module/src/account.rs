//! `pam_sm_acct_mgmt`: whether the account may be used, whatever proved who it is.
//!
//! SSH keys, cron and sudo come here without having authenticated, and must be answered while podyd is
//! down. So the account part of the snapshot decides; podyd is asked only by those who cannot read it.

use identity::{Day, Name};
use protocol::login::Verdict;
use protocol::{ClientError, Error};

use crate::pam::{Code, Level};
use crate::request::{Account, Lookup, Request, code_of};

/// For whoever comes in without having authenticated here, by a key in a home that is there already: nobody has the account.
const NOT_YET: &str = "This account begins with a first login that this system's OpenID provider vouches for. Log in \
                       without a key: ssh -o PreferredAuthentications=keyboard-interactive";

/// Decides whether the user may come in.
pub fn check_account(request: &mut Request<'_>) -> Code {
    let name = match request.user() {
        Ok(name) => name,
        Err(code) => return code,
    };
    match request.accounts.lookup(&name) {
        Lookup::Found(account) if account.reserved => {
            conclude(request, &name, Verdict::AccountLocked, Some(NOT_YET.to_owned()))
        }
        Lookup::Found(account) => conclude(request, &name, judge(account, request.today), None),
        Lookup::Absent => Code::UserUnknown,
        Lookup::Unusable => ask_podyd(request, &name),
    }
}

/// What the record says on this day. A lock is named before an expiry: only an admin lifts it.
#[must_use]
pub fn judge(account: Account, today: Day) -> Verdict {
    match account.expires_at {
        _ if account.locked => Verdict::AccountLocked,
        Some(first_day) if today >= first_day => Verdict::AccountExpired,
        _ => Verdict::Granted,
    }
}

fn ask_podyd(request: &mut Request<'_>, name: &Name) -> Code {
    let service = request.pam.service();
    match request.podyd.check_account(name.as_str(), &service) {
        Ok(decision) => conclude(request, name, decision.verdict, decision.message),
        Err(ClientError::Refused(Error::NotFound { .. })) => Code::UserUnknown,
        Err(error) => {
            let text = format!(
                "neither the account part of the snapshot nor podyd can say whether {name} may log in: {error}"
            );
            request.log(Level::Error, &text);
            Code::AuthinfoUnavail
        }
    }
}

fn conclude(request: &mut Request<'_>, name: &Name, verdict: Verdict, message: Option<String>) -> Code {
    let sentence = match verdict {
        Verdict::AccountLocked => Some("Your account is locked. Please ask your administrator."),
        Verdict::AccountExpired => {
            Some("Your account has expired. Please ask your administrator to extend it.")
        }
        _ => None,
    };
    if let Some(sentence) = message.as_deref().or(sentence) {
        request.tell(sentence, verdict != Verdict::Granted);
    }
    if verdict != Verdict::Granted && verdict != Verdict::Unknown {
        request.log(Level::Notice, &format!("{name} may not use this account now: {verdict:?}"));
    }
    code_of(verdict)
}

#[cfg(test)]
mod tests {
    use protocol::login::Decision;

    use super::*;
    use crate::script::{Event::*, Stage, TODAY, away};

    const ACTIVE: Account = Account { locked: false, reserved: false, expires_at: None };
    const LOCKED: &str = "Your account is locked. Please ask your administrator.";
    const EXPIRED: &str = "Your account has expired. Please ask your administrator to extend it.";

    fn stage(lookup: Lookup, script: impl IntoIterator<Item = crate::script::Event>) -> Stage {
        let mut stage = Stage::new("ada", script);
        stage.lookup = lookup;
        stage
    }

    #[test]
    fn an_account_ends_with_the_first_expired_day_and_a_lock_weighs_more() {
        let expiring = |day| Account { expires_at: Some(Day(day)), ..ACTIVE };
        assert_eq!(judge(ACTIVE, Day(100)), Verdict::Granted);
        assert_eq!(judge(expiring(101), Day(100)), Verdict::Granted);
        assert_eq!(judge(expiring(100), Day(100)), Verdict::AccountExpired);
        assert_eq!(judge(expiring(0), Day(100)), Verdict::AccountExpired);
        assert_eq!(judge(Account { locked: true, ..expiring(0) }, Day(100)), Verdict::AccountLocked);
    }

    #[test]
    fn the_account_part_decides_without_podyd() {
        let expired = Account { expires_at: Some(TODAY), ..ACTIVE };
        let locked = Account { locked: true, ..ACTIVE };
        assert_eq!(stage(Lookup::Found(ACTIVE), []).run(check_account), Code::Success);
        let script = [Tell(LOCKED), Log(Level::Notice)];
        assert_eq!(stage(Lookup::Found(locked), script).run(check_account), Code::PermDenied);
        let script = [Tell(EXPIRED), Log(Level::Notice)];
        assert_eq!(stage(Lookup::Found(expired), script).run(check_account), Code::AcctExpired);
        assert_eq!(stage(Lookup::Absent, []).run(check_account), Code::UserUnknown);
    }

    #[test]
    fn an_account_that_nobody_has_yet_lets_nobody_in_and_says_how_it_begins() {
        let reserved = Account { locked: true, reserved: true, ..ACTIVE };
        let script = [Tell(NOT_YET), Log(Level::Notice)];
        assert_eq!(stage(Lookup::Found(reserved), script).run(check_account), Code::PermDenied);
    }

    #[test]
    fn podyd_is_asked_when_the_account_part_cannot_be_used() {
        let decision =
            |verdict, message: Option<&str>| Decision { verdict, message: message.map(str::to_owned) };
        let granted = [Check("ada", Ok(decision(Verdict::Granted, None)))];
        assert_eq!(stage(Lookup::Unusable, granted).run(check_account), Code::Success);
        let locked = [
            Check("ada", Ok(decision(Verdict::AccountLocked, Some("Until Monday.")))),
            Tell("Until Monday."),
            Log(Level::Notice),
        ];
        assert_eq!(stage(Lookup::Unusable, locked).run(check_account), Code::PermDenied);
        let unknown = [Check("ada", Ok(decision(Verdict::Unknown, None)))];
        assert_eq!(stage(Lookup::Unusable, unknown).run(check_account), Code::UserUnknown);
        let not_found = [Check("ada", Err(ClientError::Refused(Error::NotFound { message: String::new() })))];
        assert_eq!(stage(Lookup::Unusable, not_found).run(check_account), Code::UserUnknown);
    }

    #[test]
    fn with_neither_record_nor_podyd_nobody_comes_in() {
        let script = [Check("ada", Err(away())), Log(Level::Error)];
        assert_eq!(stage(Lookup::Unusable, script).run(check_account), Code::AuthinfoUnavail);
    }

    #[test]
    fn a_record_of_root_or_of_a_local_user_is_never_looked_at() {
        for name in ["root", "local"] {
            let mut stage = Stage::new(name, []);
            stage.lookup = Lookup::Found(ACTIVE);
            assert_eq!(stage.run(check_account), Code::UserUnknown);
        }
    }
}
