//! Logins. A login is a conversation whose state lives here, not in the PAM module: sshd runs each step of
//! keyboard-interactive in a process of its own.
//!
//! Whoever has a password shows it; whoever has none logs in at the OpenID provider, if there is one. Whether a proven user
//! may come in (locked, expired) is the account phase's matter, which SSH keys and cron go through, too.

mod begun;
mod codes;
mod device;
mod offline;
mod pending;
mod words;

use identity::{Day, Name, State, User};
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

pub(super) use begun::Begun;
use offline::Known;
pub(super) use pending::Logins;
use pending::{Pending, Stage};

use super::codes::can_be_code;
use super::recheck;
use super::{Caller, Operation, PasswordChange, Service};
use crate::config::AuthMode;
use crate::directory::{Directory, Error, Judged, Key, Member, Result};
use crate::limits::LOGIN_LIFETIME;
use crate::store::Failures;
use crate::verifiers::lockout::{self, Judgement, Record, Subject};
use crate::verifiers::{PasswordHash, Verified};

/// A login that wants to begin.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who, as PAM spells it.
    pub user: String,
    /// The PAM service.
    pub service: String,
    /// The host it comes from.
    pub rhost: Option<String>,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for the password and come back with it.
    AskPassword {
        /// The login to answer to.
        login: String,
    },
    /// Ask for a one-time code and come back with it.
    AskCode {
        /// The login to answer to.
        login: String,
    },
    /// Ask for a code, and come back with it, or with nothing to log in at the provider.
    AskCodeOrEnter {
        /// The login to answer to.
        login: String,
    },
    /// Show this, and come back when somebody has pressed Enter.
    AskEnter {
        /// The login to answer to.
        login: String,
        /// What is to be done elsewhere; several lines.
        message: String,
        /// The last line.
        prompt: String,
    },
    /// Come back at once, and ask nobody.
    Wait {
        /// The login to answer to.
        login: String,
    },
    /// It is decided.
    Done(Decision),
}

/// A verdict, with a sentence for the person where there is something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How it ended.
    pub verdict: Verdict,
    /// The sentence.
    pub message: Option<String>,
}

/// How a login, an account check or a password change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Granted,
    /// Wrong password.
    Denied,
    /// Too many failures.
    LockedOut,
    /// Not one of ours.
    Unknown,
    /// An admin locked the account.
    AccountLocked,
    /// The account has expired.
    AccountExpired,
    /// The provider or the directory has said no, or nobody has said yes: asking again is of no use.
    Refused,
    /// It cannot be decided now, or not here.
    Unavailable,
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, message: None }
    }
}

/// What proves that somebody is who they say they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Password,
    /// A one-time code.
    Code,
    /// The word of the OpenID provider.
    Provider,
    /// The same, or a code that was given for it a while ago.
    ProviderOrCode,
}

impl<D: Directory> Service<D> {
    /// Begins a login and says what to ask.
    pub async fn begin_login(&self, caller: &Caller, login: Login) -> Result<Step> {
        // Only root knows where somebody comes from; anybody else could blame any host.
        let login = Login { rhost: login.rhost.filter(|_| *caller == Caller::Root), ..login };
        let (user, service, rhost) = (login.user.clone(), login.service.clone(), login.rhost.clone());
        let step = self.ask_first(caller, login).await?;
        if let Step::Done(Decision { verdict, .. }) = &step
            && *verdict != Verdict::Unknown
        {
            // Names that are nobody's here are other modules' business.
            self.decided(&user, &service, &Subject::source(rhost.as_deref()), *verdict);
        }
        Ok(step)
    }

    /// An end of a login, for the journal and for whoever counts.
    fn decided(&self, user: &str, service: &str, source: &Subject, verdict: Verdict) {
        self.metrics.decided(verdict);
        tracing::info!(user, service, %source, ?verdict, "login");
    }

    async fn ask_first(&self, caller: &Caller, login: Login) -> Result<Step> {
        let mut found = self.proof_of(&login).await?;
        let is_roots = *caller == Caller::Root;
        if found.is_none() && is_roots && self.reserve_before_lookups(&login.user, &login.service).await? {
            found = self.proof_of(&login).await?;
        }
        let Some((name, proof)) = found else {
            return Ok(Step::Done(Verdict::Unknown.into()));
        };
        caller.may(Operation::LogIn(name))?;
        if proof == Proof::Provider {
            return self.begin_device_login(caller, name, login);
        }
        let source = Subject::source(login.rhost.as_deref());
        if proof == Proof::ProviderOrCode {
            let (began, ends) = (Instant::now(), Instant::now() + LOGIN_LIFETIME);
            let Login { service, rhost, .. } = login;
            let (caller, stage) = (caller.clone(), Stage::CodeOrEnter { rhost, began });
            let login = self.logins.keep(Pending { name, service, source, ends, caller, stage })?;
            return Ok(Step::AskCodeOrEnter { login });
        }
        let records = self.failures(&[Subject::User(name), source.clone()]);
        if let Some(until) = self.locked_until(&records)
            && !self.codes.is_one_good_for(name)
        {
            return Ok(Step::Done(locked_out(self.seconds_until(until))));
        }
        let ends = Instant::now() + LOGIN_LIFETIME;
        let is_code = proof == Proof::Code;
        let stage = if is_code { Stage::Code } else { Stage::Password };
        let (service, caller) = (login.service, caller.clone());
        let login = self.logins.keep(Pending { name, service, source, ends, caller, stage })?;
        Ok(if is_code { Step::AskCode { login } } else { Step::AskPassword { login } })
    }

    /// Takes the answer of a login, and decides or asks on.
    pub async fn answer_login(&self, caller: &Caller, id: &str, answer: Zeroizing<String>) -> Result<Step> {
        let Some(pending) = self.logins.take(id, caller) else {
            return Err(Error::NotFound("this login has ended; begin a new one".into()));
        };
        let Pending { name, service, source, .. } = &pending;
        let (name, service, source) = (*name, service.clone(), source.clone());
        let is_code = match &pending.stage {
            Stage::Password => false,
            Stage::Code => true,
            // Whoever was given one meanwhile types it where Enter is waited for.
            Stage::Device(_) => can_be_code(&answer),
            Stage::CodeOrEnter { .. } => !answer.trim().is_empty(),
        };
        let device = match pending.stage {
            _ if is_code => Err(self.redeem_code(name, &service, source.clone(), &answer).await?),
            Stage::Password | Stage::Code => Err(self.code_or_password(name, source.clone(), answer).await?),
            Stage::CodeOrEnter { rhost, began } => self.device(name, &service, rhost, began),
            Stage::Device(device) => Ok(*device),
        };
        let gone_on = match device {
            Ok(device) => self.go_on(device, id).await,
            Err(decision) => Err(decision),
        };
        let step = match gone_on {
            Ok((device, step)) => {
                self.logins.put_back(id, Pending { stage: Stage::Device(Box::new(device)), ..pending });
                step
            }
            Err(decision) => Step::Done(decision),
        };
        if let Step::Done(Decision { verdict, .. }) = &step {
            self.decided(name.as_str(), &service, &source, *verdict);
        }
        Ok(step)
    }

    /// Whether a user may come in, by locks and dates.
    pub async fn check_account(&self, caller: &Caller, user: &str, service: &str) -> Result<Decision> {
        let Some(name) = self.ours(user).await? else {
            return Ok(self.judge_newcomer(caller, user, service));
        };
        caller.may(Operation::LogIn(name))?;
        match self.directory.user(Key::Name(name)).await? {
            Some(member) if self.is_refused(&member.user.uuid) => {
                Ok(Decision { verdict: Verdict::AccountLocked, message: Some(recheck::REFUSED.into()) })
            }
            Some(member) => Ok(judge_account(&member.user, self.clock.today())),
            None => Ok(Verdict::Unknown.into()),
        }
    }

    /// A password change on a terminal: without a new password, the old one is only checked. passwd(1) runs
    /// as root for everybody, so the old password is demanded by the module; what it passes on is checked here.
    pub async fn change_password(
        &self,
        caller: &Caller,
        user: &str,
        change: PasswordChange,
    ) -> Result<Decision> {
        let Some(name) = self.ours(user).await? else {
            return Ok(Verdict::Unknown.into());
        };
        caller.may(Operation::LogIn(name))?;
        self.takes_passwords()?;
        self.check_password_is_ours(name).await?;
        let PasswordChange { old, new } = change;
        if old.is_none() && *caller != Caller::Root {
            return Err(Error::Refused("your old password is needed to set a new one".into()));
        }
        if let Some(old) = &old {
            let decision = self.check_password(name, Subject::Local, old.clone()).await?;
            if decision.verdict != Verdict::Granted {
                return Ok(decision);
            }
        }
        if new.is_some() {
            self.set_password(&Caller::Root, name, PasswordChange { old, new }).await?;
        }
        Ok(Verdict::Granted.into())
    }

    /// Judges a password for another node or program, which knows where the login comes from. Somebody who does not exist
    /// is judged like somebody who is wrong; locks and dates are another question.
    pub async fn authenticate(
        &self,
        caller: &Caller,
        name: Name,
        rhost: &str,
        password: Zeroizing<String>,
    ) -> Result<Judged> {
        caller.may(Operation::LogIn(name))?;
        let source = Subject::source(Some(rhost));
        let judged = self.judge_password(name, source.clone(), password).await?;
        self.metrics.judged(&judged);
        let is_right = matches!(judged, Judged::Right { .. });
        tracing::info!(user = %name, %source, is_right, by = %caller, "password judged");
        Ok(judged)
    }

    /// Makes sure that whoever asks knows the password.
    pub(super) async fn prove(&self, name: Name, password: Zeroizing<String>) -> Result<()> {
        match self.check_password(name, Subject::Local, password).await?.verdict {
            Verdict::Granted => Ok(()),
            Verdict::LockedOut => Err(Error::Refused("too many wrong passwords; try again later".into())),
            _ => Err(Error::Refused("the old password is wrong".into())),
        }
    }

    /// A name that the directory has and this node serves.
    async fn ours(&self, user: &str) -> Result<Option<Name>> {
        let Ok(name) = user.parse::<Name>() else {
            return Ok(None);
        };
        Ok(self.served(name).await?.map(|_| name))
    }

    pub(super) async fn served(&self, name: Name) -> Result<Option<Member>> {
        let rules = self.current_rules();
        let member = self.directory.user(Key::Name(name)).await?;
        Ok(member
            .filter(|Member { user, .. }| rules.objection_to_user(user.name, user.uid, user.gid).is_none()))
    }

    /// How somebody logs in who is served here, or may come to be.
    async fn proof_of(&self, Login { user, service, .. }: &Login) -> Result<Option<(Name, Proof)>> {
        let Ok(name) = user.parse::<Name>() else {
            return Ok(None);
        };
        let settings = self.current_settings();
        let reserved = self.reservations.get(name);
        let served = self.served(name).await?;
        let may_return = match &served {
            Some(member) => self.may_return(member, service).await,
            None => false,
        };
        let is_refused = served.as_ref().is_some_and(|member| self.is_refused(&member.user.uuid));
        let is_password = match served {
            None if reserved.is_none() => return Ok(None),
            None => false,
            // The program that asks has another uid in its hands, which is somebody else's or nobody's.
            Some(member) if reserved.is_some_and(|shown| shown.uuid != member.user.uuid) => {
                return Err(Error::Busy(format!(
                    "{name} has just become another user; log in again in some minutes"
                )));
            }
            Some(member) => member.password_revision.is_some() && settings.auth.mode == AuthMode::Standalone,
        };
        let proof = match settings.oidc.is_configured() {
            // Who ended them says that it is otherwise now, and nothing else does.
            true if is_refused => Proof::Provider,
            _ if is_password => Proof::Password,
            _ if may_return => Proof::ProviderOrCode,
            // Whoever was given one may type it, however the provider is.
            _ if self.codes.is_one_good_for(name) => Proof::Code,
            true => Proof::Provider,
            false => Proof::Password,
        };
        Ok(Some((name, proof)))
    }

    async fn check_password(
        &self,
        name: Name,
        source: Subject,
        password: Zeroizing<String>,
    ) -> Result<Decision> {
        Ok(match self.judge_password(name, source, password).await? {
            Judged::Right { .. } => Verdict::Granted.into(),
            Judged::Wrong => Verdict::Denied.into(),
            Judged::LockedOut { seconds } => locked_out(seconds),
        })
    }

    /// Checks a password and counts a failure against the user and the source. The records are judged twice:
    /// before the work, to spare it, and after it, so that guesses sent in parallel do not all count as free.
    async fn judge_password(
        &self,
        name: Name,
        source: Subject,
        password: Zeroizing<String>,
    ) -> Result<Judged> {
        self.takes_passwords()?;
        let subjects = [Subject::User(name), source];
        if let Some(until) = self.locked_until(&self.failures(&subjects)) {
            return Ok(Judged::LockedOut { seconds: self.seconds_until(until) });
        }
        let known = match self.is_refused_by_name(name).await? {
            // Nothing is right then, and that takes as long as any other wrong password.
            true => Known::Now(None),
            false => self.known_password(name, &subjects[1], &password).await?,
        };
        let (credential, is_current) = match known {
            Known::Now(credential) => (credential, true),
            Known::Earlier(credential) => (Some(credential), false),
            Known::Judged(judged) => return self.judged_elsewhere(&subjects, name, judged, password).await,
        };
        let text = credential.as_ref().and_then(|credential| credential.hash.as_deref());
        let hash = text.and_then(|text| PasswordHash::parse(text).ok());
        let checked = self.pool.check(&name, hash, password.clone()).await;
        let (Verified { ok, rehash }, tell_failure_at) =
            checked.map_err(|busy| Error::Busy(busy.to_string()))?;
        // A failure counts at once and is told later: guesses that are sent meanwhile find it counted. The
        // right password is not told any sooner than a wrong one where both are told "locked".
        let settled = self.settle(&subjects, ok).await;
        if !ok || settled.is_some() {
            sleep_until(tell_failure_at).await;
        }
        if let Some(until) = settled {
            return Ok(Judged::LockedOut { seconds: self.seconds_until(until) });
        }
        let Some(credential) = credential.filter(|_| ok) else { return Ok(Judged::Wrong) };
        if is_current {
            // A shared directory that answers slowly keeps nobody waiting for this: the next login does it.
            let is_away = self.directory.contact().is_some_and(|contact| contact.trouble.is_some());
            if let (Some(old), Some(new)) = (&credential.hash, rehash.filter(|_| !is_away))
                && let Err(error) = self.directory.upgrade_password(&credential.uuid, old, new.as_str()).await
            {
                tracing::warn!(user = %name, %error, "the imported password hash stays as it is");
            }
            self.remember(&credential, password).await;
        }
        Ok(Judged::Right { uuid: credential.uuid, revision: credential.revision, is_current })
    }

    /// Judges again and counts what the login did; returns the end of a lock that forbids it.
    async fn settle(&self, subjects: &[Subject; 2], ok: bool) -> Option<i64> {
        if ok {
            let records = self.failures(subjects);
            let until = self.locked_until(&records);
            if until.is_none() && records[0].is_some() {
                self.node.clear_failures(&subjects[0].to_string()).await;
            }
            return until;
        }
        let now = self.clock.unix_seconds();
        let rules = self.current_settings().auth.lockout.clone();
        let decide = |stored| {
            let records = records(subjects, stored);
            let until = locked_until(&rules, &records, now);
            let failed = |(subject, record): (&Subject, &Option<Record>)| {
                stored_failures(lockout::after_failure(&rules, subject.clone(), record.as_ref(), now))
            };
            let write =
                if until.is_none() { subjects.iter().zip(&records).map(failed).collect() } else { vec![] };
            (write, until)
        };
        self.node.settle(&subjects.each_ref().map(Subject::to_string), decide).await
    }

    fn failures(&self, subjects: &[Subject; 2]) -> Vec<Option<Record>> {
        records(subjects, self.node.failures(&subjects.each_ref().map(Subject::to_string)))
    }

    fn locked_until(&self, records: &[Option<Record>]) -> Option<i64> {
        locked_until(&self.current_settings().auth.lockout, records, self.clock.unix_seconds())
    }

    fn seconds_until(&self, until: i64) -> u64 {
        u64::try_from(until.saturating_sub(self.clock.unix_seconds())).unwrap_or_default().max(1)
    }
}

fn locked_out(seconds: u64) -> Decision {
    let wait =
        if seconds < 120 { format!("{seconds} seconds") } else { format!("{} minutes", seconds / 60 + 1) };
    Decision {
        verdict: Verdict::LockedOut,
        message: Some(format!("Too many wrong passwords or codes. Try again in {wait}.")),
    }
}

/// The store's rows as the rules know them, in the order of the subjects.
fn records(subjects: &[Subject; 2], stored: Vec<Option<Failures>>) -> Vec<Option<Record>> {
    let record = |(subject, stored): (&Subject, Option<Failures>)| {
        let Failures { failures, last_failure, locked_until } = stored?;
        Some(Record { subject: subject.clone(), failures, last_failure, locked_until })
    };
    subjects.iter().zip(stored).map(record).collect()
}

fn stored_failures(record: Record) -> Failures {
    let Record { failures, last_failure, locked_until, .. } = record;
    Failures { failures, last_failure, locked_until }
}

fn locked_until(rules: &crate::config::Lockout, records: &[Option<Record>], now: i64) -> Option<i64> {
    let until = records.iter().filter_map(|record| match lockout::judge(rules, record.as_ref(), now) {
        Judgement::LockedUntil(until) => Some(until),
        Judgement::Allowed => None,
    });
    until.max()
}

pub(super) fn judge_account(user: &User, today: Day) -> Decision {
    if user.state == State::Locked {
        return Decision {
            verdict: Verdict::AccountLocked,
            message: Some("Your account is locked. Ask an administrator of this system.".into()),
        };
    }
    if user.expires_at.is_some_and(|day| day <= today) {
        return Decision {
            verdict: Verdict::AccountExpired,
            message: Some("Your account has expired. Ask an administrator of this system.".into()),
        };
    }
    Verdict::Granted.into()
}
