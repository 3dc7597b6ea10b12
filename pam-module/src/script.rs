//! Scripted counterparts for the tests: libpam and podyd in one script, which says what the module is
//! expected to do, in order, and what it gets back. A script that is not used up fails the test.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

use identity::{Day, Name};
use protocol::ClientError;
use protocol::login::{Begin, Decision, Step, Verdict};
use protocol::session::{Closed, Open, Opened};
use zeroize::Zeroizing;

use crate::options::Options;
use crate::pam::{Code, Flags, Level, Pam, Question, Token, Typed};
use crate::request::{AccountPart, Lookup, Podyd, Request};

/// The day of every test.
pub const TODAY: Day = Day(20_000);

/// One thing that the module is expected to do.
#[derive(Debug)]
pub enum Event {
    /// Begins the login of this user, and gets this.
    Begin(&'static str, Result<Step, ClientError>),
    /// Answers this login with this.
    Answer(&'static str, &'static str, Result<Step, ClientError>),
    /// Asks podyd about this account.
    Check(&'static str, Result<Decision, ClientError>),
    /// Changes a password from this to that.
    Change(Option<&'static str>, Option<&'static str>, Result<Decision, ClientError>),
    /// Begins a session of this user.
    OpenSession(&'static str, Result<Opened, ClientError>),
    /// Ends it.
    CloseSession(Result<Closed, ClientError>),
    /// Shows `message|prompt`, and gets this answer.
    Ask(&'static str, &'static str),
    /// Shows `message|prompt`, and the application fails.
    NoAnswer(&'static str),
    /// Leaves a password for later.
    Remember(Token, &'static str),
    /// Shows a sentence.
    Tell(&'static str),
    /// Delays the failure.
    Delay,
    /// Logs something at this level.
    Log(Level),
}

/// A transaction to come.
pub struct Stage {
    user: &'static str,
    script: RefCell<VecDeque<Event>>,
    pub current: Option<&'static str>,
    pub old: Option<&'static str>,
    pub lookup: Lookup,
    pub passwd: &'static Path,
    pub by_root: bool,
    pub options: Options,
    pub flags: Flags,
}

impl Stage {
    /// `user`'s transaction, in which exactly this happens.
    pub fn new(user: &'static str, script: impl IntoIterator<Item = Event>) -> Self {
        Self {
            user,
            script: RefCell::new(script.into_iter().collect()),
            current: None,
            old: None,
            lookup: Lookup::Unusable,
            passwd: Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/passwd")),
            by_root: false,
            options: Options::default(),
            flags: Flags::default(),
        }
    }

    /// Runs an entry and checks that the script is used up.
    pub fn run(&mut self, entry: fn(&mut Request<'_>) -> Code) -> Code {
        let stage = &*self;
        let code = entry(&mut Request {
            pam: &mut Actor(stage),
            podyd: &mut Actor(stage),
            accounts: &Actor(stage),
            passwd: stage.passwd,
            today: TODAY,
            by_root: stage.by_root,
            options: stage.options,
            flags: stage.flags,
        });
        let rest = self.script.take();
        assert!(rest.is_empty(), "{code:?}, and this did not happen: {rest:?}");
        code
    }
}

/// podyd's first step of a password login.
pub fn ask_password() -> Step {
    Step::Ask { login: "L1".into(), prompt: "Password: ".into(), echo: false, optional: false, message: None }
}

/// podyd's last step.
pub fn done(verdict: Verdict) -> Step {
    Step::Done { verdict, message: None }
}

/// No podyd.
pub fn away() -> ClientError {
    ClientError::Away(io::ErrorKind::ConnectionRefused.into())
}

struct Actor<'a>(&'a Stage);

impl Actor<'_> {
    fn next(&self) -> Event {
        self.0.script.borrow_mut().pop_front().expect("the script ends here")
    }
}

macro_rules! expect {
    ($actor:expr, $pattern:pat $(if $guard:expr)? => $result:expr, $did:expr) => {
        match $actor.next() {
            $pattern $(if $guard)? => $result,
            other => panic!("expected {other:?}, but the module did {}", $did),
        }
    };
}

impl Pam for Actor<'_> {
    fn user(&mut self) -> Result<Vec<u8>, Code> {
        Ok(self.0.user.into())
    }

    fn service(&self) -> String {
        "sshd".into()
    }

    fn rhost(&self) -> Option<String> {
        Some("client.example".into())
    }

    fn tty(&self) -> Option<String> {
        None
    }

    fn token(&self, token: Token) -> Option<Typed> {
        let token = if token == Token::Current { self.0.current } else { self.0.old };
        token.map(|token| Zeroizing::new(token.to_owned()))
    }

    fn remember(&mut self, token: Token, password: &str) -> Result<(), Code> {
        let did = format!("remember({token:?}, {password})");
        expect!(self, Event::Remember(kind, text) if kind == token && text == password => Ok(()), did)
    }

    fn ask(&mut self, question: Question<'_>) -> Result<Typed, Code> {
        let shown =
            question.message.map(|message| format!("{message}|")).unwrap_or_default() + question.prompt;
        match self.next() {
            Event::Ask(text, answer) if text == shown => Ok(Zeroizing::new(answer.to_owned())),
            Event::NoAnswer(text) if text == shown => Err(Code::ConvErr),
            other => panic!("expected {other:?}, but the module asked {shown:?}"),
        }
    }

    fn tell(&mut self, text: &str, _: bool) {
        expect!(self, Event::Tell(wanted) if wanted == text => (), format!("tell({text})"))
    }

    fn delay_failure(&mut self) {
        expect!(self, Event::Delay => (), "delay_failure()")
    }

    fn log(&self, level: Level, text: &str) {
        assert!(!text.contains("secret"), "a secret was logged: {text}");
        expect!(self, Event::Log(wanted) if wanted == level => (), format!("log({level:?}, {text})"))
    }
}

impl Podyd for Actor<'_> {
    fn begin(&mut self, begin: &Begin) -> Result<Step, ClientError> {
        assert_eq!((begin.service.as_str(), begin.rhost.as_deref()), ("sshd", Some("client.example")));
        expect!(self, Event::Begin(user, step) if user == begin.user => step, format!("{begin:?}"))
    }

    fn answer(&mut self, login: &str, answer: &str) -> Result<Step, ClientError> {
        let did = format!("answer({login}, {answer})");
        expect!(self, Event::Answer(to, text, step) if to == login && text == answer => step, did)
    }

    fn check_account(&mut self, user: &str, service: &str) -> Result<Decision, ClientError> {
        assert_eq!(service, "sshd");
        expect!(self, Event::Check(name, decision) if name == user => decision, format!("check_account({user})"))
    }

    fn change_password(
        &mut self,
        user: &str,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<Decision, ClientError> {
        assert_eq!(user, "ada");
        let did = format!("change_password({old:?}, {new:?})");
        expect!(self, Event::Change(from, to, decision) if from == old && to == new => decision, did)
    }

    fn open_session(&mut self, session: &Open) -> Result<Opened, ClientError> {
        assert_eq!((session.service.as_str(), session.rhost.as_deref()), ("sshd", Some("client.example")));
        expect!(self, Event::OpenSession(user, opened) if user == session.user => opened, format!("{session:?}"))
    }

    fn close_session(&mut self) -> Result<Closed, ClientError> {
        expect!(self, Event::CloseSession(closed) => closed, "close_session()")
    }
}

impl AccountPart for Actor<'_> {
    fn lookup(&self, _: &Name) -> Lookup {
        self.0.lookup
    }

    fn knows(&self, _: &Name) -> Option<bool> {
        match self.0.lookup {
            Lookup::Found(_) => Some(true),
            Lookup::Absent => Some(false),
            Lookup::Unusable => None,
        }
    }
}
