//! `org.pody.Login`.

use std::time::Duration;

use identity::Name;
use protocol::directory::Secret;
use protocol::login::{
    self, Answer, Begin, BreakGlass, ChangePassword, CheckAccount, ForgetCodes, ForgottenCodes, OneTimeCode,
};

use super::Handle;
use crate::directory::{Directory, Error, Result};
use crate::doors::record::{parse, parse_option, secret};
use crate::service::{
    self, Caller, Decision, Login, LoginCode, PasswordChange, Peer, Service, Step, Verdict,
};

impl<D: Directory> Handle<D> for Begin {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<login::Step> {
        let login = Login { user: self.user, service: self.service, rhost: self.rhost };
        service.begin_login(caller, login).await.map(step)
    }
}

impl<D: Directory> Handle<D> for Answer {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<login::Step> {
        service.answer_login(caller, &self.login, secret(self.answer)).await.map(step)
    }
}

impl<D: Directory> Handle<D> for CheckAccount {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<login::Decision> {
        service.check_account(caller, &self.user, &self.service).await.map(wire)
    }
}

impl<D: Directory> Handle<D> for ChangePassword {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<login::Decision> {
        let change = PasswordChange { old: self.old.map(secret), new: self.new.map(secret) };
        service.change_password(caller, &self.user, change).await.map(wire)
    }
}

impl<D: Directory> Handle<D> for ForgetCodes {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<ForgottenCodes> {
        let asked: Option<Name> = parse_option("user", self.user.as_deref())?;
        let own = match caller {
            Caller::Admin(own) | Caller::User(own) => Some(*own),
            _ => None,
        };
        let name =
            asked.or(own).ok_or_else(|| Error::invalid("user", "say whose codes are to be forgotten"))?;
        let codes = service.forget_relogin_codes(caller, name).await?;
        Ok(ForgottenCodes { name: name.to_string(), codes })
    }
}

/// The journal is to say which process asked.
pub async fn break_glass<D: Directory>(
    call: BreakGlass,
    service: &Service<D>,
    caller: &Caller,
    process: Peer,
) -> Result<OneTimeCode> {
    let BreakGlass { user, seconds, reason } = call;
    let user = parse("user", &user)?;
    let lifetime = Duration::from_secs(seconds);
    let code = service.break_glass(caller, process, service::BreakGlass { user, lifetime, reason }).await?;
    Ok(one_time_code(user, &code, lifetime))
}

/// A code on its way to whoever types it.
pub fn one_time_code(name: Name, code: &LoginCode, lifetime: Duration) -> OneTimeCode {
    OneTimeCode {
        name: name.to_string(),
        code: Secret(code.expose().to_owned()),
        seconds: lifetime.as_secs(),
    }
}

fn step(step: Step) -> login::Step {
    match step {
        Step::AskPassword { login } => login::Step::Ask {
            login,
            prompt: "Password: ".into(),
            echo: false,
            optional: false,
            message: None,
        },
        Step::AskCode { login } => login::Step::Ask {
            login,
            prompt: "One-time code: ".into(),
            echo: false,
            optional: false,
            message: None,
        },
        Step::AskCodeOrEnter { login } => {
            let prompt = "Re-login code, or just Enter to log in with a browser: ".into();
            login::Step::Ask { login, prompt, echo: false, optional: true, message: None }
        }
        Step::AskEnter { login, message, prompt } => {
            login::Step::Ask { login, prompt, echo: true, optional: true, message: Some(message) }
        }
        Step::Wait { login } => login::Step::Wait { login },
        Step::Done(decision) => {
            let login::Decision { verdict, message } = wire(decision);
            login::Step::Done { verdict, message }
        }
    }
}

fn wire(Decision { verdict, message }: Decision) -> login::Decision {
    let verdict = match verdict {
        Verdict::Granted => login::Verdict::Granted,
        Verdict::Denied => login::Verdict::Denied,
        Verdict::LockedOut => login::Verdict::LockedOut,
        Verdict::Unknown => login::Verdict::Unknown,
        Verdict::AccountLocked => login::Verdict::AccountLocked,
        Verdict::AccountExpired => login::Verdict::AccountExpired,
        // Programs that ask again would begin another login, which nobody has the time to approve.
        Verdict::Refused => login::Verdict::LockedOut,
        Verdict::Unavailable => login::Verdict::Unavailable,
    };
    login::Decision { verdict, message }
}
