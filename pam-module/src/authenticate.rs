//! `pam_sm_authenticate`: carries podyd's questions to the person and the answers back.
//!
//! What is asked, and what an answer is worth, podyd alone decides; nothing is remembered here.

use identity::Name;
use protocol::login::{Begin, Step, Verdict};

use crate::pam::{Code, Level, Question, Token, Typed};
use crate::request::{Request, code_of};

/// How many steps one login may have. A login at an OpenID provider waits for 100 s in calls of 5 s; a podyd that never ends
/// must not hold sshd for ever.
const MAX_STEPS: usize = 32;

/// What somebody is told who has answered, and whom nobody can judge now.
const UNAVAILABLE: &str =
    "It cannot be decided just now whether you may log in. Please try again in a moment.";

/// Decides whether the user is who they say they are.
pub fn authenticate(request: &mut Request<'_>) -> Code {
    let name = match request.user() {
        Ok(name) => name,
        // It is not known who is local. The stack ends with "unavailable", and must not for them.
        Err(Code::AuthinfoUnavail) => return Code::SystemErr,
        Err(code) => return code,
    };
    let begin = Begin {
        user: name.as_str().to_owned(),
        service: request.pam.service(),
        rhost: request.pam.rhost(),
        tty: request.pam.tty(),
    };
    let mut step = request.podyd.begin(&begin);
    let mut was_asked = false;
    for count in 0..MAX_STEPS {
        step = match step {
            Ok(Step::Ask { login, prompt, echo, optional, message }) => {
                let question = Question { message: message.as_deref(), prompt: &prompt, echo, optional };
                was_asked = true;
                match answer(request, question, count == 0) {
                    Ok(answer) => request.podyd.answer(&login, &answer),
                    Err(code) => return code,
                }
            }
            Ok(Step::Wait { login }) => request.podyd.answer(&login, ""),
            Ok(Step::Done { verdict, message }) => return conclude(request, verdict, message),
            Err(error) => {
                return unavailable(
                    request,
                    &name,
                    was_asked,
                    &format!("{name} cannot be authenticated: {error}"),
                );
            }
        };
    }
    unavailable(
        request,
        &name,
        was_asked,
        &format!("podyd's login of {name} has no end after {MAX_STEPS} steps"),
    )
}

/// The answer to a question: a password that an earlier module left, or what the person types now.
fn answer(request: &mut Request<'_>, question: Question<'_>, is_first: bool) -> Result<Typed, Code> {
    let is_password = is_first && !question.echo && !question.optional;
    let earlier = if is_password { request.pam.token(Token::Current) } else { None };
    let answer = match earlier {
        Some(earlier) => earlier,
        None if request.options.use_first_pass => {
            request.log(
                Level::Notice,
                "no earlier module left a password, and use_first_pass forbids asking for one",
            );
            return Err(Code::AuthErr);
        }
        None => {
            let typed = request.pam.ask(question)?;
            if is_password {
                request.pam.remember(Token::Current, &typed)?;
            }
            typed
        }
    };
    // Nobody's password is empty, whether or not PAM_DISALLOW_NULL_AUTHTOK says so.
    if !question.echo && !question.optional && answer.is_empty() {
        request.pam.delay_failure();
        return Err(Code::AuthErr);
    }
    Ok(answer)
}

fn conclude(request: &mut Request<'_>, verdict: Verdict, message: Option<String>) -> Code {
    let code = code_of(verdict);
    if let Some(message) = message {
        request.tell(&message, verdict != Verdict::Granted);
    }
    if matches!(verdict, Verdict::Denied | Verdict::LockedOut) {
        request.pam.delay_failure();
    }
    request.log(Level::Debug, &format!("podyd's verdict: {verdict:?}"));
    code
}

/// Whoever has answered a question, or is known to be Pody's, is told. Anybody else may be another module's, whose user need
/// not hear of Pody, and is left to it if it is certain that Pody has no such user.
fn unavailable(request: &mut Request<'_>, name: &Name, was_asked: bool, why: &str) -> Code {
    request.log(Level::Error, why);
    match request.accounts.knows(name) {
        Some(false) if !was_asked => return Code::UserUnknown,
        None if !was_asked => {}
        _ => request.tell(UNAVAILABLE, true),
    }
    Code::AuthinfoUnavail
}

#[cfg(test)]
mod tests {
    use protocol::{ClientError, Error};

    use super::*;
    use crate::options::Options;
    use crate::request::Lookup;
    use crate::script::{Event, Event::*, Stage, ask_password, away, done};

    #[test]
    fn a_right_password_is_asked_for_once_remembered_and_granted() {
        let mut stage = Stage::new(
            "ada",
            [
                Begin("ada", Ok(ask_password())),
                Ask("Password: ", "secret"),
                Remember(Token::Current, "secret"),
                Answer("L1", "secret", Ok(done(Verdict::Granted))),
            ],
        );
        assert_eq!(stage.run(authenticate), Code::Success);
    }

    #[test]
    fn an_earlier_modules_password_is_tried_before_anybody_is_asked() {
        let mut stage = Stage::new(
            "ada",
            [Begin("ada", Ok(ask_password())), Answer("L1", "earlier", Ok(done(Verdict::Denied))), Delay],
        );
        stage.current = Some("earlier");
        assert_eq!(stage.run(authenticate), Code::AuthErr);
    }

    #[test]
    fn use_first_pass_never_asks() {
        let mut stage = Stage::new("ada", [Begin("ada", Ok(ask_password())), Log(Level::Notice)]);
        stage.options = Options { use_first_pass: true, ..Options::default() };
        assert_eq!(stage.run(authenticate), Code::AuthErr);
    }

    #[test]
    fn only_the_first_silent_question_is_the_password() {
        let code = Step::Ask {
            login: "L2".into(),
            prompt: "Code: ".into(),
            echo: false,
            optional: false,
            message: Some("Open …".into()),
        };
        let mut stage = Stage::new(
            "ada",
            [
                Begin("ada", Ok(ask_password())),
                Answer("L1", "earlier", Ok(code)),
                Ask("Open …|Code: ", "123"),
                Answer("L2", "123", Ok(done(Verdict::Granted))),
            ],
        );
        stage.current = Some("earlier");
        assert_eq!(stage.run(authenticate), Code::Success);
    }

    #[test]
    fn an_empty_password_is_refused_without_asking_podyd() {
        let mut stage = Stage::new(
            "ada",
            [Begin("ada", Ok(ask_password())), Ask("Password: ", ""), Remember(Token::Current, ""), Delay],
        );
        assert_eq!(stage.run(authenticate), Code::AuthErr);
    }

    #[test]
    fn an_empty_answer_to_a_visible_question_is_an_answer() {
        let enter = Step::Ask {
            login: "L1".into(),
            prompt: "Press Enter: ".into(),
            echo: true,
            optional: true,
            message: None,
        };
        let mut stage = Stage::new(
            "ada",
            [Begin("ada", Ok(enter)), Ask("Press Enter: ", ""), Answer("L1", "", Ok(done(Verdict::Granted)))],
        );
        // A password that an earlier module left is no answer to a question that may be seen.
        stage.current = Some("earlier");
        assert_eq!(stage.run(authenticate), Code::Success);
    }

    #[test]
    fn enter_is_an_answer_to_a_hidden_question_that_allows_it_and_an_earlier_password_is_none() {
        let code = || Step::Ask {
            login: "L1".into(),
            prompt: "Code, or Enter: ".into(),
            echo: false,
            optional: true,
            message: None,
        };
        for typed in ["", "7K2M-9QXR-4TDA-0WHE"] {
            let mut stage = Stage::new(
                "ada",
                [
                    Begin("ada", Ok(code())),
                    Ask("Code, or Enter: ", typed),
                    Answer("L1", typed, Ok(done(Verdict::Granted))),
                ],
            );
            stage.current = Some("earlier");
            assert_eq!(stage.run(authenticate), Code::Success);
        }
    }

    #[test]
    fn whoever_logs_in_elsewhere_is_asked_once_and_waited_for() {
        let wait = || Ok(Step::Wait { login: "L1".into() });
        let enter = Step::Ask {
            login: "L1".into(),
            prompt: "Press Enter: ".into(),
            echo: true,
            optional: true,
            message: Some("Open …".into()),
        };
        let denied =
            || Step::Done { verdict: Verdict::LockedOut, message: Some("You denied this login.".into()) };
        let script = |end: Step, tail: Vec<Event>| {
            let mut script = vec![
                Begin("ada", wait()),
                Answer("L1", "", wait()),
                Answer("L1", "", Ok(enter.clone())),
                Ask("Open …|Press Enter: ", "whatever was typed"),
                Answer("L1", "whatever was typed", wait()),
                Answer("L1", "", wait()),
                Answer("L1", "", Ok(end)),
            ];
            script.extend(tail);
            script
        };
        let granted = script(done(Verdict::Granted), vec![]);
        assert_eq!(Stage::new("ada", granted).run(authenticate), Code::Success);
        let refused = script(denied(), vec![Tell("You denied this login."), Delay]);
        let mut stage = Stage::new("ada", refused);
        // What an earlier module left, or an option says of passwords, is nothing to those who bring none.
        stage.current = Some("earlier");
        assert_eq!(stage.run(authenticate), Code::MaxTries);
    }

    #[test]
    fn whoever_was_not_asked_yet_is_not_told_that_podyd_went_away() {
        let wait = || Ok(Step::Wait { login: "L1".into() });
        let script = [Begin("ada", wait()), Answer("L1", "", Err(away())), Log(Level::Error)];
        assert_eq!(Stage::new("ada", script).run(authenticate), Code::AuthinfoUnavail);
        let mut endless = vec![Begin("ada", wait())];
        endless.extend((0..MAX_STEPS).map(|_| Answer("L1", "", wait())));
        endless.push(Log(Level::Error));
        assert_eq!(Stage::new("ada", endless).run(authenticate), Code::AuthinfoUnavail);
    }

    #[test]
    fn every_verdict_has_its_code_and_only_failures_of_proof_are_delayed() {
        for (verdict, code, delayed) in [
            (Verdict::Granted, Code::Success, false),
            (Verdict::Denied, Code::AuthErr, true),
            (Verdict::LockedOut, Code::MaxTries, true),
            (Verdict::Unknown, Code::UserUnknown, false),
            (Verdict::Unavailable, Code::AuthinfoUnavail, false),
            (Verdict::AccountLocked, Code::PermDenied, false),
            (Verdict::AccountExpired, Code::AcctExpired, false),
        ] {
            let mut script = vec![Begin("ada", Ok(done(verdict)))];
            script.extend(delayed.then_some(Delay));
            assert_eq!(Stage::new("ada", script).run(authenticate), code, "{verdict:?}");
        }
    }

    #[test]
    fn trouble_of_any_kind_is_unavailable_and_never_success() {
        let busy = || ClientError::Refused(Error::Busy { message: "later".into() });
        let failed = || ClientError::Refused(Error::Failed { message: "broken".into() });
        for trouble in [away(), ClientError::Deadline, ClientError::Malformed("{]".into()), busy(), failed()]
        {
            let mut stage = Stage::new("ada", [Begin("ada", Err(trouble)), Log(Level::Error)]);
            assert_eq!(stage.run(authenticate), Code::AuthinfoUnavail);
        }
        let mut stage = Stage::new(
            "ada",
            [
                Begin("ada", Ok(ask_password())),
                Ask("Password: ", "secret"),
                Remember(Token::Current, "secret"),
                Answer("L1", "secret", Err(busy())),
                Log(Level::Error),
                Tell(UNAVAILABLE),
            ],
        );
        assert_eq!(stage.run(authenticate), Code::AuthinfoUnavail);
    }

    #[test]
    fn in_trouble_podys_people_are_told_and_those_of_other_directories_are_left_to_them() {
        let known = crate::request::Account { locked: false, reserved: false, expires_at: None };
        for (lookup, told, code) in [
            (Lookup::Found(known), true, Code::AuthinfoUnavail),
            (Lookup::Absent, false, Code::UserUnknown),
            (Lookup::Unusable, false, Code::AuthinfoUnavail),
        ] {
            let mut script = vec![Begin("ada", Err(away())), Log(Level::Error)];
            script.extend(told.then_some(Tell(UNAVAILABLE)));
            let mut stage = Stage::new("ada", script);
            stage.lookup = lookup;
            assert_eq!(stage.run(authenticate), code, "{lookup:?}");
        }
        let asked = [
            Begin("ada", Ok(ask_password())),
            Ask("Password: ", "secret"),
            Remember(Token::Current, "secret"),
            Answer("L1", "secret", Err(away())),
            Log(Level::Error),
            Tell(UNAVAILABLE),
        ];
        let mut stage = Stage::new("ada", asked);
        stage.lookup = Lookup::Absent;
        assert_eq!(stage.run(authenticate), Code::AuthinfoUnavail, "podyd knows whom it asks");
    }

    #[test]
    fn where_nobody_knows_who_is_local_nobody_is_kept_out_by_us() {
        let mut stage = Stage::new("ada", [Log(Level::Error)]);
        stage.passwd = std::path::Path::new("/nonexistent/passwd");
        assert_eq!(stage.run(authenticate), Code::SystemErr);
    }

    #[test]
    fn a_podyd_that_never_ends_is_given_up() {
        let again = || Step::Ask {
            login: "L1".into(),
            prompt: "Again? ".into(),
            echo: true,
            optional: true,
            message: None,
        };
        let mut script = vec![Begin("ada", Ok(again()))];
        for _ in 0..MAX_STEPS {
            script.extend([Ask("Again? ", "y"), Answer("L1", "y", Ok(again()))]);
        }
        script.extend([Log(Level::Error), Tell(UNAVAILABLE)]);
        assert_eq!(Stage::new("ada", script).run(authenticate), Code::AuthinfoUnavail);
    }

    #[test]
    fn root_and_local_and_impossible_names_are_passed_on_without_a_word_to_podyd() {
        for name in ["root", "local", "", "-rf", "Ada", "a:b", "pam_unix_non_existent:"] {
            assert_eq!(Stage::new(name, []).run(authenticate), Code::UserUnknown, "{name:?}");
        }
    }

    #[test]
    fn an_application_that_brings_no_answer_ends_the_login() {
        let mut stage = Stage::new("ada", [Begin("ada", Ok(ask_password())), NoAnswer("Password: ")]);
        assert_eq!(stage.run(authenticate), Code::ConvErr);
    }

    #[test]
    fn a_verdicts_sentence_is_shown_unless_silence_is_wanted() {
        let locked = || Step::Done { verdict: Verdict::LockedOut, message: Some("Wait 30 s.".into()) };
        let script = || [Begin("ada", Ok(locked())), Tell("Wait 30 s."), Delay];
        assert_eq!(Stage::new("ada", script()).run(authenticate), Code::MaxTries);
        let mut silent = Stage::new("ada", [Begin("ada", Ok(locked())), Delay]);
        silent.flags = crate::pam::Flags(crate::pam::Flags::SILENT);
        assert_eq!(silent.run(authenticate), Code::MaxTries);
        let mut quiet = Stage::new("ada", [Begin("ada", Ok(locked())), Delay]);
        quiet.options.quiet = true;
        assert_eq!(quiet.run(authenticate), Code::MaxTries);
    }
}
