//! PAM as the rest of the module sees it: a few questions to ask of libpam, and what can be answered.
//!
//! `ffi` implements [`Pam`] over the real library; the tests implement it with a script.

use std::ffi::c_int;

use zeroize::Zeroizing;

/// The longest answer that is taken: PAM_MAX_RESP_SIZE, which applications use for their buffers.
pub const MAX_ANSWER_BYTES: usize = 512;

/// What somebody typed; wiped when it is dropped.
pub type Typed = Zeroizing<String>;

/// A return value of PAM (`security/_pam_types.h`).
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// PAM_SUCCESS
    Success = 0,
    /// PAM_SYSTEM_ERR: we are broken.
    SystemErr = 4,
    /// PAM_PERM_DENIED: the account may not be used.
    PermDenied = 6,
    /// PAM_AUTH_ERR: the person did not prove who they are.
    AuthErr = 7,
    /// PAM_AUTHINFO_UNAVAIL: it cannot be decided now.
    AuthinfoUnavail = 9,
    /// PAM_USER_UNKNOWN: not ours; another module may know them.
    UserUnknown = 10,
    /// PAM_MAXTRIES: do not ask again.
    MaxTries = 11,
    /// PAM_ACCT_EXPIRED
    AcctExpired = 13,
    /// PAM_CONV_ERR: the application did not bring an answer.
    ConvErr = 19,
    /// PAM_AUTHTOK_ERR: the password was not changed.
    AuthtokErr = 20,
    /// PAM_TRY_AGAIN: the password was not changed, and trying again may help.
    TryAgain = 24,
    /// PAM_IGNORE: as if this module did not stand in the stack.
    Ignore = 25,
}

/// What the application asked of an entry.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags(pub c_int);

impl Flags {
    /// PAM_CHANGE_EXPIRED_AUTHTOK: change the password only if it has expired.
    pub const CHANGE_EXPIRED: c_int = 0x0020;
    /// PAM_UPDATE_AUTHTOK: now change the password. Its other half, PAM_PRELIM_CHECK, is its absence.
    pub const UPDATE: c_int = 0x2000;
    /// PAM_SILENT: show nothing but questions.
    pub const SILENT: c_int = 0x8000;

    /// Whether `flag` is set.
    pub const fn has(self, flag: c_int) -> bool {
        self.0 & flag != 0
    }
}

/// A password that libpam keeps between the modules of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// PAM_AUTHTOK: the password, or the new one while it is being changed.
    Current,
    /// PAM_OLDAUTHTOK: the old one while it is being changed.
    Old,
}

/// A question to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Text to show before it.
    pub message: Option<&'a str>,
    /// The prompt.
    pub prompt: &'a str,
    /// Whether what is typed may be seen.
    pub echo: bool,
    /// Whether nothing but Enter is an answer, too.
    pub optional: bool,
}

/// How something is shown or logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something is broken and an admin must act.
    Error,
    /// Something that an admin may want to know.
    Notice,
    /// A step on the way.
    Debug,
}

/// One PAM transaction.
pub trait Pam {
    /// The user, as bytes from C.
    fn user(&mut self) -> Result<Vec<u8>, Code>;
    /// The service, such as `sshd`.
    fn service(&self) -> String;
    /// Where the person comes from, if the application said so.
    fn rhost(&self) -> Option<String>;
    /// Their terminal, if the application said so.
    fn tty(&self) -> Option<String>;
    /// A password that an earlier module, or an earlier phase, left behind.
    fn token(&self, token: Token) -> Option<Typed>;
    /// Leaves a password for the modules that follow.
    fn remember(&mut self, token: Token, password: &str) -> Result<(), Code>;
    /// Asks, and waits for the answer.
    fn ask(&mut self, question: Question<'_>) -> Result<Typed, Code>;
    /// Shows a sentence; whether it was seen makes no difference.
    fn tell(&mut self, text: &str, is_error: bool);
    /// Makes libpam wait a while if the stack fails in the end.
    fn delay_failure(&mut self);
    /// Writes to syslog. Never a secret.
    fn log(&self, level: Level, text: &str);
}

/// Takes what an application or an earlier module brought, or nothing if it cannot be a password:
/// longer than [`MAX_ANSWER_BYTES`], or not UTF-8, which Varlink's JSON could not carry.
pub fn accept(bytes: &[u8]) -> Option<Typed> {
    if bytes.len() > MAX_ANSWER_BYTES {
        return None;
    }
    std::str::from_utf8(bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_text_of_512_bytes_at_the_most() {
        assert_eq!(accept("päss".as_bytes()).unwrap().as_str(), "päss");
        assert!(accept(&[b'x'; 512]).is_some());
        assert!(accept(&[b'x'; 513]).is_none());
        assert!(accept(b"caf\xe9").is_none());
    }
}
