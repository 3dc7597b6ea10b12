//! `pam_sm_setcred` and the two session entries. podyd is told when a session begins and when it ends; that it knows is worth
//! no login, so in any trouble the session begins, and a logout always works.
//!
//! Nothing is kept in between: podyd knows the session by the process that opened it.

use identity::Name;
use protocol::session::Open;

use crate::pam::{Code, Level};
use crate::request::{Lookup, Request};

/// Lines that are shown as a session begins: more is not meant for a person.
const MAX_MESSAGES: usize = 8;

/// PAM_SUCCESS for our users: libpam walks this stack as it walked the one that authenticated, where a
/// `sufficient` module that then says PAM_IGNORE would run the stack into pam_deny. PAM_IGNORE for
/// everybody else and in any trouble, so that the other modules alone decide (PAM_USER_UNKNOWN would
/// fail a stack that says `required`).
pub fn set_credentials(request: &mut Request<'_>) -> Code {
    match ours(request) {
        Some(_) => Code::Success,
        None => Code::Ignore,
    }
}

/// Tells podyd that a session begins. It alone may say that it does not: PAM_PERM_DENIED, since su and login show the words
/// that PAM has for a code, and "Permission denied" is true; sshd shows what was said and ends, whatever the code.
pub fn open(request: &mut Request<'_>) -> Code {
    let Some(name) = ours(request) else { return Code::Ignore };
    let session = Open {
        user: name.as_str().to_owned(),
        service: request.pam.service(),
        tty: request.pam.tty(),
        rhost: request.pam.rhost(),
    };
    let opened = match request.podyd.open_session(&session) {
        Ok(opened) => opened,
        Err(error) => {
            let text =
                format!("a session of {name} begins without podyd, which makes nothing ready: {error}");
            request.log(Level::Notice, &text);
            return Code::Success;
        }
    };
    if let Some(why) = opened.refused {
        request.tell(&why, true);
        request.log(Level::Notice, &format!("podyd refuses a session of {name}: {why}"));
        return Code::PermDenied;
    }
    for message in opened.messages.iter().take(MAX_MESSAGES) {
        request.tell(message, false);
    }
    Code::Success
}

/// Tells podyd that the session of this process ends. Where it does not hear of it, it sees that the process is gone.
pub fn close(request: &mut Request<'_>) -> Code {
    let Some(name) = ours(request) else { return Code::Ignore };
    if let Err(error) = request.podyd.close_session() {
        request.log(Level::Debug, &format!("podyd was not told that a session of {name} ends: {error}"));
    }
    Code::Success
}

/// The user, unless the accounts are known and hold nobody of this name.
fn ours(request: &mut Request<'_>) -> Option<Name> {
    request.user().ok().filter(|name| request.accounts.lookup(name) != Lookup::Absent)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use protocol::session::{Closed, Opened};

    use super::*;
    use crate::options::Options;
    use crate::request::Account;
    use crate::script::{Event::*, Stage, away};

    const ENTRIES: [fn(&mut Request<'_>) -> Code; 3] = [set_credentials, open, close];

    fn opened(messages: &[&str], refused: Option<&str>) -> Opened {
        let messages = messages.iter().map(|&message| message.to_owned()).collect();
        Opened { messages, refused: refused.map(str::to_owned) }
    }

    #[test]
    fn credentials_of_our_users_succeed_and_podyd_is_not_asked() {
        for lookup in
            [Lookup::Found(Account { locked: true, reserved: false, expires_at: None }), Lookup::Unusable]
        {
            let mut stage = Stage::new("ada", []);
            stage.lookup = lookup;
            assert_eq!(stage.run(set_credentials), Code::Success);
        }
    }

    #[test]
    fn everybody_else_is_left_to_the_other_modules() {
        for entry in ENTRIES {
            for name in ["root", "local", "A B"] {
                assert_eq!(Stage::new(name, []).run(entry), Code::Ignore);
            }
            let mut absent = Stage::new("ada", []);
            absent.lookup = Lookup::Absent;
            assert_eq!(absent.run(entry), Code::Ignore);
            let mut blind = Stage::new("ada", [Log(Level::Error)]);
            blind.passwd = Path::new("/nonexistent/passwd");
            assert_eq!(blind.run(entry), Code::Ignore);
        }
    }

    #[test]
    fn podyd_hears_of_a_session_and_what_it_says_is_shown() {
        let script =
            [OpenSession("ada", Ok(opened(&["Two.", "Lines."], None))), Tell("Two."), Tell("Lines.")];
        assert_eq!(Stage::new("ada", script).run(open), Code::Success);
        let mut quiet = Stage::new("ada", [OpenSession("ada", Ok(opened(&["Two."], None)))]);
        quiet.options = Options { quiet: true, ..Options::default() };
        assert_eq!(quiet.run(open), Code::Success);
        assert_eq!(Stage::new("ada", [CloseSession(Ok(Closed {}))]).run(close), Code::Success);
    }

    #[test]
    fn a_session_that_podyd_refuses_does_not_begin_and_the_person_is_told_why() {
        let refused = OpenSession("ada", Ok(opened(&["Not shown."], Some("Enough."))));
        let script = [refused, Tell("Enough."), Log(Level::Notice)];
        assert_eq!(Stage::new("ada", script).run(open), Code::PermDenied);
    }

    #[test]
    fn no_trouble_keeps_a_session_from_beginning_or_ending() {
        let script = [OpenSession("ada", Err(away())), Log(Level::Notice)];
        assert_eq!(Stage::new("ada", script).run(open), Code::Success);
        assert_eq!(Stage::new("ada", [CloseSession(Err(away()))]).run(close), Code::Success);
    }

    #[test]
    fn a_podyd_that_talks_without_end_is_cut_short() {
        let messages = ["Line."; 100];
        let shown = (0..MAX_MESSAGES).map(|_| Tell("Line."));
        let script = std::iter::once(OpenSession("ada", Ok(opened(&messages, None)))).chain(shown);
        assert_eq!(Stage::new("ada", script).run(open), Code::Success);
    }
}
