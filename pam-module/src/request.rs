//! What every entry begins with: everything it may ask, and whether the user is any of our business.

use std::path::Path;

use identity::{Day, Name};
use protocol::ClientError;
use protocol::login::{Begin, Decision, Step, Verdict};
use protocol::session::{Closed, Open, Opened};

use crate::local::is_local;
use crate::options::Options;
use crate::pam::{Code, Flags, Level, Pam};

/// podyd, as `org.pody.Login` and `org.pody.Session` let it be asked.
pub trait Podyd {
    /// Starts a login.
    fn begin(&mut self, begin: &Begin) -> Result<Step, ClientError>;
    /// Answers a login's question.
    fn answer(&mut self, login: &str, answer: &str) -> Result<Step, ClientError>;
    /// Asks whether an account may be used.
    fn check_account(&mut self, user: &str, service: &str) -> Result<Decision, ClientError>;
    /// Changes a password, or without `new` checks the old one.
    fn change_password(
        &mut self,
        user: &str,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<Decision, ClientError>;
    /// Says that this process begins a session.
    fn open_session(&mut self, session: &Open) -> Result<Opened, ClientError>;
    /// Says that its session ends.
    fn close_session(&mut self) -> Result<Closed, ClientError>;
}

/// What the account part of the snapshot says of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The user is ours.
    Found(Account),
    /// The snapshot is complete and does not hold the user.
    Absent,
    /// There is no account part, or this process may not read it, or it does not hold everybody.
    Unusable,
}

/// The part of a user's record that decides about coming in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// An admin locked it.
    pub locked: bool,
    /// Nobody has it yet: it is kept for a first login.
    pub reserved: bool,
    /// The first day on which it has expired.
    pub expires_at: Option<Day>,
}

/// The account part of the snapshot, readable by root alone.
pub trait AccountPart {
    /// Looks a user up.
    fn lookup(&self, name: &Name) -> Lookup;
    /// Whether there is such a user of Pody's, which anybody may know; `None`: that cannot be said.
    fn knows(&self, name: &Name) -> Option<bool>;
}

/// One call of one entry, with everything it may use.
pub struct Request<'a> {
    /// The transaction.
    pub pam: &'a mut dyn Pam,
    /// The daemon.
    pub podyd: &'a mut dyn Podyd,
    /// The accounts.
    pub accounts: &'a dyn AccountPart,
    /// /etc/passwd.
    pub passwd: &'a Path,
    /// Today, in UTC as shadow(5) counts.
    pub today: Day,
    /// Whether the process was started by root: real uid 0.
    pub by_root: bool,
    /// The module's arguments.
    pub options: Options,
    /// The application's wishes.
    pub flags: Flags,
}

impl Request<'_> {
    /// The user, if Pody has a say about that name at all. `root` and whoever stands in /etc/passwd are
    /// unknown here whatever podyd or the snapshot might claim: podyd cannot make anybody root.
    pub fn user(&mut self) -> Result<Name, Code> {
        let user = self.pam.user()?;
        let name = Name::new(&user).map_err(|_| Code::UserUnknown)?;
        if name.as_bytes() == b"root" {
            return Err(Code::UserUnknown);
        }
        match is_local(self.passwd, &name) {
            Ok(false) => Ok(name),
            Ok(true) => Err(Code::UserUnknown),
            Err(error) => {
                let text = format!(
                    "{} cannot be read, so it is not known who is local: {error}",
                    self.passwd.display()
                );
                self.pam.log(Level::Error, &text);
                Err(Code::AuthinfoUnavail)
            }
        }
    }

    /// Shows a sentence, unless nobody wants to see any.
    pub fn tell(&mut self, text: &str, is_error: bool) {
        if !self.flags.has(Flags::SILENT) && !self.options.quiet {
            self.pam.tell(text, is_error);
        }
    }

    /// Logs what the admin's arguments let through.
    pub fn log(&self, level: Level, text: &str) {
        let wanted = match level {
            Level::Error => true,
            Level::Notice => !self.options.quiet,
            Level::Debug => self.options.debug,
        };
        if wanted {
            self.pam.log(level, text);
        }
    }
}

/// The code that PAM has for a verdict.
pub fn code_of(verdict: Verdict) -> Code {
    match verdict {
        Verdict::Granted => Code::Success,
        Verdict::Denied => Code::AuthErr,
        Verdict::LockedOut => Code::MaxTries,
        Verdict::Unknown => Code::UserUnknown,
        Verdict::Unavailable => Code::AuthinfoUnavail,
        Verdict::AccountLocked => Code::PermDenied,
        Verdict::AccountExpired => Code::AcctExpired,
    }
}
