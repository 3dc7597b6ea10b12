//! `pam_sm_chauthtok`: a new password, in PAM's two passes.
//!
//! The first pass changes nothing: it finds out whether the user is ours and proves the old password.
//! The second brings the new one. What makes a good password is podyd's to say.

use identity::Name;
use protocol::login::{Decision, Verdict};
use protocol::{ClientError, Error};

use crate::pam::{Code, Flags, Level, Question, Token, Typed};
use crate::request::{Lookup, Request, code_of};

/// Changes the user's password, or checks that it can be.
pub fn change_password(request: &mut Request<'_>) -> Code {
    let name = match request.user() {
        Ok(name) => name,
        Err(code) => return code,
    };
    // Pody's passwords do not age: if one must be changed because it has expired, it is another's.
    if request.flags.has(Flags::CHANGE_EXPIRED) {
        return Code::Ignore;
    }
    let result =
        if request.flags.has(Flags::UPDATE) { update(request, &name) } else { prepare(request, &name) };
    result.err().unwrap_or(Code::Success)
}

/// PAM_PRELIM_CHECK. Root needs no old password; podyd looks for itself who asks.
fn prepare(request: &mut Request<'_>, name: &Name) -> Result<(), Code> {
    // Nobody is asked for a password that only another module could judge.
    if request.accounts.lookup(name) == Lookup::Absent {
        return Err(Code::UserUnknown);
    }
    let old = if request.by_root { None } else { Some(old_password(request)?) };
    let reply = request.podyd.change_password(name.as_str(), text(&old), None);
    conclude(request, name, reply, Code::AuthinfoUnavail)?;
    old.map_or(Ok(()), |old| request.pam.remember(Token::Old, &old))
}

/// PAM_UPDATE_AUTHTOK.
fn update(request: &mut Request<'_>, name: &Name) -> Result<(), Code> {
    let old =
        if request.by_root { None } else { Some(request.pam.token(Token::Old).ok_or(Code::AuthtokErr)?) };
    let new = new_password(request)?;
    let reply = request.podyd.change_password(name.as_str(), text(&old), Some(&new));
    conclude(request, name, reply, Code::AuthtokErr)
}

fn old_password(request: &mut Request<'_>) -> Result<Typed, Code> {
    let old = match request.pam.token(Token::Old) {
        Some(earlier) => earlier,
        None if request.options.use_first_pass => return Err(Code::AuthErr),
        None => request.pam.ask(silent("Current password: "))?,
    };
    if old.is_empty() { Err(Code::AuthErr) } else { Ok(old) }
}

/// The new password: the one that an earlier module (pam_pwquality) asked for and checked, or else typed
/// twice. Unlike pam_unix we need not be told `use_authtok` for the former: libpam clears PAM_AUTHTOK
/// before the stack begins, so what stands there now can only be the new password.
fn new_password(request: &mut Request<'_>) -> Result<Typed, Code> {
    match request.pam.token(Token::Current) {
        Some(earlier) if !earlier.is_empty() => return Ok(earlier),
        _ if request.options.use_authtok => {
            request.log(
                Level::Notice,
                "no earlier module brought a new password, and use_authtok forbids asking for one",
            );
            return Err(Code::AuthtokErr);
        }
        _ => {}
    }
    let new = request.pam.ask(silent("New password: "))?;
    if new.is_empty() {
        request.tell("No password was given: it stays as it was.", true);
        return Err(Code::AuthtokErr);
    }
    if request.pam.ask(silent("Retype new password: "))? != new {
        request.tell("The passwords do not match: it stays as it was.", true);
        return Err(Code::TryAgain);
    }
    request.pam.remember(Token::Current, &new)?;
    Ok(new)
}

/// Turns podyd's reply into words and a code; `away` is the code for nobody being there to ask.
fn conclude(
    request: &mut Request<'_>,
    name: &Name,
    reply: Result<Decision, ClientError>,
    away: Code,
) -> Result<(), Code> {
    match reply {
        Ok(Decision { verdict: Verdict::Granted, message }) => {
            if let Some(message) = message {
                request.tell(&message, false);
            }
            Ok(())
        }
        Ok(Decision { verdict: Verdict::Unavailable, .. }) => {
            Err(unavailable(request, name, "its directory is away", away))
        }
        Ok(Decision { verdict, message }) => Err(refused(request, verdict, message)),
        Err(ClientError::Refused(Error::NotFound { .. })) => Err(Code::UserUnknown),
        Err(ClientError::Refused(
            error @ (Error::InvalidInput { .. } | Error::Refused { .. } | Error::Conflict { .. }),
        )) => {
            request.tell(error.message(), true);
            Err(Code::AuthtokErr)
        }
        Err(error) => Err(unavailable(request, name, &error.to_string(), away)),
    }
}

fn refused(request: &mut Request<'_>, verdict: Verdict, message: Option<String>) -> Code {
    let sentence = (verdict == Verdict::Denied).then_some("That is not the current password.");
    if let Some(sentence) = message.as_deref().or(sentence) {
        request.tell(sentence, true);
    }
    if matches!(verdict, Verdict::Denied | Verdict::LockedOut) {
        request.pam.delay_failure();
    }
    code_of(verdict)
}

fn unavailable(request: &mut Request<'_>, name: &Name, why: &str, away: Code) -> Code {
    request.log(Level::Error, &format!("the password of {name} was not changed: {why}"));
    request.tell(
        "The password was not changed: Pody cannot be reached now. Please try again in a moment.",
        true,
    );
    away
}

fn silent(prompt: &str) -> Question<'_> {
    Question { message: None, prompt, echo: false, optional: false }
}

fn text(password: &Option<Typed>) -> Option<&str> {
    password.as_deref().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Event::*, Stage, away};

    const PRELIM: Flags = Flags(0x4000);
    const UPDATE: Flags = Flags(Flags::UPDATE);
    const AWAY: &str =
        "The password was not changed: Pody cannot be reached now. Please try again in a moment.";

    fn stage(flags: Flags, script: impl IntoIterator<Item = crate::script::Event>) -> Stage {
        let mut stage = Stage::new("ada", script);
        stage.flags = flags;
        stage
    }

    fn reply(verdict: Verdict) -> Result<Decision, ClientError> {
        Ok(Decision { verdict, message: None })
    }

    #[test]
    fn a_user_proves_the_old_password_first() {
        let mut prelim = stage(
            PRELIM,
            [
                Ask("Current password: ", "old"),
                Change(Some("old"), None, reply(Verdict::Granted)),
                Remember(Token::Old, "old"),
            ],
        );
        assert_eq!(prelim.run(change_password), Code::Success);
        let mut update = stage(
            UPDATE,
            [
                Ask("New password: ", "new"),
                Ask("Retype new password: ", "new"),
                Remember(Token::Current, "new"),
                Change(Some("old"), Some("new"), reply(Verdict::Granted)),
            ],
        );
        update.old = Some("old");
        assert_eq!(update.run(change_password), Code::Success);
    }

    #[test]
    fn a_wrong_old_password_ends_it() {
        let mut prelim = stage(
            PRELIM,
            [
                Ask("Current password: ", "wrong"),
                Change(Some("wrong"), None, reply(Verdict::Denied)),
                Tell("That is not the current password."),
                Delay,
            ],
        );
        assert_eq!(prelim.run(change_password), Code::AuthErr);
        let mut empty = stage(PRELIM, [Ask("Current password: ", "")]);
        assert_eq!(empty.run(change_password), Code::AuthErr);
    }

    #[test]
    fn without_the_first_pass_there_is_no_second() {
        assert_eq!(stage(UPDATE, []).run(change_password), Code::AuthtokErr);
    }

    #[test]
    fn root_gives_no_old_password() {
        let mut prelim = stage(PRELIM, [Change(None, None, reply(Verdict::Granted))]);
        prelim.by_root = true;
        assert_eq!(prelim.run(change_password), Code::Success);
        let mut update = stage(
            UPDATE,
            [
                Ask("New password: ", "new"),
                Ask("Retype new password: ", "new"),
                Remember(Token::Current, "new"),
                Change(None, Some("new"), reply(Verdict::Granted)),
            ],
        );
        update.by_root = true;
        assert_eq!(update.run(change_password), Code::Success);
    }

    #[test]
    fn a_new_password_that_an_earlier_module_checked_is_taken() {
        let mut update = stage(UPDATE, [Change(None, Some("good"), reply(Verdict::Granted))]);
        update.by_root = true;
        update.options.use_authtok = true;
        update.current = Some("good");
        assert_eq!(update.run(change_password), Code::Success);
    }

    #[test]
    fn use_authtok_never_asks() {
        let mut update = stage(UPDATE, [Log(Level::Notice)]);
        update.by_root = true;
        update.options.use_authtok = true;
        assert_eq!(update.run(change_password), Code::AuthtokErr);
    }

    #[test]
    fn two_different_new_passwords_change_nothing() {
        let mut update = stage(
            UPDATE,
            [
                Ask("New password: ", "new"),
                Ask("Retype new password: ", "mew"),
                Tell("The passwords do not match: it stays as it was."),
            ],
        );
        update.by_root = true;
        assert_eq!(update.run(change_password), Code::TryAgain);
        let mut empty =
            stage(UPDATE, [Ask("New password: ", ""), Tell("No password was given: it stays as it was.")]);
        empty.by_root = true;
        assert_eq!(empty.run(change_password), Code::AuthtokErr);
    }

    #[test]
    fn podyds_reason_for_a_refusal_is_shown_unless_silence_is_wanted() {
        let too_short = || {
            Err(ClientError::Refused(Error::InvalidInput {
                field: "new".into(),
                message: "Too short.".into(),
            }))
        };
        let mut update = stage(UPDATE, [Change(None, Some("x"), too_short()), Tell("Too short.")]);
        (update.by_root, update.current) = (true, Some("x"));
        assert_eq!(update.run(change_password), Code::AuthtokErr);
        let mut silent = stage(Flags(Flags::UPDATE | Flags::SILENT), [Change(None, Some("x"), too_short())]);
        (silent.by_root, silent.current) = (true, Some("x"));
        assert_eq!(silent.run(change_password), Code::AuthtokErr);
    }

    #[test]
    fn a_podyd_that_is_away_is_said_in_words() {
        let mut prelim = stage(PRELIM, [Change(None, None, Err(away())), Log(Level::Error), Tell(AWAY)]);
        prelim.by_root = true;
        assert_eq!(prelim.run(change_password), Code::AuthinfoUnavail);
        let replies = [Err(ClientError::Deadline), reply(Verdict::Unavailable)];
        for reply in replies {
            let mut update = stage(UPDATE, [Change(None, Some("new"), reply), Log(Level::Error), Tell(AWAY)]);
            (update.by_root, update.current) = (true, Some("new"));
            assert_eq!(update.run(change_password), Code::AuthtokErr);
        }
    }

    #[test]
    fn somebody_elses_user_is_passed_on_unasked() {
        for name in ["root", "local"] {
            assert_eq!(Stage::new(name, []).run(change_password), Code::UserUnknown);
        }
        let mut absent = stage(PRELIM, []);
        absent.lookup = Lookup::Absent;
        assert_eq!(absent.run(change_password), Code::UserUnknown);
        let mut unknown = stage(PRELIM, [Change(None, None, reply(Verdict::Unknown))]);
        unknown.by_root = true;
        assert_eq!(unknown.run(change_password), Code::UserUnknown);
    }

    #[test]
    fn no_password_of_ours_expires() {
        for phase in [0x4000, Flags::UPDATE] {
            let mut stage = stage(Flags(phase | Flags::CHANGE_EXPIRED), []);
            assert_eq!(stage.run(change_password), Code::Ignore);
        }
    }
}
