//! `pam_sm_setcred` and the two session entries. There is nothing to do yet, and nothing here may fail:
//! sshd ends a login whose session cannot be opened, and a logout must always work.

use crate::pam::Code;
use crate::request::{Lookup, Request};

/// PAM_SUCCESS for our users: libpam walks this stack as it walked the one that authenticated, where a
/// `sufficient` module that then says PAM_IGNORE would run the stack into pam_deny. PAM_IGNORE for
/// everybody else and in any trouble, so that the other modules alone decide (PAM_USER_UNKNOWN would
/// fail a stack that says `required`).
pub fn nothing_to_do(request: &mut Request<'_>) -> Code {
    match request.user() {
        Ok(name) if request.accounts.lookup(&name) != Lookup::Absent => Code::Success,
        _ => Code::Ignore,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pam::Level;
    use crate::request::Account;
    use crate::script::{Event::Log, Stage};

    #[test]
    fn our_users_succeed_and_podyd_is_not_asked() {
        for lookup in
            [Lookup::Found(Account { locked: true, reserved: false, expires_at: None }), Lookup::Unusable]
        {
            let mut stage = Stage::new("ada", []);
            stage.lookup = lookup;
            assert_eq!(stage.run(nothing_to_do), Code::Success);
        }
    }

    #[test]
    fn everybody_else_is_left_to_the_other_modules() {
        for name in ["root", "local", "A B"] {
            assert_eq!(Stage::new(name, []).run(nothing_to_do), Code::Ignore);
        }
        let mut absent = Stage::new("ada", []);
        absent.lookup = Lookup::Absent;
        assert_eq!(absent.run(nothing_to_do), Code::Ignore);
        let mut blind = Stage::new("ada", [Log(Level::Error)]);
        blind.passwd = Path::new("/nonexistent/passwd");
        assert_eq!(blind.run(nothing_to_do), Code::Ignore);
    }
}
